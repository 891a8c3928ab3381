// Types of ops on strings.
#include <string.h>

#include "ir/builder.h"
#include "ir/infer_ops.h"
#include "ir/infer_types.h"

static const Type *string_operand(const Node *node, int index, Diag *diag) {
  const Type *type = tensor_operand(node, index, diag);
  if (!type || type->element == STR) return type;
  refuse(node, diag, "operand %d is %s, wanted strings", index, type_text(node_arena(node), type));
  return NULL;
}

bool infer_string_concat(Node *node, Diag *diag) {
  const Type *a = string_operand(node, 0, diag), *b = string_operand(node, 1, diag);
  if (!a || !b) return false;
  Type result = *a;
  return broadcast_shape(node, diag, &result, b) && set_result(node, diag, 0, result);
}

bool infer_string_case(Node *node, Diag *diag) {
  const Type *x = string_operand(node, 0, diag);
  const char *mode = node_string(node, ATTR_MODE);
  if (!x) return false;
  if (strcmp(mode, "lower") && strcmp(mode, "upper"))
    return refuse(node, diag, "mode '%s' is none of lower, upper", mode);
  return set_result(node, diag, 0, *x);
}

// Every entry leads to a state, every byte to a class: nothing is checked when the model runs.
static bool check_automaton(const Node *node, Diag *diag, const Tensor *classes,
                            const Tensor *table) {
  int64_t states = table->dims[0], columns = table->dims[1];
  if (states < 1 || columns < 2)
    return refuse(node, diag, "a table of %lld states and %lld columns", (long long)states,
                  (long long)columns);
  for (int i = 0; i < 256; i++)
    if (element_load_int(U8, classes->data, i) >= columns - 1)
      return refuse(node, diag, "byte %d has class %lld of %lld", i,
                    (long long)element_load_int(U8, classes->data, i), (long long)columns - 1);
  for (int64_t i = 0; i < states * columns; i++) {
    int64_t next = element_load_int(I32, table->data, i);
    if (i % columns != columns - 1 && (next < 0 || next >= states))
      return refuse(node, diag, "state %lld leads to state %lld of %lld", (long long)(i / columns),
                    (long long)next, (long long)states);
  }
  return true;
}

bool infer_string_match(Node *node, Diag *diag) {
  const Type *x = string_operand(node, 0, diag), *classes = tensor_operand(node, 1, diag),
             *table = tensor_operand(node, 2, diag);
  Tensor known_classes, known_table;
  int64_t count;
  if (!x || !classes || !table) return false;
  if (classes->element != U8 || classes->rank != 1 || !type_max_count(classes, &count) ||
      count != 256 || table->element != I32 || table->rank != 2)
    return refuse(node, diag,
                  "classes %s and table %s, wanted u8[256] and i32[states, classes + 1]",
                  type_text(node_arena(node), classes), type_text(node_arena(node), table));
  if (!value_tensor(node->operands[1], &known_classes) ||
      !value_tensor(node->operands[2], &known_table))
    return refuse(node, diag, "the automaton is not constant");
  return check_automaton(node, diag, &known_classes, &known_table) &&
         set_result(node, diag, 0, type_with_element(*x, BOOL));
}

bool infer_string_format(Node *node, Diag *diag) {
  const Type *x = tensor_operand(node, 0, diag);
  if (!x) return false;
  ElementType e = x->element;
  bool whole = (element_is_integer(e) && element_info[e].bits >= 8) || e == BOOL;
  if ((!whole && !element_calculates(e)) || x->quant) return refuse_element(node, diag, 0);
  return set_result(node, diag, 0, type_with_element(*x, STR));
}

bool infer_string_parse(Node *node, Diag *diag) {
  const Type *x = string_operand(node, 0, diag), *request = requested_type(node, 0);
  if (!x) return false;
  if (!request || (request->element != F64 && request->element != I64 && request->element != U64) ||
      request->quant)
    return refuse(node, diag, "gives f64, i64 or u64");
  return set_result(node, diag, 0, type_with_element(*x, request->element));
}

static bool check_delimiter(const Node *node, Diag *diag) {
  const Type *delimiter = string_operand(node, 1, diag);
  if (!delimiter) return false;
  if (delimiter->rank == 1 && dim_is(delimiter->dims[0], 1)) return true;
  return refuse(node, diag, "the delimiter is %s, wanted str[1]",
                type_text(node_arena(node), delimiter));
}

bool infer_string_count(Node *node, Diag *diag) {
  const Type *x = string_operand(node, 0, diag);
  return x && check_delimiter(node, diag) && set_result(node, diag, 0, type_with_element(*x, I64));
}

bool infer_string_split(Node *node, Diag *diag) {
  const Type *x = string_operand(node, 0, diag);
  int count;
  const Dim *const *sizes = node_dims(node, ATTR_SIZES, &count);
  if (!x || !check_delimiter(node, diag)) return false;
  if (x->rank == MAX_RANK) return refuse(node, diag, "the operand has rank %d", x->rank);
  if (count != 1 || dim_low(sizes[0]) < 0)
    return refuse(node, diag, "%d sizes, wanted one, not negative", count);
  Type parts = *x;
  parts.dims[parts.rank++] = sizes[0];
  return set_result(node, diag, 0, parts);
}

bool infer_map_values(Node *node, Diag *diag) {
  const Type *values = tensor_operand(node, 0, diag), *keys = tensor_operand(node, 1, diag);
  if (!values || !keys) return false;
  if ((keys->element != STR && keys->element != I64) || keys->rank != 1)
    return refuse(node, diag, "the keys are %s, wanted str[n] or i64[n]",
                  type_text(node_arena(node), keys));
  if (values->rank != 1 || values->dims[0] != keys->dims[0])
    return refuse(node, diag, "the values are %s, wanted one for each of the keys %s",
                  type_text(node_arena(node), values), type_text(node_arena(node), keys));
  return set_result(node, diag, 0, *values);
}

bool infer_zip_map(Node *node, Diag *diag) {
  const Type *scores = tensor_operand(node, 0, diag), *keys = tensor_operand(node, 1, diag);
  if (!scores || !keys) return false;
  if ((keys->element != STR && keys->element != I64) || keys->rank != 1 ||
      !value_is_constant(node->operands[1]))
    return refuse(node, diag, "the keys are %s, wanted a constant str[k] or i64[k]",
                  type_text(node_arena(node), keys));
  int64_t columns, count = type_dim(keys, 0);
  if (scores->rank < 1) return refuse(node, diag, "the scores are a scalar");
  Type result = *scores;
  const Dim **last = &result.dims[scores->rank - 1];
  if (dim_is_constant(*last, &columns) && columns != count)
    return refuse(node, diag, "%lld columns and %lld keys", (long long)columns, (long long)count);
  *last = keys->dims[0];
  return set_result(node, diag, 0, result);
}
