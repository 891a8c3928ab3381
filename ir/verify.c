// Checks that a module is what graph.h says it is. After a pass a finding is tenon's mistake, after
// parsing the author's; both are reported, with the pass named in the first case.
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "ir/nameset.h"
#include "ir/number.h"
#include "ir/print.h"
#include "ir/weight_matrix.h"

typedef struct Verifier {
  const Module *module;
  Diag *diag;
  const char *after; // pass
  Arena *scratch;
  char *defined; // by value id: defined so far in the walk
  int *uses;     // by value id: operands and outputs that are this value
  NameSet *constants;
} Verifier;

__attribute__((format(printf, 3, 4))) static bool bad(const Verifier *v, Loc loc,
                                                      const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = arena_vprintf(v->scratch, format, arguments);
  va_end(arguments);
  return v->after ? diag_error(v->diag, loc, "after pass %s: %s", v->after, text)
                  : diag_error(v->diag, loc, "%s", text);
}

// "<op>: <text>"
__attribute__((format(printf, 3, 4))) static bool refuse_form(const Node *node, Diag *diag,
                                                              const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = arena_vprintf(node->graph->module->arena, format, arguments);
  va_end(arguments);
  return diag_error(diag, node->loc, "%s: %s", op_info[node->op].text, text);
}

// --- form: what inference may rely on

static bool check_operands(const Node *node, Diag *diag) {
  const OpInfo *info = &op_info[node->op];
  int count = node_own_operands(node), low = info->min_operands;
  if (count < low || (info->max_operands >= 0 && count > info->max_operands)) {
    if (low == info->max_operands)
      return refuse_form(node, diag, "%d operands, wanted %d", count, low);
    return info->max_operands < 0
               ? refuse_form(node, diag, "%d operands, wanted at least %d", count, low)
               : refuse_form(node, diag, "%d operands, wanted %d to %d", count, low,
                             info->max_operands);
  }
  bool owner = (info->traits & REGIONS) != 0; // loop: count and condition may be absent
  for (int i = 0; i < node->operand_count; i++) {
    const Value *operand = node->operands[i];
    if (!operand && !owner && (i < low || i >= count))
      return refuse_form(node, diag, "operand %d is absent", i);
    bool any_kind = owner || node->op == OP_COPY || node_has_trait(node, OF_LISTS);
    if (operand && !any_kind && operand->type.kind != TYPE_TENSOR)
      return refuse_form(node, diag, "operand %d is no tensor", i);
  }
  return true;
}

static bool check_attributes(const Node *node, Diag *diag) {
  for (int i = 0; i < node->attribute_count; i++) {
    AttributeId id = node->attributes[i].id;
    if ((unsigned)id >= ATTR_COUNT || !op_attribute(node->op, id))
      return refuse_form(node, diag, "has no attribute '%s'",
                         (unsigned)id < ATTR_COUNT ? attribute_info[id].text : "?");
    if (i && node->attributes[i - 1].id >= id)
      return refuse_form(node, diag, "attributes out of order");
    if (node->attributes[i].count < 0) return refuse_form(node, diag, "a list of negative length");
  }
  return true;
}

static int wanted_regions(const Node *node) {
  if (!node_has_trait(node, REGIONS)) return 0;
  return node->op == OP_IF ? 2 : 1;
}

// How many inputs a region has: an epilogue the result and the extra operands, the branches of `if`
// all operands but the condition, any other body one per operand.
static bool check_regions(const Node *node, Diag *diag) {
  if (node_has_trait(node, ACCUMULATES)) {
    if (node->region_count > 1)
      return refuse_form(node, diag, "%d regions, wanted one epilogue at most", node->region_count);
    const Graph *epilogue = node_epilogue(node);
    return !epilogue || epilogue->input_count >= 1 ||
           refuse_form(node, diag, "the epilogue has no input");
  }
  if (node->region_count != wanted_regions(node))
    return refuse_form(node, diag, "%d regions, wanted %d", node->region_count,
                       wanted_regions(node));
  int inputs = node->operand_count - (node->op == OP_IF);
  for (int i = 0; i < node->region_count; i++)
    if (node->regions[i]->input_count != inputs)
      return refuse_form(node, diag, "region %s has %d inputs, wanted %d", node->regions[i]->name,
                         node->regions[i]->input_count, inputs);
  return true;
}

bool node_verify_form(const Node *node, Diag *diag) {
  const OpInfo *info = &op_info[node->op];
  if (info->results >= 0 && node->result_count != info->results)
    return refuse_form(node, diag, "%d results, wanted %d", node->result_count, info->results);
  if ((node->op == OP_CONST) != (node->constant != NULL))
    return refuse_form(node, diag, "constant data is misplaced");
  return check_regions(node, diag) && check_operands(node, diag) && check_attributes(node, diag);
}

// --- types

static bool check_quant(const Verifier *v, Loc loc, const Type *type) {
  const Quant *quant = type->quant;
  if (!element_is_integer(type->element) || element_info[type->element].bits > 32)
    return bad(v, loc, "%s cannot be quantized", element_info[type->element].text);
  if (quant->axis < -1 || quant->axis >= type->rank)
    return bad(v, loc, "quantization along axis %d of rank %d", quant->axis, type->rank);
  if (quant->axis < 0 && quant->count != 1)
    return bad(v, loc, "%d scales without an axis", quant->count);
  if (quant->axis >= 0 && !dim_is(type->dims[quant->axis], quant->count))
    return bad(v, loc, "%d scales along an axis of size %s", quant->count,
               dim_text(v->scratch, type->dims[quant->axis]));
  for (int i = 0; i < quant->count; i++) {
    char text[NUMBER_TEXT];
    float_text(text, quant->scale[i]);
    if (!isfinite(quant->scale[i]) || quant->scale[i] <= 0)
      return bad(v, loc, "scale %s is not positive", text);
    int bits = element_info[type->element].bits;
    bool is_signed = element_is_signed(type->element);
    int64_t low = is_signed ? -(INT64_C(1) << (bits - 1)) : 0,
            high = low + (INT64_C(1) << bits) - 1;
    if (quant->zero[i] < low || quant->zero[i] > high)
      return bad(v, loc, "zero point %d is no value of %s", quant->zero[i],
                 element_info[type->element].text);
  }
  return true;
}

static bool check_list(const Verifier *v, Loc loc, const Type *type) {
  const Type *inner = type->inner;
  if (!inner) return bad(v, loc, "a type of nothing");
  if (inner->kind == TYPE_SEQUENCE && type->kind == TYPE_OPTIONAL) return check_list(v, loc, inner);
  if (inner->kind != TYPE_TENSOR || inner->quant || inner->rank > MAX_RANK)
    return bad(v, loc, "'%s': lists are of tensors, optionals also of sequences",
               type_text(v->scratch, type));
  return true;
}

static bool check_type(const Verifier *v, Loc loc, const Type *type) {
  if (type->kind == TYPE_NONE) return bad(v, loc, "a value without a type");
  if (type->kind != TYPE_TENSOR) return check_list(v, loc, type);
  if (type->rank < 0 || type->rank > MAX_RANK) return bad(v, loc, "rank %d", type->rank);
  for (int i = 0; i < type->rank; i++)
    if (!type->dims[i] || dim_high(type->dims[i]) < 0)
      return bad(v, loc, "dimension %d is negative", i);
  return !type->quant || check_quant(v, loc, type);
}

// Inference on a copy of the node must give what is recorded.
static bool check_inference(const Verifier *v, const Node *node) {
  Node copy = *node;
  copy.attributes = arena_grow(v->scratch, node->attributes, (size_t)node->attribute_count,
                               (size_t)node->attribute_count, sizeof *node->attributes);
  copy.results = NEW_ARRAY(v->scratch, Value *, node->result_count);
  for (int i = 0; i < node->result_count; i++) {
    copy.results[i] = NEW(v->scratch, Value);
    *copy.results[i] = *node->results[i];
  }
  if (!op_info[node->op].infer(&copy, v->diag)) {
    if (v->after) diag_note(v->diag, node->loc, "found by the verifier after pass %s", v->after);
    return false;
  }
  for (int i = 0; i < node->result_count; i++) {
    const Type *found = &copy.results[i]->type, *recorded = &node->results[i]->type;
    if (!type_equal(found, recorded))
      return bad(v, node->loc, "%s: result %d is %s, recorded as %s", op_info[node->op].text, i,
                 type_text(v->scratch, found), type_text(v->scratch, recorded));
  }
  return true;
}

// --- constants

static bool check_centroids(const Verifier *v, Loc loc, const Stage *stage) {
  if (stage->bits < 1 || stage->bits > 8)
    return bad(v, loc, "a codebook of %d bits, possible are 1 to 8", stage->bits);
  if (stage->centroid_count < 1 || stage->centroid_count > 1 << stage->bits)
    return bad(v, loc, "%d centroids for %d bits", stage->centroid_count, stage->bits);
  for (int i = 0; i < stage->centroid_count; i++) {
    if (!isfinite(stage->centroids[i])) return bad(v, loc, "centroid %d is not finite", i);
    if (i && stage->centroids[i] < stage->centroids[i - 1])
      return bad(v, loc, "centroids are not ascending");
  }
  return true;
}

static bool check_layout(const Verifier *v, Loc loc, const Stage *stage) {
  bool tiled = stage->layout == LAYOUT_PANELS || stage->layout == LAYOUT_PANELS_DOT ||
               stage->layout == LAYOUT_ROWS_BLOCK;
  if (tiled && stage->tile < 1)
    return bad(v, loc, "layout %s needs a tile", layout_text(stage->layout));
  if (stage->layout == LAYOUT_PANELS_DOT && stage->group < 1)
    return bad(v, loc, "layout panels_dot needs a group");
  return stage->tile >= 0 && stage->group >= 0 ? true : bad(v, loc, "a negative tile or group");
}

static bool check_stage(const Verifier *v, Loc loc, const Stage *stage) {
  bool blocked = stage->block_rows || stage->block_columns;
  if (stage->kind != STAGE_CODEBOOK && stage->centroid_count)
    return bad(v, loc, "stage %s has centroids", stage_text(stage->kind));
  if (stage->kind != STAGE_SPARSE && blocked)
    return bad(v, loc, "stage %s has a block", stage_text(stage->kind));
  if (stage->kind != STAGE_LAYOUT && (stage->tile || stage->group))
    return bad(v, loc, "stage %s has a tile or group", stage_text(stage->kind));
  switch (stage->kind) {
  case STAGE_LAYOUT: return check_layout(v, loc, stage);
  case STAGE_SPARSE:
    if (blocked && (stage->block_rows < 1 || stage->block_columns < 1))
      return bad(v, loc, "a sparse block without elements");
    return stage->bits >= 0 && stage->bits <= 16 ? true
                                                 : bad(v, loc, "gaps of %d bits", stage->bits);
  case STAGE_CODEBOOK: return check_centroids(v, loc, stage);
  case STAGE_HUFFMAN:
  case STAGE_COUNT: break;
  }
  return true;
}

// Every value of a codebook constant is a centroid, and zero is one where gaps are bridged by
// zeros.
static bool check_codebook(const Verifier *v, const Node *node, const Stage *codebook) {
  const Constant *constant = node->constant;
  const Type *type = &node->results[0]->type;
  int64_t count = 0;
  if (type->element != F32) return true; // of other elements no kernel makes use of it
  type_max_count(type, &count);
  if (storage_find(&constant->storage, STAGE_SPARSE) && codebook_index(codebook, 0) < 0)
    return bad(v, node->loc, "constant @%s is sparse, but zero is no centroid", constant->name);
  for (int64_t i = 0; i < count; i++) {
    float value;
    memcpy(&value, (const char *)constant->data + (size_t)i * sizeof value, sizeof value);
    if (codebook_index(codebook, value) < 0)
      return bad(v, node->loc, "constant @%s: element %lld (%g) is no centroid", constant->name,
                 (long long)i, (double)value);
  }
  return true;
}

static bool check_constant(const Verifier *v, const Node *node) {
  const Constant *constant = node->constant;
  const Type *type = &node->results[0]->type;
  int64_t bytes = 0;
  if (!type_is_static(type) || !type_max_bytes(type, &bytes))
    return bad(v, node->loc, "a constant of symbolic shape");
  if (constant->bytes != (size_t)bytes)
    return bad(v, node->loc, "constant @%s has %zu bytes, its type %lld", constant->name,
               constant->bytes, (long long)bytes);
  if (!constant->data && bytes)
    return bad(v, node->loc, "constant @%s has no data", constant->name);
  if (!constant->name || nameset_has(v->constants, constant->name))
    return bad(v, node->loc, "constant @%s is there twice", constant->name ? constant->name : "");
  nameset_add_unique(v->constants, constant->name);
  if (constant->storage.count < 0 || constant->storage.count > MAX_STAGES)
    return bad(v, node->loc, "%d storage stages", constant->storage.count);
  for (int i = 0; i < constant->storage.count; i++) {
    const Stage *stage = &constant->storage.stages[i];
    if (i && stage[-1].kind >= stage->kind) return bad(v, node->loc, "storage stages out of order");
    if (!check_stage(v, node->loc, stage)) return false;
    if (stage->kind == STAGE_CODEBOOK && !check_codebook(v, node, stage)) return false;
  }
  return true;
}

// --- values and graphs

static bool check_placement(const Verifier *v, Loc loc, const Value *value) {
  const Placement *place = &value->placement;
  const Graph *main = v->module->main;
  if (place->kind == PLACE_ALIAS && !place->alias) return bad(v, loc, "an alias of nothing");
  if (place->offset < 0) return bad(v, loc, "placed at a negative offset");
  if (place->kind == PLACE_OPEN && place->offset >= main->open_count)
    return bad(v, loc, "placed at open+%lld of %d", (long long)place->offset, main->open_count);
  if (place->kind == PLACE_LATE && place->offset >= main->late_count)
    return bad(v, loc, "placed at late+%lld of %d", (long long)place->offset, main->late_count);
  if (place->kind != PLACE_WORKSPACE && place->kind != PLACE_FAST) return true;
  int64_t bytes = 0, limit = place->kind == PLACE_FAST ? main->fast_bytes : main->workspace_bytes;
  if (!main->placed) return bad(v, loc, "a placed value in a function that is not placed");
  if (!type_max_bytes(&value->type, &bytes))
    return bad(v, loc, "a value without a bound in the planned part of the workspace");
  if (place->offset > limit || bytes > limit - place->offset)
    return bad(v, loc, "bytes %lld to %lld lie outside the %lld of the workspace",
               (long long)place->offset, (long long)place->offset + bytes, (long long)limit);
  return true;
}

static bool check_uses(const Verifier *v, Loc loc, const Value *value) {
  for (int i = 0; i < value->use_count; i++) {
    const Use *use = &value->uses[i];
    if (use->index < 0 || use->index >= use->user->operand_count ||
        use->user->operands[use->index] != value || use->user->graph != value->graph)
      return bad(v, loc, "use %d of value %d is not what it says", i, value->id);
    for (int k = 0; k < i && value->use_count < 64; k++)
      if (value->uses[k].user == use->user && value->uses[k].index == use->index)
        return bad(v, loc, "a use of value %d is listed twice", value->id);
  }
  return true;
}

static bool check_value(const Verifier *v, Loc loc, const Graph *graph, const Value *value) {
  if (value->graph != graph) return bad(v, loc, "value %d belongs to another function", value->id);
  if (value->id < 0 || value->id >= v->module->next_value_id || v->defined[value->id])
    return bad(v, loc, "value id %d is not unique", value->id);
  v->defined[value->id] = 1;
  return check_type(v, loc, &value->type) && check_uses(v, loc, value) &&
         check_placement(v, loc, value);
}

static bool check_node_operands(const Verifier *v, const Node *node) {
  for (int i = 0; i < node->operand_count; i++) {
    const Value *operand = node->operands[i];
    if (!operand) continue;
    if (operand->graph != node->graph)
      return bad(v, node->loc, "operand %d belongs to another function", i);
    if (operand->id < 0 || operand->id >= v->module->next_value_id || !v->defined[operand->id])
      return bad(v, node->loc, "operand %d is used before its definition", i);
    v->uses[operand->id]++;
  }
  return true;
}

static bool check_graph(const Verifier *v, const Graph *graph, Loc loc);

static bool check_node(const Verifier *v, const Graph *graph, const Node *node) {
  if (node->graph != graph)
    return bad(v, node->loc, "node %d belongs to another function", node->id);
  if (!check_node_operands(v, node)) return false;
  if (!node_verify_form(node, v->diag)) {
    if (v->after) diag_note(v->diag, node->loc, "found by the verifier after pass %s", v->after);
    return false;
  }
  for (int i = 0; i < node->region_count; i++) {
    if (node->regions[i]->owner != node) return bad(v, node->loc, "region %d has another owner", i);
    if (!check_graph(v, node->regions[i], node->loc)) return false;
  }
  for (int i = 0; i < node->result_count; i++) {
    const Value *result = node->results[i];
    if (result->definition != node || result->index != i)
      return bad(v, node->loc, "result %d has another definition", i);
    if (!check_value(v, node->loc, graph, result)) return false;
  }
  return (!node->constant || check_constant(v, node)) && check_inference(v, node);
}

static bool check_use_count(const Verifier *v, Loc loc, const Value *value) {
  int found = v->uses[value->id], listed = value->use_count + value->output_uses;
  return found == listed || bad(v, loc, "value %d lists %d uses, has %d", value->id, listed, found);
}

static bool check_use_counts(const Verifier *v, const Graph *graph, Loc loc) {
  for (int i = 0; i < graph->input_count; i++)
    if (!check_use_count(v, loc, graph->inputs[i])) return false;
  for (const Node *node = graph->first; node; node = node->next)
    for (int i = 0; i < node->result_count; i++)
      if (!check_use_count(v, node->loc, node->results[i])) return false;
  return true;
}

static bool check_graph(const Verifier *v, const Graph *graph, Loc loc) {
  int count = 0;
  if (graph->module != v->module)
    return bad(v, loc, "function %s belongs to another module", graph->name);
  for (int i = 0; i < graph->input_count; i++) {
    const Value *input = graph->inputs[i];
    if (input->definition || input->index != i) return bad(v, loc, "input %d has a definition", i);
    if (!check_value(v, loc, graph, input)) return false;
  }
  const Node *previous = NULL;
  for (const Node *node = graph->first; node; previous = node, node = node->next, count++) {
    if (node->previous != previous || count > graph->node_count)
      return bad(v, node->loc, "the list of nodes is broken");
    if (!check_node(v, graph, node)) return false;
  }
  if (count != graph->node_count || graph->last != previous)
    return bad(v, loc, "the list of nodes is broken");
  for (int i = 0; i < graph->output_count; i++) {
    const Value *output = graph->outputs[i];
    if (output->graph != graph || !v->defined[output->id])
      return bad(v, loc, "output %d of %s is not one of its values", i, graph->name);
    v->uses[output->id]++;
  }
  return check_use_counts(v, graph, loc);
}

// A symbol's name must read back: a word of letters, digits, _ and single dots inside.
static bool is_symbol_name(const char *name) {
  if (!isalpha((unsigned char)name[0]) && name[0] != '_') return false;
  for (const char *c = name; *c; c++) {
    bool dot = *c == '.' && (isalnum((unsigned char)c[1]) || c[1] == '_');
    if (!isalnum((unsigned char)*c) && *c != '_' && !dot) return false;
  }
  return true;
}

static bool check_symbols(const Verifier *v, Loc loc) {
  for (int i = 0; i < dim_symbol_count(v->module->dims); i++) {
    const Atom *symbol = dim_symbol_at(v->module->dims, i);
    if (!is_symbol_name(symbol->name))
      return bad(v, loc, "'%s' is no name for a symbol", symbol->name);
    if (symbol->low > symbol->high) return bad(v, loc, "symbol %s has no value", symbol->name);
  }
  return true;
}

bool module_verify(const Module *module, const char *after, Diag *diag) {
  Arena *scratch = arena_create();
  Verifier v = {module,
                diag,
                after,
                scratch,
                NEW_ARRAY(scratch, char, module->next_value_id),
                NEW_ARRAY(scratch, int, module->next_value_id),
                nameset_create(scratch)};
  Loc loc = loc_file(module->source ? module->source : module->name);
  bool good = check_symbols(&v, loc) && check_graph(&v, module->main, loc);
  arena_destroy(scratch);
  return good;
}
