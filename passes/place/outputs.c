// Outputs: each must be memory that one node writes. An output that is an input, a constant, the
// same value twice or a view of one of these gets a copy; so does a loop's carried value that the
// body returns from another place than its own, since the values are handed on one after the other.
#include "ir/builder.h"
#include "passes/place/place.h"

Carried node_carried(const Node *node) {
  if (node->op == OP_LOOP) return (Carried){2, 2, 1, node->operand_count - 2};
  if (node->op == OP_SCAN)
    return (Carried){0, 0, 0, node->operand_count - (int)node_int(node, ATTR_SCAN_INPUTS)};
  return (Carried){0, 0, 0, 0};
}

bool loop_passes_through(const Node *loop, int result) {
  Carried carried = node_carried(loop);
  if (result >= carried.count) return false;
  const Graph *body = loop->regions[0];
  return body->outputs[carried.output + result] == body->inputs[carried.input + result];
}

static Value *view_source(Value *value) {
  while (value->definition && node_has_trait(value->definition, VIEW))
    value = value->definition->operands[0];
  return value;
}

static bool is_written_by_a_node(const Value *source) {
  return source->definition && source->definition->op != OP_CONST &&
         !loop_passes_through(source->definition, source->index);
}

static bool copy_output(Graph *graph, int index, PassContext *context) {
  Value *value = graph->outputs[index];
  Builder builder = builder_at_end(graph, value->definition ? value->definition->loc
                                                            : loc_file(context->module->source));
  if (!builder.loc.node) builder.loc.node = value->name;
  builder.name = value->name;
  Value *copy = build_unary(&builder, OP_COPY, value);
  if (!copy) return false;
  graph_set_output(graph, index, copy);
  return true;
}

// Sources claimed so far carry the number of this run of the loop in their mark.
static bool legalise_main(Graph *graph, PassContext *context) {
  for (int i = 0; i < graph->output_count; i++) view_source(graph->outputs[i])->mark = 0;
  for (int i = 0; i < graph->output_count; i++) {
    Value *source = view_source(graph->outputs[i]);
    if (graph->outputs[i]->type.kind != TYPE_TENSOR) continue;
    bool direct = is_written_by_a_node(source) || (context->io_workspace && !source->definition);
    if (direct && !source->mark) {
      source->mark = 1;
      continue;
    }
    if (!copy_output(graph, i, context)) return false;
  }
  return true;
}

static bool legalise_body(Graph *body, PassContext *context) {
  Carried carried = node_carried(body->owner);
  for (int i = 0; i < carried.count; i++) {
    Value *output = body->outputs[carried.output + i];
    const Value *source = view_source(output);
    bool is_input = !source->definition;
    if (!is_input || output == body->inputs[carried.input + i]) continue;
    if (!copy_output(body, carried.output + i, context)) return false;
  }
  return true;
}

bool place_legalise_outputs(Graph *graph, PassContext *context) {
  return graph->owner ? legalise_body(graph, context) : legalise_main(graph, context);
}
