// Runnable: one way to call a model, however it is executed.
#include <dlfcn.h>
#include <string.h>

#include "codegen/object.h"
#include "frontend/tensor_proto.h"
#include "ir/builder.h"
#include "ir/print.h"
#include "runtime/tenon_pool.h"
#include "tools/custom.h"
#include "tools/data.h"
#include "tools/model.h"
#include "tools/prepare.h"
#include "tools/values.h"

PortInfo *ports_of_values(Arena *arena, const Module *module, Value *const *values, int count) {
  PortInfo *ports = NEW_ARRAY(arena, PortInfo, count);
  int symbols = dim_symbol_count(module->dims);
  int64_t *sample = NEW_ARRAY(arena, int64_t, symbols);
  for (int i = 0; i < symbols; i++)
    sample[i] = dim_symbol_at(module->dims, i)->low > 0 ? dim_symbol_at(module->dims, i)->low : 1;
  for (int i = 0; i < count; i++) {
    const Type *type = &values[i]->type;
    ports[i] = (PortInfo){.name = values[i]->name ? values[i]->name : "",
                          .kind = kind_of_type(type),
                          .element = type_element(type)->element,
                          .rank = type->rank};
    const Value *keys = value_keys(values[i]);
    if (keys) value_tensor(keys, &ports[i].keys);
    ports[i].is_map_values = value_map_keys(values[i]) != NULL;
    if (type->quant && type->quant->count == 1) {
      ports[i].scale = type->quant->scale[0];
      ports[i].zero = type->quant->zero[0];
    }
    for (int k = 0; k < type->rank; k++) {
      ports[i].sample[k] = dim_evaluate(type->dims[k], sample);
      if (!dim_is_constant(type->dims[k], &ports[i].dims[k])) ports[i].dims[k] = -1;
    }
  }
  return ports;
}

static bool prepare_interpreter(Tool *tool, const Plan *plan, Runnable *runnable, Module *module) {
  if (!plan_run_passes(tool, plan, module, tool_flag(tool, OPTION_LEVEL))) return false;
  runnable->how = "interpreter";
  runnable->executor = executor_interpreter(tool->arena);
  runnable->program =
      runnable->executor->prepare(runnable->executor, module->main, tool->arena, &tool->diag);
  return runnable->program != NULL;
}

static void end_pool(void *pool) { tenon_pool_destroy(pool); }

// --threads: compiled code gets a pool; without it everything runs on the calling thread.
static bool use_threads(Tool *tool, Runnable *runnable) {
  enum { MOST_THREADS = 1024 };
  const OptionValue *threads = tool_value(tool, OPTION_THREADS);
  if (!threads->given || threads->number == 1) return true;
  if (threads->number > MOST_THREADS)
    return diag_error(&tool->diag, (Loc){0}, "--threads: at most %d", MOST_THREADS);
  tenon_pool *pool = tenon_pool_create((int)threads->number);
  if (!pool) machine_failed("no threads can be started");
  arena_on_destroy(tool->arena, end_pool, pool);
  model_call_set_executor(runnable->call, tenon_pool_executor(pool));
  return true;
}

static bool prepare_compiled(Tool *tool, const Plan *plan, Runnable *runnable, Module *module) {
  runnable->how = "compiled";
  Compiled *compiled = plan_compile(tool, plan, module, "model");
  runnable->compiled = compiled;
  Loaded *loaded = compiled ? jit_load(compiled, tool->arena, &tool->diag) : NULL;
  runnable->call = loaded ? model_call_create(jit_model(loaded), tool->arena, &tool->diag) : NULL;
  return runnable->call && use_threads(tool, runnable);
}

// --- shared objects

static ElementType element_of_port(const tenon_value *value) {
  return onnx_element_type(value->type);
}

static ValueKind kind_of_description(const tenon_value *value) {
  if (value->kind == TENON_SEQUENCE) return VALUE_SEQUENCE;
  return value->kind == TENON_TENSOR ? VALUE_TENSOR : VALUE_OPTIONAL;
}

static PortInfo port_of_description(const tenon_value *value) {
  PortInfo port = {.name = value->name,
                   .kind = kind_of_description(value),
                   .element = element_of_port(value),
                   .rank = value->rank};
  if (value->scale && value->quantized_axis < 0) {
    port.scale = value->scale[0];
    port.zero = value->zero_point[0];
  }
  port.is_map_values = value->key_type && !value->keys && !value->key_count;
  if (value->key_type && !port.is_map_values) {
    ElementType element = onnx_element_type(value->key_type);
    size_t bytes = value->key_count * (size_t)element_info[element].bits / 8;
    port.keys = (Tensor){
        .element = element, .rank = 1, .dims = {(int64_t)value->key_count}, .bytes = bytes};
    memcpy(&port.keys.data, &value->keys, sizeof port.keys.data);
  }
  for (int i = 0; i < port.rank && i < MAX_RANK; i++) {
    const tenon_dim *dim = &value->dims[i];
    port.sample[i] = dim->min > 0 ? dim->min : 1;
    port.dims[i] = dim->word < 0 ? dim->min : -1;
  }
  return port;
}

static void close_library(void *library) { dlclose(library); }

// The symbol NAME_model that the library exports.
static const char *model_symbol(Tool *tool, const char *path) {
  enum { SYMBOL_SIZE = 24, NAME_OFFSET = 0, INDEX_OFFSET = 6 };
  size_t size;
  const uint8_t *bytes = file_map(tool->arena, &tool->diag, path, &size);
  ObjectFile *object = bytes ? object_read(tool->arena, &tool->diag, path, bytes, size) : NULL;
  const ObjectSection *symbols = object ? object_find_section(object, ".dynsym") : NULL;
  const ObjectSection *strings = object ? object_find_section(object, ".dynstr") : NULL;
  if (!symbols || !strings || !symbols->bytes || !strings->bytes || !object->is_64) return NULL;
  for (uint64_t at = 0; at + SYMBOL_SIZE <= symbols->size; at += SYMBOL_SIZE) {
    uint32_t offset;
    uint16_t section;
    memcpy(&offset, symbols->bytes + at + NAME_OFFSET, sizeof offset);
    memcpy(&section, symbols->bytes + at + INDEX_OFFSET, sizeof section);
    if (!section || offset >= strings->size ||
        !memchr(strings->bytes + offset, 0, strings->size - offset))
      continue;
    const char *name = (const char *)strings->bytes + offset;
    size_t length = strlen(name);
    if (length > 6 && strcmp(name + length - 6, "_model") == 0) return name;
  }
  return NULL;
}

static bool load_shared(Tool *tool, Runnable *runnable) {
  const char *path = runnable->path, *symbol = model_symbol(tool, path);
  if (!custom_library_open(tool)) return false; // the shared object may want its functions
  if (!symbol)
    return diag_error(&tool->diag, loc_file(path),
                      "not a shared object that tenon compiled: it exports no NAME_model");
  void *library = dlopen(strchr(path, '/') ? path : arena_printf(tool->arena, "./%s", path),
                         RTLD_NOW | RTLD_LOCAL);
  if (!library) return diag_error(&tool->diag, loc_file(path), "cannot be loaded: %s", dlerror());
  arena_on_destroy(tool->arena, close_library, library);
  const tenon_model *model = dlsym(library, symbol);
  runnable->how = "shared object";
  runnable->call = model ? model_call_create(model, tool->arena, &tool->diag) : NULL;
  if (!runnable->call || !use_threads(tool, runnable)) return false;
  runnable->input_count = (int)model->input_count;
  runnable->output_count = (int)model->output_count;
  runnable->inputs = NEW_ARRAY(tool->arena, PortInfo, runnable->input_count);
  runnable->outputs = NEW_ARRAY(tool->arena, PortInfo, runnable->output_count);
  for (int i = 0; i < runnable->input_count; i++)
    runnable->inputs[i] = port_of_description(&model->inputs[i]);
  for (int i = 0; i < runnable->output_count; i++)
    runnable->outputs[i] = port_of_description(&model->outputs[i]);
  return true;
}

Runnable *runnable_create(Tool *tool, const ModelFile *file, Module *module, Status *status) {
  Runnable *runnable = NEW(tool->arena, Runnable);
  Plan plan;
  runnable->path = file->path;
  *status = STATUS_REFUSED;
  if (file->format == FORMAT_SHARED) return load_shared(tool, runnable) ? runnable : NULL;
  if (!plan_make(tool, true, &plan, status)) return NULL;
  *status = STATUS_REFUSED;
  if (!tool_flag(tool, OPTION_INTERPRET) &&
      strcmp(plan.target->family, target_native(tool->arena)->family) != 0) {
    diag_error(&tool->diag, loc_file(file->path), "code for '%s' does not run on this machine",
               plan.target->name);
    return NULL;
  }
  if (!module || !module_verify(module, NULL, &tool->diag)) return NULL;
  const Graph *graph = module->main;
  runnable->input_count = graph->input_count;
  runnable->output_count = graph->output_count;
  bool done = tool_flag(tool, OPTION_INTERPRET) ? prepare_interpreter(tool, &plan, runnable, module)
                                                : prepare_compiled(tool, &plan, runnable, module);
  // After the passes, which may have changed the types of inputs (quantize{io=int8}).
  runnable->inputs = ports_of_values(tool->arena, module, graph->inputs, graph->input_count);
  runnable->outputs = ports_of_values(tool->arena, module, graph->outputs, graph->output_count);
  return done ? runnable : NULL;
}

// The first sample of --data, as far as the file says what its inputs are. False: reported.
static bool first_sample(Tool *tool, const ModelFile *file, Tensor *given) {
  Dataset *dataset = data_open(tool);
  DatasetInput *wanted = NEW_ARRAY(tool->arena, DatasetInput, file->input_count);
  if (!dataset) return false;
  Tensor *found = NEW_ARRAY(tool->arena, Tensor, file->input_count);
  int count = 0;
  for (int i = 0; i < file->input_count; i++) {
    if (file->inputs[i].kind == VALUE_MAP) continue; // its number of keys stays open
    wanted[count] = (DatasetInput){.name = file->inputs[i].name,
                                   .kind = file->inputs[i].kind,
                                   .file = i,
                                   .element = file->inputs[i].element,
                                   .rank = file->inputs[i].rank};
    memcpy(wanted[count++].dims, file->inputs[i].dims, sizeof wanted[i].dims);
  }
  if (dataset->count == 0) return true;
  if (!dataset_sample(dataset, wanted, count, 0, found, tool->arena, &tool->diag)) return false;
  for (int i = 0; i < count; i++) given[wanted[i].file] = found[i];
  return true;
}

Runnable *runnable_open(Tool *tool, const char *path, Status *status) {
  ModelFile file;
  *status = STATUS_REFUSED;
  if (!model_open(tool, path, &file)) return NULL;
  if (file.format == FORMAT_SHARED) return runnable_create(tool, &file, NULL, status);
  Tensor *given = NEW_ARRAY(tool->arena, Tensor, file.input_count);
  if (tool_flag(tool, OPTION_DATA) && !first_sample(tool, &file, given)) return NULL;
  Module *module = model_load(tool, &file, given, BIND_SHAPES);
  return module ? runnable_create(tool, &file, module, status) : NULL;
}

bool runnable_run(Runnable *runnable, const Tensor *inputs, Tensor *outputs, Arena *arena,
                  Diag *diag) {
  if (runnable->call) return model_call_run(runnable->call, inputs, outputs, arena, diag);
  return runnable->executor->run(runnable->executor, runnable->program, inputs, outputs, arena,
                                 diag);
}

int runnable_find_input(const Runnable *runnable, const char *name) {
  for (int i = 0; i < runnable->input_count; i++)
    if (strcmp(runnable->inputs[i].name, name) == 0) return i;
  return -1;
}

int file_inputs_of_ports(Arena *arena, const PortInfo *ports, int count, FileInput *inputs) {
  int made = 0;
  for (int i = 0; i < count; i++) {
    const PortInfo *port = &ports[i];
    if (port->is_map_values && i > 0) { // NAME.values behind NAME.keys
      const char *dot = strrchr(port->name, '.');
      size_t length = dot ? (size_t)(dot - port->name) : strlen(port->name);
      inputs[made - 1] =
          (FileInput){arena_strndup(arena, port->name, length), VALUE_MAP, ELEMENT_NONE, -1, {0}};
      continue;
    }
    int rank = port->kind == VALUE_TENSOR ? port->rank : -1;
    inputs[made] = (FileInput){port->name, port->kind, port->element, rank, {0}};
    memcpy(inputs[made++].dims, port->dims, sizeof port->dims);
  }
  return made;
}

void model_describe_runnable(Tool *tool, ModelFile *file, const Runnable *runnable) {
  if (file->format != FORMAT_SHARED) return;
  file->inputs = NEW_ARRAY(tool->arena, FileInput, runnable->input_count);
  file->input_count =
      file_inputs_of_ports(tool->arena, runnable->inputs, runnable->input_count, file->inputs);
}
