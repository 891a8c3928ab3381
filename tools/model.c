#include "tools/model.h"

#include <inttypes.h>
#include <string.h>

#include "frontend/frontend.h"
#include "ir/file.h"
#include "ir/print.h"
#include "tools/custom.h"
#include "tools/values.h"

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), size = strlen(end);
  return length >= size && strcmp(text + length - size, end) == 0;
}

static bool find_format(Tool *tool, const char *path, ModelFormat *format) {
  enum { ELF_TYPE = 16, ET_REL = 1 };
  size_t size;
  Arena *scratch = arena_create();
  const uint8_t *bytes = file_map(scratch, &tool->diag, path, &size);
  *format = ends_with(path, ".tir") ? FORMAT_TEXT : FORMAT_ONNX;
  if (bytes && size > ELF_TYPE &&
      memcmp(bytes,
             "\x7f"
             "ELF",
             4) == 0)
    *format = bytes[ELF_TYPE] == ET_REL ? FORMAT_OBJECT : FORMAT_SHARED;
  arena_destroy(scratch);
  return bytes != NULL;
}

// "a,b" given once or several times: a list of names.
static void split_names(Arena *arena, const TextList *texts, TextList *names) {
  for (int i = 0; i < texts->count; i++) {
    char *rest = arena_strdup(arena, texts->items[i]);
    for (char *name; (name = strsep(&rest, ","));)
      if (*name) ARENA_PUSH(arena, names->items, names->count, names->capacity, name);
  }
}

static bool describe_inputs(Tool *tool, ModelFile *file) {
  if (file->format == FORMAT_TEXT) {
    if (tool_flag(tool, OPTION_DIM) || tool_flag(tool, OPTION_SHAPE) ||
        tool_flag(tool, OPTION_INPUTS) || tool_flag(tool, OPTION_OUTPUTS) ||
        tool_flag(tool, OPTION_CUSTOM))
      return diag_error(&tool->diag, loc_file(file->path),
                        "--dim, --shape, --inputs, --outputs and --custom need the ONNX model");
    file->parsed = module_parse(tool->arena, &tool->diag, file->path);
    if (!file->parsed) return false;
    const Graph *graph = file->parsed->main;
    file->inputs = NEW_ARRAY(tool->arena, FileInput, graph->input_count);
    file->input_count = file_inputs_of_ports(
        tool->arena, ports_of_values(tool->arena, file->parsed, graph->inputs, graph->input_count),
        graph->input_count, file->inputs);
    return true;
  }
  if (!tool_flag(tool, OPTION_INPUTS))
    return frontend_inputs(tool->arena, &tool->diag, file->path, &file->inputs, &file->input_count);
  TextList names = {0};
  split_names(tool->arena, &tool_value(tool, OPTION_INPUTS)->list, &names);
  file->inputs = NEW_ARRAY(tool->arena, FileInput, names.count);
  file->input_count = names.count;
  for (int i = 0; i < names.count; i++)
    file->inputs[i] = (FileInput){names.items[i], VALUE_TENSOR, ELEMENT_NONE, -1, {0}};
  return true;
}

bool model_open(Tool *tool, const char *path, ModelFile *file) {
  *file = (ModelFile){.path = path};
  if (!find_format(tool, path, &file->format)) return false;
  if (file->format == FORMAT_SHARED || file->format == FORMAT_OBJECT) return true;
  return describe_inputs(tool, file);
}

// --- loading

typedef struct Given {
  const ModelFile *file;
  const Tensor *tensors;
} Given;

static const Tensor *value_of_input(void *user, const char *name) {
  const Given *given = user;
  for (int i = 0; i < given->file->input_count && given->tensors; i++)
    if (given->tensors[i].data && strcmp(given->file->inputs[i].name, name) == 0)
      return &given->tensors[i];
  return NULL;
}

static bool has_open_dim(const FileInput *input) {
  for (int i = 0; i < input->rank; i++)
    if (input->dims[i] < 0) return true;
  return input->rank < 0;
}

static bool shape_was_given(const TextList *shapes, const char *name) {
  size_t length = strlen(name);
  for (int i = 0; i < shapes->count; i++)
    if (strncmp(shapes->items[i], name, length) == 0 && shapes->items[i][length] == '=')
      return true;
  return false;
}

// Open dims of inputs whose data is known get the data's dims.
static void shapes_from_data(Tool *tool, const Given *given, TextList *shapes) {
  for (int i = 0; i < given->file->input_count && given->tensors; i++) {
    const FileInput *input = &given->file->inputs[i];
    const Tensor *tensor = &given->tensors[i];
    bool same_rank = input->rank < 0 || input->rank == tensor->rank;
    if (!tensor->data || tensor->list || !has_open_dim(input) || !same_rank ||
        shape_was_given(shapes, input->name))
      continue;
    const char *text = arena_printf(tool->arena, "%s=", input->name);
    for (int k = 0; k < tensor->rank; k++) {
      const char *dim = input->rank > 0 && input->dims[k] >= 0
                            ? "?"
                            : arena_printf(tool->arena, "%" PRId64, tensor->dims[k]);
      text = arena_printf(tool->arena, "%s%s%s", text, k ? "x" : "", dim);
    }
    ARENA_PUSH(tool->arena, shapes->items, shapes->count, shapes->capacity, text);
  }
}

// The model as the options shape it; NULL: reported.
static Module *load_onnx(Tool *tool, const ModelFile *file, const Tensor *tensors,
                         Binding binding) {
  Given given = {file, tensors};
  const TextList *dims = &tool_value(tool, OPTION_DIM)->list;
  TextList inputs = {0}, outputs = {0}, shapes = {0};
  DimBinding *bindings = NEW_ARRAY(tool->arena, DimBinding, dims->count);
  if (file->format != FORMAT_ONNX) {
    diag_error(&tool->diag, loc_file(file->path),
               "a compiled file; '%s' wants an .onnx or .tir model here", tool->command->name);
    return NULL;
  }
  for (int i = 0; i < dims->count; i++)
    if (!frontend_parse_dim(tool->arena, &tool->diag, dims->items[i], &bindings[i])) return NULL;
  const TextList *given_shapes = &tool_value(tool, OPTION_SHAPE)->list;
  for (int i = 0; i < given_shapes->count; i++)
    ARENA_PUSH(tool->arena, shapes.items, shapes.count, shapes.capacity, given_shapes->items[i]);
  split_names(tool->arena, &tool_value(tool, OPTION_INPUTS)->list, &inputs);
  split_names(tool->arena, &tool_value(tool, OPTION_OUTPUTS)->list, &outputs);
  shapes_from_data(tool, &given, &shapes);
  CustomOperator *customs = custom_operators(tool);
  if (!customs) return NULL;
  FrontendOptions options = {.dims = bindings,
                             .dim_count = dims->count,
                             .shapes = shapes.items,
                             .shape_count = shapes.count,
                             .inputs = inputs.items,
                             .input_count = inputs.count,
                             .outputs = outputs.items,
                             .output_count = outputs.count,
                             .customs = customs,
                             .custom_count = tool_value(tool, OPTION_CUSTOM)->list.count,
                             .value_of_input =
                                 tensors && binding == BIND_VALUES ? value_of_input : NULL,
                             .user = &given};
  return frontend_load(tool->arena, &tool->diag, file->path, &options);
}

Module *model_load(Tool *tool, const ModelFile *file, const Tensor *tensors, Binding binding) {
  if (!custom_library_open(tool)) return NULL;
  Module *module =
      file->format == FORMAT_TEXT ? file->parsed : load_onnx(tool, file, tensors, binding);
  if (module) module->externals = tool->externals;
  return module;
}

void model_warn_of_unused_inputs(Tool *tool, const Module *module) {
  const Graph *graph = module->main;
  for (int i = 0; i < graph->input_count; i++)
    if (value_is_unused(graph->inputs[i]))
      diag_warning(&tool->diag, loc_file(module->source ? module->source : tool_argument(tool, 0)),
                   "input '%s' is not used", graph->inputs[i]->name);
}
