// Types of lstm, gru and rnn.
#include "ir/infer_checks.h"
#include "ir/infer_ops.h"
#include "ir/recurrent.h"

// Checks that an operand has exactly these dims; an absent one passes where that is allowed.
static bool check_operand(const Node *node, Diag *diag, int index, const char *name, bool optional,
                          int rank, const Dim *const *dims) {
  if (optional && !node_operand(node, index)) return true;
  const Type *type = tensor_operand(node, index, diag);
  if (!type) return false;
  Type wanted = type_tensor(type->element, rank, dims);
  bool fits = type->rank == rank;
  for (int i = 0; fits && i < rank; i++)
    fits = !dims_differ(node_dim_table(node), type->dims[i], dims[i]);
  if (fits) return true;
  return refuse(node, diag, "%s has shape %s, not %s", name,
                type_shape_text(node_arena(node), type),
                type_shape_text(node_arena(node), &wanted));
}

static bool check_floats(const Node *node, Diag *diag, ElementType element) {
  if (!element_is_float(element)) return refuse(node, diag, "of %s", element_info[element].text);
  for (int i = 1; i < node->operand_count; i++) {
    if (!node->operands[i]) continue;
    if (i == RECURRENT_LENGTHS) {
      if (!index_operand(node, i, diag)) return false;
      continue;
    }
    if (node->operands[i]->type.element != element)
      return refuse(node, diag, "operand %d is %s, operand 0 is %s", i,
                    element_info[node->operands[i]->type.element].text, element_info[element].text);
  }
  return true;
}

static bool infer_recurrent(Node *node, Diag *diag, int gates) {
  const Type *x = tensor_operand(node, 0, diag), *r = tensor_operand(node, RECURRENT_R, diag);
  Recurrent recurrent;
  if (!x || !r || !recurrent_describe(node, diag, &recurrent)) return false;
  if (x->rank != 3 || r->rank != 3)
    return refuse(node, diag, "x has rank %d, r rank %d, not 3", x->rank, r->rank);
  DimTable *table = node_dim_table(node);
  const Dim *directions = dim_constant(table, recurrent.directions), *hidden = r->dims[2];
  int64_t wanted = node_int(node, ATTR_HIDDEN);
  if (wanted > 0 &&
      !check_equal_dims(node, diag, "hidden size", hidden, dim_constant(table, wanted)))
    return false;
  const Dim *rows = dim_mul_int(table, hidden, gates), *time = x->dims[0], *batch = x->dims[1];
  const Dim *state[] = {directions, batch, hidden};
  if (!check_operand(node, diag, RECURRENT_W, "w", false, 3,
                     (const Dim *[]){directions, rows, x->dims[2]}) ||
      !check_operand(node, diag, RECURRENT_R, "r", false, 3,
                     (const Dim *[]){directions, rows, hidden}) ||
      !check_operand(node, diag, RECURRENT_B, "b", true, 2,
                     (const Dim *[]){directions, dim_mul_int(table, rows, 2)}) ||
      !check_operand(node, diag, RECURRENT_LENGTHS, "lengths", true, 1, &batch) ||
      !check_operand(node, diag, RECURRENT_H0, "h0", true, 3, state))
    return false;
  if (node->op == OP_LSTM &&
      (!check_operand(node, diag, RECURRENT_C0, "c0", true, 3, state) ||
       !check_operand(node, diag, RECURRENT_PEEPHOLE, "peephole", true, 2,
                      (const Dim *[]){directions, dim_mul_int(table, hidden, 3)})))
    return false;
  if (!check_floats(node, diag, x->element)) return false;
  node->results[0]->type =
      type_tensor(x->element, 4, (const Dim *[]){time, directions, batch, hidden});
  for (int i = 1; i < node->result_count; i++)
    node->results[i]->type = type_tensor(x->element, 3, state);
  return true;
}

bool infer_lstm(Node *node, Diag *diag) { return infer_recurrent(node, diag, 4); }
bool infer_gru(Node *node, Diag *diag) { return infer_recurrent(node, diag, 3); }
bool infer_rnn(Node *node, Diag *diag) { return infer_recurrent(node, diag, 1); }
