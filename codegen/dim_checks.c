// Checks of dims that types with symbols could not prove: operands that broadcast, element counts
// of reshapes, sizes that products and concatenations share. The interpreter makes the same checks
// when it runs; without them a wrong dim in the inputs struct would become a wild read.
#include "codegen/dim_checks.h"

#include "runtime/tenon.h"

typedef struct Checker {
  Compiled *compiled;
  Frame *frame;
  bool early;  // at the start of the run: what only dims of inputs decide; else the rest
  bool inside; // of a region: checked when it runs
  Val bad;     // any check failed; NULL: no check so far
} Checker;

static void require(Checker *c, Val wrong) {
  c->bad = c->bad ? nest_or(c->frame->nest, c->bad, wrong) : wrong;
}

// Is a dim known now, and was it not before?
static bool is_due(const Checker *c, const Dim *dim) {
  bool given = !c->inside && emit_dim_is_known(c->frame->given, dim);
  return emit_dim_is_known(c->frame->symbols, dim) && given == c->early;
}

static bool is_due_either(const Checker *c, const Dim *a, const Dim *b) {
  bool known = emit_dim_is_known(c->frame->symbols, a) && emit_dim_is_known(c->frame->symbols, b);
  if (c->early) return known;
  return known && (c->inside || !emit_dim_is_known(c->frame->given, a) ||
                   !emit_dim_is_known(c->frame->given, b));
}

// a == b, or, if `broadcasts`, a == 1.
static void require_equal(Checker *c, const Dim *a, const Dim *b, bool broadcasts) {
  Nest *nest = c->frame->nest;
  if (a == b || (broadcasts && dim_is(a, 1))) return;
  if (!is_due_either(c, a, b)) return;
  Val value = emit_dim(c->compiled, c->frame, a);
  Val wrong = nest_compare(nest, LLVMIntNE, value, emit_dim(c->compiled, c->frame, b));
  if (broadcasts)
    wrong = nest_and(nest, wrong, nest_compare(nest, LLVMIntNE, value, nest_const(nest, 1)));
  require(c, wrong);
}

// No dim is negative: a window that does not fit, a slice from behind the end.
static void require_dims(Checker *c, const Type *type) {
  Nest *nest = c->frame->nest;
  for (int i = 0; i < type->rank; i++)
    if (dim_low(type->dims[i]) < 0 && is_due(c, type->dims[i]))
      require(c, nest_compare(nest, LLVMIntSLT, emit_dim(c->compiled, c->frame, type->dims[i]),
                              nest_const(nest, 0)));
}

// Axes of `operand` before the last `skip` against those of `result`, aligned at the end.
static void require_broadcast(Checker *c, const Type *operand, const Type *result, int skip) {
  for (int axis = 0; axis < operand->rank - skip; axis++) {
    int there = axis + result->rank - operand->rank;
    if (there >= 0) require_equal(c, operand->dims[axis], result->dims[there], true);
  }
}

static void check_product(Checker *c, const Node *node) {
  const Type *result = &node->results[0]->type;
  for (int i = node_own_operands(node); i < node->operand_count; i++)
    if (node->operands[i]) require_broadcast(c, &node->operands[i]->type, result, 0);
  if (node->op != OP_MATMUL) return;
  const Type *a = &node->operands[0]->type, *b = &node->operands[1]->type;
  require_broadcast(c, a, result, 2);
  require_broadcast(c, b, result, 2);
  int a_k = node_int(node, ATTR_TRANSPOSE_A) ? a->rank - 2 : a->rank - 1,
      b_k = node_int(node, ATTR_TRANSPOSE_B) ? b->rank - 1 : b->rank - 2;
  require_equal(c, a->dims[a_k], b->dims[b_k], false);
}

static void check_concat(Checker *c, const Node *node) {
  const Type *result = &node->results[0]->type;
  int64_t joined = node_int(node, ATTR_AXIS);
  if (joined < 0) joined += result->rank;
  for (int i = 0; i < node->operand_count; i++)
    for (int axis = 0; axis < result->rank; axis++)
      if (axis != joined)
        require_equal(c, node->operands[i]->type.dims[axis], result->dims[axis], false);
}

static void check_top_k(Checker *c, const Node *node) {
  const Type *x = &node->operands[0]->type, *y = &node->results[0]->type;
  int64_t axis = node_int(node, ATTR_AXIS);
  const Dim *size = x->dims[axis < 0 ? axis + x->rank : axis],
            *wanted = y->dims[axis < 0 ? axis + x->rank : axis];
  if (dim_high(wanted) <= dim_low(size) || !is_due_either(c, size, wanted)) return;
  Val most = emit_dim(c->compiled, c->frame, size);
  require(c,
          nest_compare(c->frame->nest, LLVMIntSGT, emit_dim(c->compiled, c->frame, wanted), most));
}

static void check_node(Checker *c, const Node *node) {
  for (int i = 0; i < node->result_count; i++)
    if (node->results[i]->type.kind == TYPE_TENSOR) require_dims(c, &node->results[i]->type);
  DimTable *dims = c->compiled->module->dims;
  if (node_has_trait(node, ACCUMULATES))
    check_product(c, node);
  else if (node->op == OP_CONCAT)
    check_concat(c, node);
  else if (node->op == OP_TOP_K)
    check_top_k(c, node);
  else if (node_has_trait(node, VIEW))
    require_equal(c, type_count(dims, &node->operands[0]->type),
                  type_count(dims, &node->results[0]->type), false);
  else if (node_has_trait(node, POINTWISE) || node->op == OP_EXPAND)
    for (int i = 0; i < node->operand_count; i++)
      if (node->operands[i])
        require_broadcast(c, &node->operands[i]->type, &node->results[0]->type, 0);
}

Val emit_dim_checks(Compiled *compiled, Frame *frame, const Graph *graph) {
  Checker c = {.compiled = compiled, .frame = frame, .early = true};
  for (const Node *node = graph->first; node; node = node->next) check_node(&c, node);
  return c.bad;
}

void emit_late_dim_checks(Compiled *compiled, Frame *frame, const Node *node) {
  Checker c = {.compiled = compiled, .frame = frame, .inside = node->graph->owner != NULL};
  check_node(&c, node);
  if (c.bad) nest_fail_if(frame->nest, c.bad, TENON_E_DIM);
}
