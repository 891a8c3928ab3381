#include "tools/data.h"

#include <stdlib.h>
#include <string.h>

// "0.485,0.456,0.406"
static bool read_numbers(Tool *tool, OptionId id, const double **numbers, int *count) {
  const char *text = tool_text(tool, id);
  int capacity = 0;
  double *list = NULL;
  *count = 0;
  while (text && *text) {
    char *end;
    double number = strtod(text, &end);
    if (end == text || (*end && *end != ','))
      return diag_error(&tool->diag, (Loc){0}, "--%s: '%s' is not a list of numbers",
                        option_info[id].names, tool_text(tool, id));
    ARENA_PUSH(tool->arena, list, *count, capacity, number);
    text = *end ? end + 1 : end;
  }
  *numbers = list;
  return true;
}

Dataset *data_open(Tool *tool) {
  const TextList *paths = &tool_value(tool, OPTION_DATA)->list;
  DatasetConversion conversion = {.scale = 1};
  const TextList *names = &tool_value(tool, OPTION_ARRAY)->list;
  DatasetArrays arrays = {names->items, names->count};
  const double *scale;
  int scale_count;
  if (!read_numbers(tool, OPTION_SCALE, &scale, &scale_count) ||
      !read_numbers(tool, OPTION_MEAN, &conversion.mean, &conversion.mean_count) ||
      !read_numbers(tool, OPTION_STD, &conversion.std, &conversion.std_count))
    return NULL;
  if (scale_count > 1) {
    diag_error(&tool->diag, (Loc){0}, "--scale: wanted one number");
    return NULL;
  }
  if (scale_count) conversion.scale = scale[0];
  return dataset_open(tool->arena, &tool->diag, paths->items, paths->count, conversion, arrays);
}

int64_t data_count(const Tool *tool, const Dataset *dataset) {
  const OptionValue *samples = tool_value(tool, OPTION_SAMPLES);
  return samples->given && samples->number < dataset->count ? samples->number : dataset->count;
}

// A map is two inputs of the model and one file.
static DatasetInput *wanted_inputs(Arena *arena, const PortInfo *ports, int count) {
  DatasetInput *wanted = NEW_ARRAY(arena, DatasetInput, count);
  for (int i = 0, file = 0; i < count; i++) {
    const PortInfo *port = &ports[i];
    bool is_keys = i + 1 < count && ports[i + 1].is_map_values;
    wanted[i] = (DatasetInput){.name = port->name,
                               .kind = is_keys || port->is_map_values ? VALUE_MAP : port->kind,
                               .file = file,
                               .map_part = port->is_map_values,
                               .element = port->element,
                               .rank = port->rank,
                               .scale = port->scale,
                               .zero = port->zero};
    memcpy(wanted[i].dims, port->dims, sizeof port->dims);
    file += !is_keys;
  }
  return wanted;
}

bool data_sample(Tool *tool, Dataset *dataset, const Runnable *runnable, int64_t index,
                 Tensor *inputs, Arena *arena) {
  DatasetInput *wanted = wanted_inputs(arena, runnable->inputs, runnable->input_count);
  return dataset_sample(dataset, wanted, runnable->input_count, index, inputs, arena, &tool->diag);
}

static bool sample_for_pass(DataSet *data, const Graph *graph, int64_t index, Tensor *inputs,
                            Arena *arena, Diag *diag) {
  PortInfo *ports = ports_of_values(arena, graph->module, graph->inputs, graph->input_count);
  DatasetInput *wanted = wanted_inputs(arena, ports, graph->input_count);
  return dataset_sample(data->state, wanted, graph->input_count, index, inputs, arena, diag);
}

DataSet *data_for_passes(Tool *tool) {
  Dataset *dataset = data_open(tool);
  if (!dataset) return NULL;
  DataSet *data = NEW(tool->arena, DataSet);
  *data =
      (DataSet){.count = data_count(tool, dataset), .sample = sample_for_pass, .state = dataset};
  return data;
}
