// Scan.
#include "frontend/import_region.h"

static bool scan_lists(OnnxNode *node, Node *owner, int scanned, int collected) {
  int64_t *directions = NEW_ARRAY(node->importer->arena, int64_t, scanned + collected + 1);
  int counts[4];
  const int64_t *in = onnx_ints(node, "scan_input_axes", &counts[0]),
                *out = onnx_ints(node, "scan_output_axes", &counts[1]);
  const int64_t *forward = onnx_ints(
                    node, node->version < 9 ? "directions" : "scan_input_directions", &counts[2]),
                *backward = onnx_ints(node, "scan_output_directions", &counts[3]);
  if ((in && counts[0] != scanned) || (out && counts[1] != collected) ||
      (forward && counts[2] != scanned) || (backward && counts[3] != collected))
    return onnx_error(
        node, "the lists of axes and directions do not fit %d scanned inputs and %d outputs",
        scanned, collected);
  for (int i = 0; i < scanned; i++) directions[i] = forward ? forward[i] != 0 : 0;
  for (int i = 0; i < collected; i++) directions[scanned + i] = backward ? backward[i] != 0 : 0;
  node_set_int(owner, ATTR_SCAN_INPUTS, scanned);
  if (in) node_set_ints(owner, ATTR_SCAN_INPUT_AXES, in, scanned);
  if (out) node_set_ints(owner, ATTR_SCAN_OUTPUT_AXES, out, collected);
  node_set_ints(owner, ATTR_SCAN_DIRECTIONS, directions, scanned + collected);
  return true;
}

// The type of a slice of a scanned operand.
static bool slice_type(OnnxNode *node, Node *owner, int index, const Type *whole, Type *slice) {
  int axis;
  if (!onnx_axis(node, node_ints_at(owner, ATTR_SCAN_INPUT_AXES, index, 0), whole->rank, &axis))
    return false;
  *slice = *whole;
  slice->rank--;
  for (int i = axis; i < slice->rank; i++) slice->dims[i] = whole->dims[i + 1];
  return true;
}

typedef struct Scan {
  const Onnx__GraphProto *body;
  Value **inputs; // states, then what is scanned
  int input_count, states, scanned, collected;
} Scan;

static bool scan_body(OnnxNode *node, const Region *region, Node *owner, const Scan *scan) {
  const Onnx__GraphProto *body = scan->body;
  Scope *scope = region_scope(region, owner, "body");
  for (int i = 0; i < scan->states; i++)
    region_input(region, scope, body, (size_t)i, scan->inputs[i]->type);
  if (!region_define_captures(region, scope)) return false;
  for (int i = scan->states; i < scan->input_count; i++) {
    Type slice;
    if (!slice_type(node, owner, i - scan->states, &scan->inputs[i]->type, &slice)) return false;
    region_input(region, scope, body, (size_t)i, slice);
  }
  if (!region_import(region, scope, body)) return false;
  for (int i = 0; i < scan->states + scan->collected; i++) {
    for (int k = 0; i == scan->states && k < region->value_count; k++)
      graph_add_output(scope->graph, scope->graph->inputs[scan->states + k]);
    Value *value = region_output(region, scope, body->output[i]->name);
    if (!value) return false;
    graph_add_output(scope->graph, value);
  }
  for (int k = 0; scan->collected == 0 && k < region->value_count; k++)
    graph_add_output(scope->graph, scope->graph->inputs[scan->states + k]);
  return true;
}

// `first`: the first operand of the node that counts.
static bool scan_begin(OnnxNode *node, int first, Scan *scan) {
  int64_t scanned = onnx_int(node, "num_scan_inputs", 0);
  *scan = (Scan){.body = onnx_graph(node, "body"), .input_count = node->input_count - first};
  if (!scan->body) return false;
  if (scanned < 1 || scanned > scan->input_count)
    return onnx_error(node, "num_scan_inputs is %lld", (long long)scanned);
  scan->inputs = NEW_ARRAY(node->importer->arena, Value *, scan->input_count);
  for (int i = 0; i < scan->input_count; i++)
    if (!(scan->inputs[i] = onnx_input(node, first + i)))
      return onnx_error(node, "input %d of %d is missing", first + i, node->input_count);
  scan->scanned = (int)scanned;
  scan->states = scan->input_count - scan->scanned;
  scan->collected = (int)scan->body->n_output - scan->states;
  if (scan->body->n_input != (size_t)scan->input_count || scan->collected < 0 ||
      node->output_count > scan->states + scan->collected)
    return onnx_error(node, "%d inputs, the body has %zu inputs and %zu outputs", scan->input_count,
                      scan->body->n_input, scan->body->n_output);
  return true;
}

// results: states, then what was collected.
static bool build_scan(OnnxNode *node, const Scan *scan, Value **results) {
  Region region;
  if (!region_begin(node, &region, scan->body, NULL)) return false;
  int captured = region.value_count, count = scan->input_count + captured;
  Value **operands = NEW_ARRAY(node->importer->arena, Value *, count);
  for (int i = 0; i < scan->states; i++) operands[i] = scan->inputs[i];
  for (int i = 0; i < captured; i++) operands[scan->states + i] = region.values[i];
  for (int i = scan->states; i < scan->input_count; i++) operands[captured + i] = scan->inputs[i];
  Node *owner = build_begin_results(&node->builder, OP_SCAN, operands, count,
                                    scan->states + captured + scan->collected);
  if (!owner) return false;
  if (!scan_lists(node, owner, scan->scanned, scan->collected)) return false;
  if (!scan_body(node, &region, owner, scan)) return false;
  if (!build_end(&node->builder, owner)) return false;
  for (int i = 0; i < scan->states + scan->collected; i++)
    results[i] = owner->results[i < scan->states ? i : i + captured];
  return true;
}

// Version 8 scans each element of a batch, as far as its length says; the rest of the outputs is 0.
static bool scan_one(OnnxNode *node, const Scan *scan, int64_t at, int64_t length,
                     Value **results) {
  Importer *importer = node->importer;
  const Dim *longest = scan->inputs[scan->states]->type.dims[1];
  Scan one = *scan;
  one.inputs = NEW_ARRAY(importer->arena, Value *, scan->input_count);
  for (int i = 0; i < scan->input_count; i++) {
    Value *x = build_slice_axis(&node->builder, scan->inputs[i], 0, import_dim(importer, at),
                                import_dim(importer, 1), 1);
    x = onnx_squeeze(node, x, (int64_t[]){0}, 1);
    if (x && i >= scan->states && length >= 0)
      x = build_slice_axis(&node->builder, x, 0, import_dim(importer, 0),
                           import_dim(importer, length), 1);
    if (!(one.inputs[i] = x)) return false;
  }
  if (!build_scan(node, &one, results)) return false;
  for (int i = 0; i < scan->states + scan->collected; i++) {
    int64_t size, pads[2 * MAX_RANK] = {0};
    if (i >= scan->states && length >= 0 && dim_is_constant(longest, &size) && size > length) {
      pads[results[i]->type.rank] = size - length;
      Node *pad = build_begin(&node->builder, OP_PAD, &results[i], 1);
      node_set_ints(pad, ATTR_PADS, pads, 2 * results[i]->type.rank);
      results[i] = build_end(&node->builder, pad);
    }
    results[i] = onnx_unsqueeze(node, results[i], (int64_t[]){0}, 1);
  }
  return !node->builder.failed;
}

static bool scan_batch(OnnxNode *node) {
  Scan scan;
  Importer *importer = node->importer;
  int64_t batch, longest, one_length = -1;
  if (!scan_begin(node, 1, &scan)) return false;
  for (int i = 0; i < scan.input_count; i++)
    if (scan.inputs[i]->type.rank < (i < scan.states ? 1 : 2))
      return onnx_error(node, "input %d has rank %d", i + 1, scan.inputs[i]->type.rank);
  const Type *x = &scan.inputs[scan.states]->type;
  if (!dim_is_constant(x->dims[0], &batch) || batch < 1 || batch > UNROLL_LIMIT)
    return onnx_unsupported(node, "a batch that is not static, or larger than 256");
  int count = 0, results = scan.states + scan.collected;
  const int64_t *lengths = NULL;
  if (onnx_has_input(node, 0) && !(lengths = onnx_ints_input(node, 0, &count))) return false;
  if (lengths && (count != batch || !dim_is_constant(x->dims[1], &longest)))
    return onnx_error(node, "%d lengths for a batch of %lld", count, (long long)batch);
  Value **parts = NEW_ARRAY(importer->arena, Value *, batch * results + 1);
  for (int64_t b = 0; b < batch; b++) {
    if (lengths) one_length = lengths[b];
    if (lengths && (one_length < 0 || one_length > longest))
      return onnx_error(node, "length %lld of %lld", (long long)one_length, (long long)longest);
    if (!scan_one(node, &scan, b, one_length, parts + b * results)) return false;
  }
  for (int i = 0; i < node->output_count; i++) {
    Value **column = NEW_ARRAY(importer->arena, Value *, batch);
    for (int64_t b = 0; b < batch; b++) column[b] = parts[b * results + i];
    if (!onnx_output(node, i, build_concat(&node->builder, column, (int)batch, 0))) return false;
  }
  return true;
}

bool import_scan(OnnxNode *node) {
  Scan scan;
  if (node->version < 9) return scan_batch(node);
  if (!scan_begin(node, 0, &scan)) return false;
  Value **results = NEW_ARRAY(node->importer->arena, Value *, scan.states + scan.collected);
  if (!build_scan(node, &scan, results)) return false;
  for (int i = 0; i < node->output_count; i++)
    if (!onnx_output(node, i, results[i])) return false;
  return true;
}
