// Checks of what a node asks for, beside those of the single importers: attributes that contradict
// themselves, results too large for any machine, constant indices outside their axis.
#include <limits.h>
#include <string.h>

#include "frontend/import.h"

enum { MAX_RESULT_BITS = 38, MAX_INLINED_NODES = 200000 };

// Strings are moved, compared and looked up; complex numbers are not supported at all.
static bool takes_strings(const OnnxNode *node) {
  static bool (*const functions[])(OnnxNode *) = {import_identity,
                                                  import_reshape,
                                                  import_flatten,
                                                  import_squeeze,
                                                  import_unsqueeze,
                                                  import_transpose,
                                                  import_expand,
                                                  import_tile,
                                                  import_shape,
                                                  import_size,
                                                  import_concat,
                                                  import_split,
                                                  import_slice,
                                                  import_gather,
                                                  import_sequence_construct,
                                                  import_sequence_insert,
                                                  import_label_encoder,
                                                  import_category_mapper,
                                                  import_one_hot_encoder,
                                                  import_tfidf_vectorizer,
                                                  import_where,
                                                  import_gather_nd,
                                                  import_scatter,
                                                  import_compress,
                                                  import_reverse_sequence,
                                                  import_depth_to_space,
                                                  import_space_to_depth,
                                                  import_array_feature_extractor,
                                                  import_split_to_sequence,
                                                  import_optional,
                                                  import_cast,
                                                  import_cast_like,
                                                  import_string_normalizer,
                                                  import_string_concat,
                                                  import_string_split,
                                                  import_regex_full_match};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    if (node->row->import == functions[i]) return true;
  return node->row->import == import_binary && node->row->argument == OP_EQUAL;
}

bool import_check_elements(OnnxNode *node) {
  for (int i = 0; i < node->input_count; i++) {
    const Value *value = onnx_input(node, i);
    if (!value || value->type.kind != TYPE_TENSOR) continue;
    if (value->type.element == STR && !takes_strings(node))
      return onnx_unsupported(node, "strings");
    if (element_info[value->type.element].class == CLASS_COMPLEX)
      return onnx_unsupported(node, "complex numbers");
  }
  return true;
}

// How many of the value fields are filled; the kind says which one counts.
static int filled_fields(const Onnx__AttributeProto *a) {
  return (a->has_f != 0) + (a->has_i != 0) + (a->has_s != 0) + (a->t != NULL) + (a->g != NULL) +
         (a->sparse_tensor != NULL) + (a->tp != NULL) + (a->n_floats > 0) + (a->n_ints > 0) +
         (a->n_strings > 0) + (a->n_tensors > 0) + (a->n_graphs > 0);
}

bool import_check_attributes(OnnxNode *node) {
  const Onnx__NodeProto *proto = node->proto;
  bool old = node->importer->model->ir_version < 2;
  for (size_t i = 0; i < proto->n_attribute; i++) {
    const Onnx__AttributeProto *attribute = proto->attribute[i];
    const char *name = attribute->name;
    if (!name || !name[0]) return onnx_error(node, "an attribute has no name");
    bool refers = attribute->ref_attr_name && attribute->ref_attr_name[0];
    if (refers && !node->scope->call)
      return onnx_error(
          node, "attribute '%s' refers to an attribute of a function, but is outside of one", name);
    if (!refers && !old && attribute->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
      return onnx_error(node, "attribute '%s' has no type", name);
    if (filled_fields(attribute) > 1)
      return onnx_error(node, "attribute '%s' has several values", name);
    for (size_t k = 0; k < i && proto->n_attribute < 1000; k++)
      if (strcmp(proto->attribute[k]->name, name) == 0)
        return onnx_error(node, "attribute '%s' is given twice", name);
  }
  return true;
}

// --- what the standard allows of an operator

typedef struct Signature {
  const char *domain, *type;
  int inputs, outputs;
  const char *attributes; // separated by blanks
} Signature;

static const Signature *signature_of(const Operator *row) {
  enum { MANY = INT_MAX };
  static const Signature signatures[] = {
#define SIGNATURE(domain, type, inputs, outputs, attributes)                                       \
  {domain, #type, inputs, outputs, attributes},
#include "frontend/signatures.def"
  };
  for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
    if (strcmp(signatures[i].type, row->type) == 0 &&
        strcmp(signatures[i].domain, row->domain) == 0)
      return &signatures[i];
  return NULL;
}

static bool is_listed(const char *list, const char *name) {
  size_t length = strlen(name);
  for (const char *at = list; (at = strstr(at, name)) != NULL; at += length)
    if ((at == list || at[-1] == ' ') && (at[length] == ' ' || !at[length])) return true;
  return false;
}

bool import_check_signature(OnnxNode *node) {
  const Onnx__NodeProto *proto = node->proto;
  const Signature *signature = signature_of(node->row);
  if (!signature) return true;
  for (int i = signature->inputs; i < node->input_count; i++)
    if (proto->input[i] && proto->input[i][0])
      return onnx_error(node, "input %d '%s' is one too many: %s takes at most %d", i,
                        proto->input[i], proto->op_type, signature->inputs);
  for (int i = signature->outputs; i < node->output_count; i++)
    if (onnx_wants_output(node, i))
      return onnx_error(node, "output %d '%s' is one too many: %s has at most %d", i,
                        proto->output[i], proto->op_type, signature->outputs);
  for (size_t i = 0; i < proto->n_attribute; i++) {
    const char *name = proto->attribute[i]->name;
    bool internal = strncmp(name, "__", 2) == 0; // tools' own notes
    if (!internal && !is_listed(signature->attributes, name))
      return onnx_error(node, "%s has no attribute '%s'", proto->op_type, name);
  }
  return true;
}

bool import_check_size(const Importer *importer, Loc loc, const char *name, const Type *type) {
  int64_t bytes;
  if (type->kind != TYPE_TENSOR || !type_is_static(type)) return true;
  if (type_max_bytes(type, &bytes) && bytes >> MAX_RESULT_BITS == 0) return true;
  return diag_error(importer->diag, loc, "'%s' of type %s is too large", name,
                    type_text(importer->arena, type));
}

bool import_check_outputs(OnnxNode *node) {
  for (int i = 0; i < node->output_count; i++)
    if (node->outputs[i].value &&
        !import_check_size(node->importer, node->loc, node->proto->output[i],
                           &node->outputs[i].value->type))
      return false;
  return true;
}

bool import_count_inlined(OnnxNode *node, size_t nodes) {
  node->importer->inlined_nodes += nodes;
  return node->importer->inlined_nodes <= MAX_INLINED_NODES ||
         onnx_error(node, "functions expand to more than %d nodes", MAX_INLINED_NODES);
}

bool onnx_check_indices(OnnxNode *node, int input, const Dim *dim) {
  const Tensor *indices = import_contents(node->importer, onnx_input(node, input)).tensor;
  int64_t size;
  if (!indices || !element_is_integer(indices->element) || !dim_is_constant(dim, &size))
    return true;
  for (int64_t i = 0, count = tensor_count(indices); i < count; i++) {
    int64_t index = element_load_int(indices->element, indices->data, i);
    if (index < -size || index >= size)
      return onnx_error(node, "index %lld is outside of an axis of size %lld", (long long)index,
                        (long long)size);
  }
  return true;
}

bool onnx_check_index_rows(OnnxNode *node, int input, const Type *data, int first_axis) {
  const Tensor *indices = import_contents(node->importer, onnx_input(node, input)).tensor;
  if (!indices || indices->rank < 1 || !element_is_integer(indices->element)) return true;
  int64_t columns = indices->dims[indices->rank - 1];
  if (columns < 1 || columns + first_axis > data->rank) return true; // the shape rule reports it
  for (int64_t i = 0, count = tensor_count(indices); i < count; i++) {
    int64_t size, index = element_load_int(indices->element, indices->data, i);
    if (!dim_is_constant(data->dims[first_axis + i % columns], &size)) continue;
    if (index < -size || index >= size)
      return onnx_error(node, "index %lld is outside of axis %lld of size %lld", (long long)index,
                        (long long)(first_axis + i % columns), (long long)size);
  }
  return true;
}
