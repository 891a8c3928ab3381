// Operators of ai.onnx.ml that make tensors of a map: DictVectorizer, CastMap. A map is an input of
// the model, two lists: its keys and its values (import_inputs.c). No key is there twice.
#include <string.h>

#include "frontend/import.h"

enum { MOST_COLUMNS = 1 << 20 };

static bool map_input(OnnxNode *node, Value **keys, Value **values) {
  const Item *item = node->input_count ? node->inputs[0] : NULL;
  if (!item || !item->map_keys) return onnx_error(node, "input 0 is no map");
  *keys = item->map_keys;
  *values = item->map_values;
  return true;
}

static Value *one_element(OnnxNode *node, ElementType element) {
  Tensor tensor = tensor_create(node->importer->arena, element, 1, (int64_t[]){1});
  if (element == STR) *(TensorString *)tensor.data = (TensorString){"", 0};
  return build_constant_tensor(&node->builder, &tensor, NULL);
}

// [1, columns]: the value whose key is that of the column, zero or "" where there is none. Of
// wanted[c] == keys[n] the place behind n is the row in a table that begins with the missing value.
static Value *columns_of_map(OnnxNode *node, Value *wanted, Value *keys, Value *values) {
  wanted = onnx_unsqueeze(node, wanted, (int64_t[]){1}, 1);
  Value *equal = onnx_binary(node, OP_EQUAL, wanted, keys);
  Value *places = onnx_convert(node, onnx_positions(node, keys->type.dims[0]), I32);
  Value *zero = places ? onnx_scalar_like(node, places, 0) : NULL;
  places = onnx_binary(node, OP_ADD, places, zero ? onnx_scalar_like(node, places, 1) : NULL);
  Value *found = onnx_where(node, equal, places, zero);
  Value *row = onnx_reduce_one(node, OP_REDUCE_MAX, found, 1, false);
  row = onnx_binary(node, OP_MAX, row, zero); // a map without keys
  Value *missing = one_element(node, values->type.element);
  if (!row || !missing) return NULL;
  Value *table = build_concat(&node->builder, (Value *[]){missing, values}, 2, 0);
  return onnx_unsqueeze(node, onnx_gather(node, table, row, 0, false), (int64_t[]){0}, 1);
}

bool import_dict_vectorizer(OnnxNode *node) {
  Value *keys, *values, *wanted;
  int count, text_count;
  const int64_t *integers = onnx_ints(node, "int64_vocabulary", &count);
  const char *const *texts = onnx_strings(node, "string_vocabulary", &text_count);
  if (!map_input(node, &keys, &values)) return false;
  if (!count == !text_count)
    return onnx_error(node, "%s", count ? "two vocabularies" : "there is no vocabulary");
  if ((keys->type.element == STR) != (text_count > 0))
    return onnx_error(node, "a vocabulary of %s for keys of %s", text_count ? "str" : "i64",
                      element_info[keys->type.element].text);
  wanted =
      count ? build_ints(&node->builder, integers, count) : onnx_text_list(node, texts, text_count);
  return onnx_output(node, 0, wanted ? columns_of_map(node, wanted, keys, values) : NULL);
}

// The values in the order of their keys.
static Value *dense_values(OnnxNode *node, Value *keys, Value *values) {
  Node *sort = build_begin(&node->builder, OP_TOP_K, &keys, 1);
  if (!sort) return NULL;
  node_set_dims(sort, ATTR_SIZES, &keys->type.dims[0], 1);
  node_set_int(sort, ATTR_LARGEST, 0);
  if (!build_end(&node->builder, sort)) return NULL;
  Value *sorted = onnx_gather(node, values, sort->results[1], 0, false);
  return onnx_unsqueeze(node, sorted, (int64_t[]){0}, 1);
}

// Values at the places that their keys name, as far as max_map goes.
static Value *sparse_values(OnnxNode *node, Value *keys, Value *values) {
  int64_t columns = onnx_int(node, "max_map", 1);
  if (columns < 1 || columns > MOST_COLUMNS) {
    onnx_error(node, "max_map is %lld", (long long)columns);
    return NULL;
  }
  Value *wanted = onnx_positions(node, import_dim(node->importer, columns));
  return wanted ? columns_of_map(node, wanted, keys, values) : NULL;
}

bool import_cast_map(OnnxNode *node) {
  Value *keys, *values;
  const char *to = onnx_string(node, "cast_to", "TO_FLOAT"),
             *form = onnx_string(node, "map_form", "DENSE");
  ElementType element = !strcmp(to, "TO_FLOAT")    ? F32
                        : !strcmp(to, "TO_INT64")  ? I64
                        : !strcmp(to, "TO_STRING") ? STR
                                                   : ELEMENT_NONE;
  if (!map_input(node, &keys, &values)) return false;
  if (element == ELEMENT_NONE) return onnx_error(node, "cast_to '%s'", to);
  if (keys->type.element != I64)
    return onnx_error(node, "keys of %s, wanted i64", element_info[keys->type.element].text);
  bool dense = !strcmp(form, "DENSE");
  if (!dense && strcmp(form, "SPARSE") != 0) return onnx_error(node, "map_form '%s'", form);
  // Cast first: what is missing is a zero of the result, and no text that is no number.
  values = onnx_convert_text(node, values, element);
  if (!values) return false;
  return onnx_output(node, 0,
                     dense ? dense_values(node, keys, values) : sparse_values(node, keys, values));
}
