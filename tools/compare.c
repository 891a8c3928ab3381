// tenon compare: where two models part. Both run on the same inputs; --by-layer makes every
// intermediate tensor whose name both know an output.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/model.h"
#include "tools/values.h"

typedef struct Side {
  ModelFile file;
  Module *module;
  Runnable *runnable;
  Tensor *outputs;
  int own_outputs; // of the model itself; the layers follow
} Side;

static bool load_side(Tool *tool, const char *path, Side *side) {
  if (!model_open(tool, path, &side->file)) return false;
  if (side->file.format == FORMAT_SHARED) return true;
  Tensor *given = NEW_ARRAY(tool->arena, Tensor, side->file.input_count);
  if (!inputs_read(tool, &side->file, 2, given)) return false;
  side->module = model_load(tool, &side->file, given, BIND_VALUES);
  if (!side->module) return false;
  side->own_outputs = side->module->main->output_count;
  return true;
}

static Value *find_value(const Graph *graph, const char *name) {
  for (const Node *node = graph->first; node; node = node->next)
    for (int i = 0; i < node->result_count; i++)
      if (node->op != OP_CONST && node->results[i]->name &&
          strcmp(node->results[i]->name, name) == 0)
        return node->results[i];
  return NULL;
}

// Named results that both graphs have become outputs of both.
static void expose_layers(Side *a, Side *b) {
  Graph *graph = a->module->main, *other = b->module->main;
  for (const Node *node = graph->first; node; node = node->next)
    for (int i = 0; i < node->result_count; i++) {
      Value *value = node->results[i], *twin;
      if (node->op == OP_CONST || !value->name || value->output_uses ||
          value->type.kind != TYPE_TENSOR)
        continue;
      if (!(twin = find_value(other, value->name)) || twin->output_uses ||
          twin->type.kind != TYPE_TENSOR)
        continue;
      graph_add_output(graph, value);
      graph_add_output(other, twin);
    }
}

static const char *output_name(const Side *side, int index) {
  return side->runnable->outputs[index].name;
}

static int find_output(const Side *side, const char *name) {
  for (int i = 0; i < side->runnable->output_count; i++)
    if (strcmp(output_name(side, i), name) == 0) return i;
  return -1;
}

typedef struct Layer {
  const char *name;
  bool same_shape;
  TensorError error;
} Layer;

static int worst_first(const void *a, const void *b) {
  const Layer *x = a, *y = b;
  if (x->same_shape != y->same_shape) return x->same_shape ? -1 : 1;
  if (x->error.relative != y->error.relative) return x->error.relative > y->error.relative ? -1 : 1;
  return strcmp(x->name, y->name);
}

static void print_layers(Tool *tool, const Side *a, const Side *b) {
  int count = 0;
  Layer *layers = NEW_ARRAY(tool->arena, Layer, a->runnable->output_count);
  for (int i = 0; i < a->runnable->output_count; i++) {
    int k = find_output(b, output_name(a, i));
    if (k < 0) continue;
    layers[count].name = output_name(a, i);
    layers[count].same_shape = tensor_compare(&b->outputs[k], &a->outputs[i], &layers[count].error);
    count++;
  }
  qsort(layers, (size_t)count, sizeof *layers, worst_first);
  printf("%-12s %-12s %s\n", "relative", "absolute", "tensor");
  for (int i = 0; i < count; i++)
    if (layers[i].same_shape)
      printf("%-12.3g %-12.3g %s\n", layers[i].error.relative, layers[i].error.absolute,
             layers[i].name);
    else
      printf("%-25s %s\n", "another shape or type", layers[i].name);
  printf("\n");
}

static bool run_side(Tool *tool, Side *side, const Side *first, const Tensor *first_inputs,
                     Tensor **inputs) {
  const Runnable *runnable = side->runnable;
  *inputs = NEW_ARRAY(tool->arena, Tensor, runnable->input_count);
  side->outputs = NEW_ARRAY(tool->arena, Tensor, runnable->output_count);
  if (!first) {
    Tensor *given = NEW_ARRAY(tool->arena, Tensor, side->file.input_count);
    if (!inputs_read(tool, &side->file, 2, given) ||
        !inputs_complete(tool, &side->file, given, runnable, *inputs))
      return false;
  }
  for (int i = 0; first && i < runnable->input_count; i++) {
    int from = runnable_find_input(first->runnable, runnable->inputs[i].name);
    if (from < 0 && i < first->runnable->input_count &&
        runnable->input_count == first->runnable->input_count)
      from = i;
    if (from < 0)
      return diag_error(&tool->diag, loc_file(side->file.path), "input '%s' is not one of %s",
                        runnable->inputs[i].name, first->file.path);
    (*inputs)[i] = first_inputs[from];
  }
  return runnable_run(side->runnable, *inputs, side->outputs, tool->arena, &tool->diag);
}

// Outputs by name, else by number.
static Status compare_outputs(Tool *tool, const Side *a, const Side *b) {
  Status status = STATUS_DONE;
  int own = a->module ? a->own_outputs : a->runnable->output_count;
  for (int i = 0; i < own; i++) {
    int k = find_output(b, output_name(a, i));
    if (k < 0 && i < b->runnable->output_count) k = i;
    if (k < 0) {
      printf("%s: only in %s\n", output_name(a, i), a->file.path);
      status = STATUS_MISSED;
    } else if (!tensor_is_close(tool, output_name(a, i), &b->outputs[k], &a->outputs[i])) {
      status = STATUS_MISSED;
    }
  }
  return status;
}

// --reference: the first model runs in the interpreter, the second one compiled.
static Runnable *create_side(Tool *tool, const Side *side, bool interpreted, Status *status) {
  OptionValue *interpret = &tool->options.values[OPTION_INTERPRET], given = *interpret;
  if (tool_flag(tool, OPTION_REFERENCE)) interpret->given = interpreted;
  Runnable *runnable = runnable_create(tool, &side->file, side->module, status);
  *interpret = given;
  return runnable;
}

Status command_compare(Tool *tool) {
  Side sides[2] = {{.module = NULL}};
  Tensor *inputs[2] = {NULL};
  Status status;
  bool by_layer = tool_flag(tool, OPTION_BY_LAYER);
  for (int i = 0; i < 2; i++)
    if (!load_side(tool, tool_argument(tool, i), &sides[i])) return STATUS_REFUSED;
  if (by_layer && (!sides[0].module || !sides[1].module))
    return diag_error(&tool->diag, loc_file(sides[sides[0].module ? 1 : 0].file.path),
                      "--by-layer cannot look into a shared object"),
           STATUS_REFUSED;
  if (by_layer) expose_layers(&sides[0], &sides[1]);
  for (int i = 0; i < 2; i++) {
    sides[i].runnable = create_side(tool, &sides[i], i == 0, &status);
    if (!sides[i].runnable) return status;
    model_describe_runnable(tool, &sides[i].file, sides[i].runnable);
    if (!run_side(tool, &sides[i], i ? &sides[0] : NULL, inputs[0], &inputs[i]))
      return STATUS_REFUSED;
  }
  if (by_layer) print_layers(tool, &sides[0], &sides[1]);
  return compare_outputs(tool, &sides[0], &sides[1]);
}
