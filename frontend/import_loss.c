// Losses: negative log likelihood and softmax cross entropy.
#include <string.h>

#include "frontend/import.h"

// weight[target] * -scores[n, target, ..], with targets that are ignored counting nothing.
typedef struct Loss {
  Value *loss, *weight; // weight NULL: all count the same
} Loss;

static bool element_loss(OnnxNode *node, Value *scores, Loss *loss) {
  Value *target = onnx_convert(node, onnx_input(node, 1), I64), *class_weight = onnx_input(node, 2),
        *ignored = NULL;
  if (!target || scores->type.rank < 2 || target->type.rank != scores->type.rank - 1)
    return onnx_error(node, "scores of rank %d, targets of rank %d", scores->type.rank,
                      onnx_input(node, 1)->type.rank);
  if (onnx_attribute(node, "ignore_index")) {
    int64_t index = onnx_int(node, "ignore_index", 0);
    ignored = onnx_binary(node, OP_EQUAL, target, build_ints(&node->builder, &index, 1));
    int64_t first = 0;
    Value *zero = build_ints(&node->builder, &first, 1);
    target = onnx_where(node, ignored, zero, target);
  }
  Value *column = onnx_unsqueeze(node, target, (int64_t[]){1}, 1);
  Node *gather =
      column ? build_begin(&node->builder, OP_GATHER_ELEMENTS, (Value *[]){scores, column}, 2)
             : NULL;
  if (!gather) return false;
  node_set_int(gather, ATTR_AXIS, 1);
  loss->loss = onnx_unary(node, OP_NEG,
                          onnx_squeeze(node, build_end(&node->builder, gather), (int64_t[]){1}, 1));
  loss->weight = onnx_gather(node, class_weight, target, 0, true);
  if (ignored) {
    Value *none = onnx_scalar_like(node, scores, 0),
          *whole = loss->weight ? loss->weight : onnx_scalar_like(node, scores, 1);
    loss->weight = onnx_where(node, ignored, none, whole);
  }
  if (loss->weight) loss->loss = onnx_binary(node, OP_MUL, loss->loss, loss->weight);
  return loss->loss != NULL && !node->builder.failed;
}

static Value *sum_all(OnnxNode *node, OpCode op, Value *x) {
  int64_t axes[MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  return x ? build_reduce(&node->builder, op, x, axes, x->type.rank, false) : NULL;
}

static bool reduce_loss(OnnxNode *node, Value *scores) {
  Loss loss = {NULL, NULL};
  const char *reduction = onnx_string(node, "reduction", "mean");
  if (!scores || !element_loss(node, scores, &loss)) return false;
  if (strcmp(reduction, "none") == 0) return onnx_output(node, 0, loss.loss);
  if (strcmp(reduction, "sum") == 0)
    return onnx_output(node, 0, sum_all(node, OP_REDUCE_SUM, loss.loss));
  if (strcmp(reduction, "mean") != 0) return onnx_error(node, "reduction '%s'", reduction);
  if (!loss.weight) return onnx_output(node, 0, sum_all(node, OP_REDUCE_MEAN, loss.loss));
  return onnx_output(node, 0,
                     onnx_binary(node, OP_DIV, sum_all(node, OP_REDUCE_SUM, loss.loss),
                                 sum_all(node, OP_REDUCE_SUM, loss.weight)));
}

bool import_negative_log_likelihood(OnnxNode *node) {
  return onnx_need_inputs(node, 2) && reduce_loss(node, onnx_input(node, 0));
}

bool import_softmax_cross_entropy(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  Value *x = onnx_input(node, 0);
  if (x->type.rank < 2) return onnx_error(node, "scores of rank %d", x->type.rank);
  Node *softmax = build_begin(&node->builder, OP_LOG_SOFTMAX, &x, 1);
  node_set_int(softmax, ATTR_AXIS, 1);
  Value *log = build_end(&node->builder, softmax);
  return onnx_output(node, 1, log) && reduce_loss(node, log);
}
