// Sequences and optionals as values: what the importer knows as a list of tensors becomes one where
// it meets a place that takes any (outputs, branches, loops).
#include "frontend/import.h"

static Value *wrap(Builder *builder, Value *element) {
  return build_unary(builder, OP_OPTIONAL, element);
}

static Value *empty(Importer *importer, Builder *builder, OpCode op, TypeKind kind,
                    const Item *item, const Type *like) {
  const Type *type = item->list_type ? item->list_type : like;
  if (!type) {
    diag_error(importer->diag, builder->loc,
               "nothing says of what type the elements of an empty %s are",
               kind == TYPE_SEQUENCE ? "sequence" : "optional");
    return NULL;
  }
  Node *node = build_begin(builder, op, NULL, 0);
  if (!node) return NULL;
  node->results[0]->type = type->kind == kind ? *type : type_list(importer->arena, kind, *type);
  return build_end(builder, node);
}

static Value *sequence_of(Importer *importer, Builder *builder, const Item *item,
                          const Type *like) {
  while (like && like->kind == TYPE_OPTIONAL) like = like->inner;
  if (!item->element_count) return empty(importer, builder, OP_SEQUENCE, TYPE_SEQUENCE, item, like);
  return build_end(builder, build_begin(builder, OP_SEQUENCE, item->elements, item->element_count));
}

Value *import_list(Importer *importer, Builder *builder, const Item *item, TypeKind kind,
                   const Type *like) {
  bool optional = kind == TYPE_OPTIONAL;
  if (item->list && item->list->type.kind == kind) return item->list;
  if (item->list)
    return optional ? wrap(builder, item->list) : build_unary(builder, OP_OPTIONAL_GET, item->list);
  if (item->is_optional && optional) return empty(importer, builder, OP_OPTIONAL, kind, item, like);
  if (item->value && optional) return wrap(builder, item->value);
  if (!item->is_sequence) {
    diag_error(importer->diag, builder->loc, "a tensor where a sequence is wanted");
    return NULL;
  }
  Value *sequence = sequence_of(importer, builder, item, like);
  return sequence && optional ? wrap(builder, sequence) : sequence;
}

Value *onnx_list(OnnxNode *node, int index, TypeKind kind) {
  if (index < node->input_count && node->inputs[index] &&
      (node->inputs[index]->list || node->inputs[index]->is_sequence))
    return import_list(node->importer, &node->builder, node->inputs[index], kind, NULL);
  onnx_error(node, "input %d is not a sequence", index);
  return NULL;
}
