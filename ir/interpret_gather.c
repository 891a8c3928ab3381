// Gathers: elements picked by index.
#include "ir/interpret_ops.h"
#include "ir/move.h"

static int64_t load_index(const Tensor *indices, int64_t at) {
  return element_load_int(indices->element, indices->data, at);
}

// As [outer, axis, inner] the result is [outer, index, inner].
bool interpret_gather(Evaluation *e) {
  const Tensor *x = &e->operands[0], *indices = &e->operands[1];
  Tensor *y = &e->results[0];
  int axis = evaluation_axis(e, x->rank);
  int64_t outer = dims_product(x, 0, axis), inner = dims_product(x, axis + 1, x->rank);
  int64_t count = tensor_count(indices);
  for (int64_t i = 0; i < count; i++) {
    int64_t from;
    if (!check_index(e, load_index(indices, i), x->dims[axis], axis, &from)) return false;
    for (int64_t o = 0; o < outer; o++)
      copy_elements(x->element, y->data, (o * count + i) * inner, x->data,
                    (o * x->dims[axis] + from) * inner, inner);
  }
  return true;
}

bool interpret_lookup(Evaluation *e) {
  const Tensor *x = &e->operands[0], *table = &e->operands[1];
  const unsigned char *codes = x->data, *values = table->data;
  unsigned char *y = e->results[0].data;
  for (int64_t i = 0, n = tensor_count(x); i < n; i++) y[i] = values[codes[i]];
  return true;
}

bool interpret_gather_elements(Evaluation *e) {
  const Tensor *x = &e->operands[0], *indices = &e->operands[1];
  int axis = evaluation_axis(e, x->rank);
  int64_t strides[MAX_RANK], index[MAX_RANK] = {0}, count = tensor_count(indices);
  tensor_strides(x, strides);
  for (int i = 0; i < x->rank; i++)
    if (i != axis && indices->dims[i] > x->dims[i])
      return diag_error(e->run->diag, e->node->loc,
                        "indices have %lld elements in axis %d, data %lld",
                        (long long)indices->dims[i], i, (long long)x->dims[i]);
  for (int64_t i = 0; i < count; i++, next_index(x->rank, indices->dims, index)) {
    int64_t from, offset = 0;
    if (!check_index(e, load_index(indices, i), x->dims[axis], axis, &from)) return false;
    for (int k = 0; k < x->rank; k++) offset += (k == axis ? from : index[k]) * strides[k];
    copy_elements(x->element, e->results[0].data, i, x->data, offset, 1);
  }
  return true;
}

bool interpret_gather_nd(Evaluation *e) {
  const Tensor *x = &e->operands[0], *indices = &e->operands[1];
  int batch = (int)node_int(e->node, ATTR_BATCH_DIMS), last = indices->rank - 1;
  int length = (int)indices->dims[last];
  int64_t strides[MAX_RANK], block = dims_product(x, batch + length, x->rank);
  tensor_strides(x, strides);
  int64_t tuples = dims_product(indices, 0, last), batches = dims_product(indices, 0, batch);
  for (int i = 0; i < batch; i++)
    if (x->dims[i] != indices->dims[i])
      return diag_error(e->run->diag, e->node->loc, "batch dims %lld and %lld of axis %d differ",
                        (long long)x->dims[i], (long long)indices->dims[i], i);
  for (int64_t t = 0; t < tuples; t++) {
    int64_t offset = t / (tuples / batches) * dims_product(x, batch, x->rank);
    for (int k = 0; k < length; k++) {
      int64_t from;
      if (!check_index(e, load_index(indices, t * length + k), x->dims[batch + k], batch + k,
                       &from))
        return false;
      offset += from * strides[batch + k];
    }
    copy_elements(x->element, e->results[0].data, t * block, x->data, offset, block);
  }
  return true;
}
