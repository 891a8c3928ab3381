#include "tools/values.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend/npy.h"
#include "frontend/npz.h"

static bool has_suffix(const char *path, const char *suffix) {
  size_t length = strlen(path), size = strlen(suffix);
  return length > size && strcmp(path + length - size, suffix) == 0;
}

static bool is_folder(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool file_exists(const char *path) {
  struct stat status;
  return stat(path, &status) == 0;
}

// --- reading

bool tensor_read(Tool *tool, const char *path, ValueKind kind, Tensor *tensor) {
  FileValue value;
  if (has_suffix(path, ".npy")) {
    if (kind == VALUE_SEQUENCE || kind == VALUE_MAP)
      return diag_error(&tool->diag, loc_file(path), "a %s is given as %s, not .npy",
                        kind == VALUE_MAP ? "map" : "sequence",
                        kind == VALUE_MAP ? ".pb or .npz" : ".pb");
    if (!npy_file_read(tool->arena, &tool->diag, path, tensor)) return false;
    if (kind == VALUE_OPTIONAL)
      *tensor = tensor_list(tool->arena, LIST_OPTIONAL, tensor->element, tensor, 1);
    return true;
  }
  if (!onnx_value_file_read(tool->arena, &tool->diag, path, kind, &value)) return false;
  return kind == VALUE_MAP ? onnx_value_map(tool->arena, &tool->diag, path, &value, tensor)
                           : onnx_value_tensor(tool->arena, &tool->diag, path, &value, tensor);
}

static int find_file_input(const ModelFile *file, const char *name, size_t length) {
  for (int i = 0; i < file->input_count; i++)
    if (strlen(file->inputs[i].name) == length && memcmp(file->inputs[i].name, name, length) == 0)
      return i;
  return -1;
}

// NAME.keys and NAME.values of an archive; *is_part: the name is one of these.
static int find_map_input(const ModelFile *file, const char *name, int *part) {
  static const char *const parts[] = {".keys", ".values"};
  size_t length = strlen(name);
  for (*part = 0; *part < 2; ++*part) {
    size_t end = strlen(parts[*part]);
    if (length <= end || strcmp(name + length - end, parts[*part]) != 0) continue;
    int found = find_file_input(file, name, length - end);
    return found >= 0 && file->inputs[found].kind == VALUE_MAP ? found : -1;
  }
  return -1;
}

static bool read_map_arrays(Tool *tool, Npz *npz, const char *name, Tensor *given) {
  Tensor parts[2];
  NpzMember *keys = npz_find(npz, arena_printf(tool->arena, "%s.keys", name)),
            *values = npz_find(npz, arena_printf(tool->arena, "%s.values", name));
  if (!keys && !values) return true;
  if (!keys || !values)
    return diag_error(&tool->diag, loc_file(npz->path), "'%s.keys' without '%s.values'", name,
                      name);
  if (!npz_array(npz, &tool->diag, keys, &parts[0]) ||
      !npz_array(npz, &tool->diag, values, &parts[1]))
    return false;
  *given = tensor_list(tool->arena, LIST_SEQUENCE, parts[1].element, parts, 2);
  return true;
}

static bool read_archive(Tool *tool, const ModelFile *file, const char *path, Tensor *given) {
  Npz *npz = npz_open(tool->arena, &tool->diag, path);
  if (!npz) return false;
  for (int i = 0; i < file->input_count; i++) {
    NpzMember *member = npz_find(npz, file->inputs[i].name);
    if (file->inputs[i].kind == VALUE_MAP) {
      if (!read_map_arrays(tool, npz, file->inputs[i].name, &given[i])) return false;
      continue;
    }
    if (member && !npz_array(npz, &tool->diag, member, &given[i])) return false;
  }
  for (int i = 0, part; i < npz->count; i++)
    if (find_file_input(file, npz->members[i].name, strlen(npz->members[i].name)) < 0 &&
        find_map_input(file, npz->members[i].name, &part) < 0)
      diag_warning(&tool->diag, loc_file(path), "the model has no input '%s'",
                   npz->members[i].name);
  return true;
}

static bool read_folder(Tool *tool, const ModelFile *file, const char *path, Tensor *given) {
  bool any = file->input_count == 0;
  for (int i = 0; i < file->input_count; i++) {
    const char *name = arena_printf(tool->arena, "%s/input_%d.pb", path, i);
    if (!file_exists(name)) continue;
    if (!tensor_read(tool, name, file->inputs[i].kind, &given[i])) return false;
    any = true;
  }
  return any || diag_error(&tool->diag, loc_file(path), "this folder has no input_0.pb");
}

static bool read_one(Tool *tool, const ModelFile *file, const char *text, int *next,
                     Tensor *given) {
  int index = *next;
  for (const char *equals = strchr(text, '='); equals && !file_exists(text);
       equals = strchr(equals + 1, '=')) {
    int found = find_file_input(file, text, (size_t)(equals - text));
    if (found < 0) continue;
    index = found;
    text = equals + 1;
    break;
  }
  if (index == *next) (*next)++;
  if (index >= file->input_count)
    return diag_error(&tool->diag, loc_file(text), "one file too many: the model has %d input%s",
                      file->input_count, file->input_count == 1 ? "" : "s");
  return tensor_read(tool, text, file->inputs[index].kind, &given[index]);
}

bool inputs_read(Tool *tool, const ModelFile *file, int first, Tensor *given) {
  const TextList *arguments = &tool->options.arguments;
  int next = 0;
  for (int i = first; i < arguments->count; i++) {
    const char *text = arguments->items[i];
    if (is_folder(text)                                 ? !read_folder(tool, file, text, given)
        : has_suffix(text, ".npz") && file_exists(text) ? !read_archive(tool, file, text, given)
                                                        : !read_one(tool, file, text, &next, given))
      return false;
  }
  return true;
}

// --- random inputs

static uint64_t next_random(uint64_t *state) { // splitmix64
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static double uniform(uint64_t *state) {
  return ((double)(next_random(state) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t *state) {
  double radius = sqrt(-2 * log(uniform(state)));
  return radius * cos(2 * 3.14159265358979323846 * uniform(state));
}

// Up to three letters.
static TensorString word(Arena *arena, uint64_t *state) {
  enum { LONGEST = 3, LETTERS = 26 };
  size_t length = next_random(state) % (LONGEST + 1);
  char *text = arena_alloc(arena, LONGEST);
  for (size_t i = 0; i < length; i++) text[i] = (char)('a' + next_random(state) % LETTERS);
  return (TensorString){text, length};
}

Tensor random_input(Arena *arena, const PortInfo *port, uint64_t seed) {
  uint64_t state = seed;
  Tensor tensor = tensor_create(arena, port->element, port->rank, port->sample);
  tensor.name = port->name;
  ElementClass class = element_info[port->element].class;
  int bits = element_info[port->element].bits;
  for (int64_t i = 0, n = tensor_count(&tensor); i < n; i++) {
    if (class == CLASS_STRING)
      ((TensorString *)tensor.data)[i] = word(arena, &state);
    else if (class == CLASS_FLOAT)
      element_store(port->element, tensor.data, i, normal(&state));
    else if (class == CLASS_BOOLEAN)
      element_store_int(port->element, tensor.data, i, (int64_t)(next_random(&state) & 1));
    else if (class == CLASS_COMPLEX)
      continue;
    else if (bits == 8)
      ((uint8_t *)tensor.data)[i] = (uint8_t)next_random(&state);
    else
      element_store_int(port->element, tensor.data, i,
                        (int64_t)(next_random(&state) & 1)); // an index, maybe
  }
  return tensor;
}

static bool any_given(const ModelFile *file, const Tensor *given) {
  for (int i = 0; i < file->input_count; i++)
    if (given[i].data) return true;
  return false;
}

// What the file's input gives for an input of the runnable; a map has two there. Data NULL:
// nothing.
static Tensor given_for(Tool *tool, const ModelFile *file, const Tensor *given,
                        const PortInfo *port) {
  int part, from = find_file_input(file, port->name, strlen(port->name));
  if (from >= 0) return given[from];
  from = find_map_input(file, port->name, &part);
  if (from < 0 || !given[from].data) return (Tensor){0};
  Tensor list = tensor_items(&given[from])[part];
  // Nothing says the types of a map without keys.
  return list.rank == 1 && !list.dims[0] ? tensor_create(tool->arena, port->element, 1, list.dims)
                                         : list;
}

bool inputs_complete(Tool *tool, const ModelFile *file, const Tensor *given,
                     const Runnable *runnable, Tensor *inputs) {
  const OptionValue *seed = tool_value(tool, OPTION_SEED);
  bool any = any_given(file, given), good = true;
  for (int i = 0; i < runnable->input_count; i++) {
    const PortInfo *port = &runnable->inputs[i];
    inputs[i] = given_for(tool, file, given, port);
    if (inputs[i].data) continue;
    if (any || port->kind != VALUE_TENSOR)
      good = diag_error(&tool->diag, loc_file(file->path), "no file was given for input '%s'",
                        port->name);
    else
      inputs[i] = random_input(tool->arena, port,
                               (uint64_t)(seed->given ? seed->number : 1) + (uint64_t)i * 1000003);
  }
  return good;
}

// Nothing says how large open dims are: 1, which is right for a batch.
static void smallest_shapes(Tool *tool, const ModelFile *file, Tensor *given) {
  if (tool_flag(tool, OPTION_DIM) || tool_flag(tool, OPTION_SHAPE)) return;
  for (int i = 0; i < file->input_count; i++) {
    const FileInput *input = &file->inputs[i];
    given[i] = (Tensor){.element = input->element, .rank = input->rank, .data = given};
    for (int k = 0; k < input->rank; k++)
      given[i].dims[k] = input->dims[k] < 0 ? 1 : input->dims[k];
    if (input->rank < 0) given[i].data = NULL;
  }
}

Status runnable_with_inputs(Tool *tool, int model, int first, Runnable **runnable,
                            Tensor **inputs) {
  ModelFile file;
  Status status;
  Module *module = NULL;
  if (!model_open(tool, tool_argument(tool, model), &file)) return STATUS_REFUSED;
  if (file.format == FORMAT_SHARED) { // its inputs are known when it is loaded
    *runnable = runnable_create(tool, &file, NULL, &status);
    if (!*runnable) return status;
    model_describe_runnable(tool, &file, *runnable);
  }
  Tensor *given = NEW_ARRAY(tool->arena, Tensor, file.input_count);
  if (!inputs_read(tool, &file, first, given)) return STATUS_REFUSED;
  if (file.format != FORMAT_SHARED) {
    Tensor *shapes = NEW_ARRAY(tool->arena, Tensor, file.input_count);
    bool any = any_given(&file, given);
    smallest_shapes(tool, &file, shapes);
    module = model_load(tool, &file, any ? given : shapes, any ? BIND_VALUES : BIND_SHAPES);
    if (!module) return STATUS_REFUSED;
    *runnable = runnable_create(tool, &file, module, &status);
    if (!*runnable) return status;
  }
  *inputs = NEW_ARRAY(tool->arena, Tensor, (*runnable)->input_count);
  return inputs_complete(tool, &file, given, *runnable, *inputs) ? STATUS_DONE : STATUS_REFUSED;
}

// --- outputs

static bool make_folder(Tool *tool, const char *path) {
  if (mkdir(path, 0777) == 0 || (errno == EEXIST && is_folder(path))) return true;
  return diag_error(&tool->diag, loc_file(path), "cannot be made a folder: %s", strerror(errno));
}

static bool value_write(Tool *tool, const char *path, const Tensor *tensor, const PortInfo *port) {
  FileValue value = port->keys.data ? maps_of_tensor(tool->arena, tensor, &port->keys)
                                    : onnx_value_of_tensor(tool->arena, tensor);
  return onnx_value_file_write(tool->arena, &tool->diag, path, &value);
}

bool outputs_write(Tool *tool, const Runnable *runnable, const Tensor *outputs, const char *path) {
  Tensor *named = NEW_ARRAY(tool->arena, Tensor, runnable->output_count);
  bool lists = false;
  for (int i = 0; i < runnable->output_count; i++) {
    named[i] = outputs[i];
    named[i].name = runnable->outputs[i].name;
    lists |= named[i].list != LIST_NONE;
  }
  if (lists && (has_suffix(path, ".npz") || has_suffix(path, ".npy")))
    return diag_error(&tool->diag, loc_file(path),
                      "sequences and optionals are written as .pb: name a folder");
  if (has_suffix(path, ".npz"))
    return npz_file_write(tool->arena, &tool->diag, path, named, runnable->output_count);
  if (has_suffix(path, ".npy") || has_suffix(path, ".pb")) {
    if (runnable->output_count != 1)
      return diag_error(&tool->diag, loc_file(path),
                        "the model has %d outputs: name a folder or an .npz file",
                        runnable->output_count);
    return has_suffix(path, ".npy") ? npy_file_write(tool->arena, &tool->diag, path, &named[0])
                                    : value_write(tool, path, &named[0], &runnable->outputs[0]);
  }
  if (!make_folder(tool, path)) return false;
  for (int i = 0; i < runnable->output_count; i++)
    if (!value_write(tool, arena_printf(tool->arena, "%s/output_%d.pb", path, i), &named[i],
                     &runnable->outputs[i]))
      return false;
  return true;
}

// --- comparing

static double largest_magnitude(const Tensor *tensor) {
  double largest = 0;
  for (int64_t i = 0; tensor->list && i < tensor->dims[0]; i++)
    largest = fmax(largest, largest_magnitude(&tensor_items(tensor)[i]));
  if (tensor->list) return largest;
  int parts = element_info[tensor->element].class == CLASS_COMPLEX ? 2 : 1;
  ElementType element = tensor->element == C64    ? F32
                        : tensor->element == C128 ? F64
                                                  : tensor->element;
  for (int64_t i = 0, n = tensor_count(tensor) * parts; i < n; i++) {
    double value = fabs(element_load(element, tensor->data, i));
    if (isfinite(value) && value > largest) largest = value;
  }
  return largest;
}

bool tensor_is_close(Tool *tool, const char *name, const Tensor *found, const Tensor *wanted) {
  const OptionValue *relative = tool_value(tool, OPTION_RTOL),
                    *absolute = tool_value(tool, OPTION_ATOL);
  TensorError error;
  if (!tensor_compare(found, wanted, &error)) {
    printf("%s: %s instead of %s: DIFFERS\n", name, tensor_shape_text(tool->arena, found),
           tensor_shape_text(tool->arena, wanted));
    return false;
  }
  ElementClass class = element_info[found->element].class;
  bool has_tolerance = relative->given || absolute->given;
  bool inexact =
      has_tolerance ? class != CLASS_STRING : class == CLASS_FLOAT || class == CLASS_COMPLEX;
  double rtol = relative->given ? relative->real : absolute->given ? 0 : 1e-3;
  double largest = inexact ? largest_magnitude(wanted) : 0;
  double limit = inexact ? absolute->real + rtol * (largest > 0 ? largest : 1) : 0;
  bool close = inexact ? error.absolute <= limit : error.different == 0;
  printf("%s: worst absolute error %.3g, relative %.3g, %" PRId64 " of %" PRId64 " elements differ",
         name, error.absolute, error.relative, error.different, tensor_count(found));
  if (error.where >= 0) printf(", worst at %" PRId64, error.where);
  printf(close ? "\n" : ": BEYOND THE TOLERANCE\n");
  return close;
}

static bool output_read(Tool *tool, const char *path, const PortInfo *port, Tensor *tensor) {
  FileValue value;
  if (!port->keys.data || has_suffix(path, ".npy"))
    return tensor_read(tool, path, port->kind, tensor);
  return onnx_value_file_read(tool->arena, &tool->diag, path, VALUE_SEQUENCE, &value) &&
         tensor_of_maps(tool, path, &value, port, tensor);
}

// What is expected of the outputs, in the runnable's order; data NULL: nothing.
static bool read_expected(Tool *tool, const Runnable *runnable, const char *path, int *next,
                          Tensor *expected) {
  if (is_folder(path)) {
    for (int i = 0; i < runnable->output_count; i++) {
      const char *name = arena_printf(tool->arena, "%s/output_%d.pb", path, i);
      if (!output_read(tool, name, &runnable->outputs[i], &expected[i])) return false;
    }
    return true;
  }
  if (has_suffix(path, ".npz")) {
    Npz *npz = npz_open(tool->arena, &tool->diag, path);
    if (!npz) return false;
    for (int i = 0; i < runnable->output_count; i++) {
      NpzMember *member = npz_find(npz, runnable->outputs[i].name);
      if (member && !npz_array(npz, &tool->diag, member, &expected[i])) return false;
    }
    return true;
  }
  for (int i = 0; i < runnable->output_count; i++) { // NAME=FILE
    size_t length = strlen(runnable->outputs[i].name);
    if (length && strncmp(path, runnable->outputs[i].name, length) == 0 && path[length] == '=')
      return output_read(tool, path + length + 1, &runnable->outputs[i], &expected[i]);
  }
  if (*next == runnable->output_count)
    return diag_error(&tool->diag, loc_file(path), "one file too many: the model has %d output%s",
                      *next, *next == 1 ? "" : "s");
  int index = (*next)++;
  return output_read(tool, path, &runnable->outputs[index], &expected[index]);
}

bool outputs_compare(Tool *tool, const Runnable *runnable, const Tensor *outputs, Status *status) {
  const TextList *list = &tool_value(tool, OPTION_EXPECT)->list;
  Tensor *expected = NEW_ARRAY(tool->arena, Tensor, runnable->output_count);
  int next = 0, compared = 0;
  for (int i = 0; i < list->count; i++)
    if (!read_expected(tool, runnable, list->items[i], &next, expected)) return false;
  for (int i = 0; i < runnable->output_count; i++) {
    if (!expected[i].data) continue;
    compared++;
    if (!tensor_is_close(tool, runnable->outputs[i].name, &outputs[i], &expected[i]))
      *status = STATUS_MISSED;
  }
  if (list->count && !compared)
    return diag_error(&tool->diag, loc_file(list->items[0]), "nothing is expected of any output");
  return true;
}
