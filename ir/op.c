// The tables, expanded from ops.def and attributes.def.
#include "ir/op.h"

#include <math.h>
#include <string.h>

// One prototype per row: several rows of a stem repeat it, which C allows. A stem without a
// definition is a link error.
#define OP(name, text, stem, ...) bool infer_##stem(struct Node *node, struct Diag *diag);
#include "ir/ops.def"

#define COUNT(...)                                                                                 \
  (int)(sizeof((AttributeSpec[]){__VA_ARGS__{ATTR_COUNT, 0, 0, NULL}}) / sizeof(AttributeSpec)) - 1

const OpInfo op_info[OP_COUNT] = {
#define I(name, value) {ATTR_##name, value, 0, NULL},
#define F(name, value) {ATTR_##name, 0, value, NULL},
#define S(name, value) {ATTR_##name, 0, 0, value},
#define L(name) {ATTR_##name, 0, 0, NULL},
#define OP(name, text, stem, low, high, results, traits, attributes, help)                         \
  [OP_##name] = {text,                                                                             \
                 #stem,                                                                            \
                 help,                                                                             \
                 low,                                                                              \
                 high,                                                                             \
                 results,                                                                          \
                 traits,                                                                           \
                 infer_##stem,                                                                     \
                 {attributes{ATTR_COUNT, 0, 0, NULL}},                                             \
                 COUNT(attributes)},
#include "ir/ops.def"
};

const AttributeInfo attribute_info[ATTR_COUNT] = {
#define ATTRIBUTE(name, text, kind) [ATTR_##name] = {text, KIND_##kind},
#include "ir/attributes.def"
};

bool op_find(const char *text, size_t length, OpCode *op) {
  for (int i = 0; i < OP_COUNT; i++) {
    if (strlen(op_info[i].text) != length || memcmp(op_info[i].text, text, length) != 0) continue;
    *op = (OpCode)i;
    return true;
  }
  return false;
}

bool attribute_find(const char *text, size_t length, AttributeId *id) {
  for (int i = 0; i < ATTR_COUNT; i++) {
    if (strlen(attribute_info[i].text) != length ||
        memcmp(attribute_info[i].text, text, length) != 0)
      continue;
    *id = (AttributeId)i;
    return true;
  }
  return false;
}

const AttributeSpec *op_attribute(OpCode op, AttributeId id) {
  static const AttributeSpec kernel_name = {ATTR_KERNEL_NAME, 0, 0, NULL},
                             tile = {ATTR_TILE, 0, 0, NULL};
  if (id == ATTR_KERNEL_NAME) return &kernel_name;
  if (id == ATTR_TILE) return &tile;
  for (int i = 0; i < op_info[op].attribute_count; i++)
    if (op_info[op].attributes[i].id == id) return &op_info[op].attributes[i];
  return NULL;
}
