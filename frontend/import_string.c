// Operators that make strings.
#include <string.h>

#include "frontend/import.h"
#include "frontend/pattern.h"

bool import_string_concat(OnnxNode *node) {
  if (!onnx_need_inputs(node, 2)) return false;
  return onnx_output(node, 0,
                     onnx_binary(node, OP_STRING_CONCAT, onnx_input(node, 0), onnx_input(node, 1)));
}

static Value *string_list(OnnxNode *node, const char *const *texts, int64_t count) {
  Tensor tensor = tensor_create(node->importer->arena, STR, 1, &count);
  for (int64_t i = 0; i < count; i++)
    ((TensorString *)tensor.data)[i] = (TensorString){texts[i], strlen(texts[i])};
  return build_constant_tensor(&node->builder, &tensor, NULL);
}

static Value *split_node(OnnxNode *node, OpCode op, Value *x, Value *delimiter, const Dim *size) {
  Node *made =
      x && delimiter ? build_begin(&node->builder, op, (Value *[]){x, delimiter}, 2) : NULL;
  if (!made) return NULL;
  node_set_int(made, ATTR_LIMIT, onnx_int(node, "maxsplit", -1));
  if (size) node_set_dims(made, ATTR_SIZES, &size, 1);
  return build_end(&node->builder, made);
}

// The largest of the counts, of none 0, is measured: it is a dim of the parts.
static const Dim *most_parts(OnnxNode *node, Value *counts) {
  const Dim *all = type_count(node->importer->dims, &counts->type);
  Value *list = build_reshape(&node->builder, counts, 1, &all),
        *zero = build_scalar(&node->builder, I64, 0);
  Value *most =
      onnx_binary(node, OP_MAX, onnx_reduce_one(node, OP_REDUCE_MAX, list, 0, false), zero);
  Node *measure = most ? build_begin(&node->builder, OP_MEASURE, &most, 1) : NULL;
  if (!measure) return NULL;
  const Dim *size = dim_fresh_symbol(node->importer->dims, "parts", 0, DIM_UNBOUNDED);
  node_set_dims(measure, ATTR_DIMS, &size, 1);
  return build_end(&node->builder, measure) ? size : NULL;
}

bool import_string_split(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  const char *text = onnx_string(node, "delimiter", "");
  Value *x = onnx_input(node, 0), *delimiter = string_list(node, &text, 1);
  Value *counts = split_node(node, OP_STRING_COUNT, x, delimiter, NULL);
  const Dim *size = counts ? most_parts(node, counts) : NULL;
  if (!size) return false;
  return onnx_output(node, 0, split_node(node, OP_STRING_SPLIT, x, delimiter, size)) &&
         onnx_output(node, 1, counts);
}

// The automaton of the pattern is made here; the model walks through its table.
bool import_regex_full_match(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  const char *pattern = onnx_string(node, "pattern", NULL);
  if (!pattern)
    return node->builder.failed ? false : onnx_error(node, "attribute 'pattern' is missing");
  Automaton automaton;
  const char *error = pattern_automaton(node->importer->arena, pattern, &automaton);
  if (error)
    return onnx_error(node, "pattern '%.60s%s': %s", pattern, strlen(pattern) > 60 ? ".." : "",
                      error);
  Tensor classes = tensor_create(node->importer->arena, U8, 1, (int64_t[]){256});
  memcpy(classes.data, automaton.class_of, sizeof automaton.class_of);
  Tensor table = tensor_create(node->importer->arena, I32, 2,
                               (int64_t[]){automaton.state_count, automaton.class_count + 1});
  memcpy(table.data, automaton.table, table.bytes);
  Value *operands[3] = {onnx_input(node, 0), build_constant_tensor(&node->builder, &classes, NULL),
                        build_constant_tensor(&node->builder, &table, NULL)};
  Node *match =
      node->builder.failed ? NULL : build_begin(&node->builder, OP_STRING_MATCH, operands, 3);
  return match && onnx_output(node, 0, build_end(&node->builder, match));
}

// --- StringNormalizer

static Value *in_case(OnnxNode *node, Value *x, const char *mode) {
  Node *change = x ? build_begin(&node->builder, OP_STRING_CASE, &x, 1) : NULL;
  if (!change) return NULL;
  node_set_string(change, ATTR_MODE, mode);
  return build_end(&node->builder, change);
}

// bool[c]: which of the words are stop words.
static Value *is_stop_word(OnnxNode *node, Value *words, const char *const *stops, int count) {
  bool exact = onnx_int(node, "is_case_sensitive", 0) != 0;
  Value *list = string_list(node, stops, count);
  if (!exact) words = in_case(node, words, "lower"), list = in_case(node, list, "lower");
  Value *equal = onnx_binary(node, OP_EQUAL, onnx_unsqueeze(node, words, (int64_t[]){1}, 1), list);
  Value *any = onnx_reduce_one(node, OP_REDUCE_MAX, onnx_convert(node, equal, I32), 1, false);
  return onnx_convert(node, any, BOOL);
}

// The words that are none; "" if all are: it stands behind them and is kept when nothing else is.
static Value *without_stop_words(OnnxNode *node, Value *words, const char *const *stops,
                                 int count) {
  const char *empty = "";
  Value *keeps = onnx_unary(node, OP_NOT, is_stop_word(node, words, stops, count));
  Value *any = onnx_reduce_one(node, OP_REDUCE_MAX, onnx_convert(node, keeps, I32), 0, true);
  Value *none = onnx_unary(node, OP_NOT, onnx_convert(node, any, BOOL));
  Value *all = string_list(node, &empty, 1);
  if (!none || !all) return NULL;
  keeps = build_concat(&node->builder, (Value *[]){keeps, none}, 2, 0);
  all = build_concat(&node->builder, (Value *[]){words, all}, 2, 0);
  Value *places = onnx_unary(node, OP_NONZERO, keeps);
  if (!places || !all) return NULL;
  places = onnx_squeeze(node, places, (int64_t[]){0}, 1);
  return onnx_gather(node, all, places, 0, false);
}

bool import_string_normalizer(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0), *words = x;
  const char *action = onnx_string(node, "case_change_action", "NONE");
  bool upper = strcmp(action, "UPPER") == 0, lower = strcmp(action, "LOWER") == 0,
       is_row = x->type.rank == 2;
  int count;
  const char *const *stops = onnx_strings(node, "stopwords", &count);
  if (x->type.element != STR)
    return onnx_error(node, "input of %s", element_info[x->type.element].text);
  if (!upper && !lower && strcmp(action, "NONE") != 0)
    return onnx_error(node, "case_change_action '%s' is none of LOWER, UPPER, NONE", action);
  int64_t rows;
  if (x->type.rank != 1 && !(is_row && (!dim_is_constant(x->type.dims[0], &rows) || rows == 1)))
    return onnx_error(node, "input of shape %s, wanted [c] or [1,c]",
                      type_shape_text(node->importer->arena, &x->type));
  if (is_row) words = onnx_squeeze(node, words, (int64_t[]){0}, 1);
  if (words && stops && count) words = without_stop_words(node, words, stops, count);
  if (upper || lower) words = in_case(node, words, upper ? "upper" : "lower");
  if (is_row) words = onnx_unsqueeze(node, words, (int64_t[]){0}, 1);
  return onnx_output(node, 0, words);
}
