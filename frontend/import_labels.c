// Encoders of ai.onnx.ml: labels, integers or strings, by comparison with a list of keys.
#include <string.h>

#include "frontend/import.h"

// x[..., None] == keys
static Value *matches(OnnxNode *node, Value *x, Value *keys) {
  return onnx_binary(node, OP_EQUAL, onnx_unsqueeze(node, x, (int64_t[]){x->type.rank}, 1), keys);
}

Value *onnx_text_list(OnnxNode *node, const char *const *texts, int64_t count) {
  Tensor tensor = tensor_create(node->importer->arena, STR, 1, &count);
  for (int64_t i = 0; i < count; i++)
    ((TensorString *)tensor.data)[i] = (TensorString){texts[i], strlen(texts[i])};
  return build_constant_tensor(&node->builder, &tensor, NULL);
}

bool import_one_hot_encoder(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  Value *x = onnx_input(node, 0), *keys;
  int count;
  if (x->type.element == STR) {
    const char *const *texts = onnx_strings(node, "cats_strings", &count);
    if (!texts || !count)
      return onnx_error(node, "cats_strings is missing, and the input has strings");
    keys = onnx_text_list(node, texts, count);
  } else {
    const int64_t *integers = onnx_ints(node, "cats_int64s", &count);
    if (!integers || !count)
      return onnx_error(node, "cats_int64s is missing, and the input is of %s",
                        element_info[x->type.element].text);
    keys = build_ints(&node->builder, integers, count);
    x = onnx_convert(node, x, I64);
  }
  return onnx_output(node, 0, x && keys ? onnx_convert(node, matches(node, x, keys), F32) : NULL);
}

// Keys or values of a label encoder, in any of the forms they come in.
static Value *label_list(OnnxNode *node, const char *prefix) {
  Arena *arena = node->importer->arena;
  int count;
  Tensor tensor;
  const int64_t *integers = onnx_ints(node, arena_printf(arena, "%s_int64s", prefix), &count);
  if (integers && count) return build_ints(&node->builder, integers, count);
  const float *floats = onnx_floats(node, arena_printf(arena, "%s_floats", prefix), &count);
  if (floats && count) return build_floats(&node->builder, floats, count);
  const char *const *texts = onnx_strings(node, arena_printf(arena, "%s_strings", prefix), &count);
  if (texts && count) return onnx_text_list(node, texts, count);
  if (onnx_tensor_attribute(node, arena_printf(arena, "%s_tensor", prefix), &tensor))
    return build_constant_tensor(&node->builder, &tensor, NULL);
  if (!node->builder.failed) onnx_error(node, "there are no %s", prefix);
  return NULL;
}

// What a label without key becomes: one element.
static Value *label_default(OnnxNode *node, ElementType element) {
  Tensor tensor;
  int64_t one = 1;
  if (onnx_tensor_attribute(node, "default_tensor", &tensor)) {
    if (tensor.element != element || tensor_count(&tensor) != 1) {
      onnx_error(node, "default_tensor is not one element of %s", element_info[element].text);
      return NULL;
    }
    tensor.rank = 1;
    tensor.dims[0] = 1;
    return build_constant_tensor(&node->builder, &tensor, NULL);
  }
  if (element == STR) {
    const char *text = onnx_string(node, "default_string", "_Unused");
    return onnx_text_list(node, &text, 1);
  }
  int64_t integer = onnx_int(node, "default_int64", -1);
  float number = (float)onnx_float(node, "default_float", -0.0);
  Value *value = element_is_float(element) ? build_floats(&node->builder, &number, one)
                                           : build_ints(&node->builder, &integer, one);
  return onnx_convert(node, value, element);
}

// values[the first key that equals x], `otherwise` where there is none.
static bool look_up(OnnxNode *node, Value *x, Value *keys, Value *values, Value *otherwise) {
  if (!keys || !values || !otherwise) return false;
  if (keys->type.rank != 1 || values->type.rank != 1 || keys->type.dims[0] != values->type.dims[0])
    return onnx_error(node, "keys of shape %s and values of shape %s",
                      type_shape_text(node->importer->arena, &keys->type),
                      type_shape_text(node->importer->arena, &values->type));
  if ((keys->type.element == STR) != (x->type.element == STR))
    return onnx_error(node, "keys of %s for an input of %s", element_info[keys->type.element].text,
                      element_info[x->type.element].text);
  int64_t count, axis = x->type.rank;
  if (!dim_is_constant(keys->type.dims[0], &count) || !count)
    return onnx_error(node, "there are no keys");
  if (keys->type.element != STR) keys = onnx_convert(node, keys, x->type.element);
  Value *equal = onnx_convert(node, keys ? matches(node, x, keys) : NULL, I32);
  Value *found =
      onnx_convert(node, onnx_reduce_one(node, OP_REDUCE_MAX, equal, (int)axis, false), BOOL);
  Node *first = equal ? build_begin(&node->builder, OP_ARG_MAX, &equal, 1) : NULL;
  if (!first || !found) return false;
  node_set_int(first, ATTR_AXIS, axis);
  node_set_int(first, ATTR_KEEP_DIMS, 0);
  Value *position = build_end(&node->builder, first),
        *behind = build_scalar(&node->builder, I64, (double)count);
  if (!position || !behind) return false;
  Value *table = build_concat(&node->builder, (Value *[]){values, otherwise}, 2, 0);
  position = onnx_where(node, found, position, behind);
  return onnx_output(node, 0, onnx_gather(node, table, position, 0, false));
}

// Labels <-> their numbers, the other way for integers than for strings.
static bool look_up_number(OnnxNode *node, const char *texts_name, const char *numbers_name) {
  Value *x = onnx_input(node, 0);
  int count, numbers_count = 0;
  const char *const *texts = onnx_strings(node, texts_name, &count);
  const int64_t *given = numbers_name ? onnx_ints(node, numbers_name, &numbers_count) : NULL;
  if (!texts || !count) return onnx_error(node, "attribute '%s' is missing", texts_name);
  if (numbers_name && (!given || numbers_count != count))
    return onnx_error(node, "%d strings and %d numbers", count, numbers_count);
  if (x->type.element != STR && x->type.element != I64)
    return onnx_error(node, "input of %s, wanted str or i64", element_info[x->type.element].text);
  int64_t *numbers = NEW_ARRAY(node->importer->arena, int64_t, count);
  for (int i = 0; i < count; i++) numbers[i] = given ? given[i] : i;
  Value *words = onnx_text_list(node, texts, count),
        *codes = build_ints(&node->builder, numbers, count);
  bool encodes = x->type.element == STR;
  return look_up(node, x, encodes ? words : codes, encodes ? codes : words,
                 label_default(node, encodes ? I64 : STR));
}

bool import_category_mapper(OnnxNode *node) {
  return onnx_need_inputs(node, 1) && look_up_number(node, "cats_strings", "cats_int64s");
}

bool import_label_encoder(OnnxNode *node) {
  if (!onnx_need_inputs(node, 1)) return false;
  if (node->version < 2) return look_up_number(node, "classes_strings", NULL);
  Value *keys = label_list(node, "keys"), *values = keys ? label_list(node, "values") : NULL;
  if (!values) return false;
  return look_up(node, onnx_input(node, 0), keys, values,
                 label_default(node, values->type.element));
}
