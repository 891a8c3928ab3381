#include "frontend/dataset.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend/npy.h"

// --- opening

static bool is_folder(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_sample_folder(Arena *arena, const char *path) {
  struct stat status;
  return stat(arena_printf(arena, "%s/input_0.pb", path), &status) == 0;
}

// test_data_set_2 comes before test_data_set_10.
static int compare_names(const struct dirent **a, const struct dirent **b) {
  return strverscmp((*a)->d_name, (*b)->d_name);
}

static bool add_folder(Dataset *dataset, Diag *diag, const char *path) {
  struct dirent **entries;
  int64_t before = dataset->count;
  if (is_sample_folder(dataset->arena, path)) {
    ARENA_PUSH(dataset->arena, dataset->folders, dataset->count, dataset->folder_capacity, path);
    return true;
  }
  int count = scandir(path, &entries, NULL, compare_names);
  for (int i = 0; i < count; i++) {
    const char *inner = arena_printf(dataset->arena, "%s/%s", path, entries[i]->d_name);
    if (entries[i]->d_name[0] != '.' && is_folder(inner) && is_sample_folder(dataset->arena, inner))
      ARENA_PUSH(dataset->arena, dataset->folders, dataset->count, dataset->folder_capacity, inner);
    free(entries[i]);
  }
  if (count >= 0) free(entries);
  return dataset->count > before
             ? true
             : diag_error(diag, loc_file(path),
                          "no data set: neither this folder nor one in it has an input_0.pb");
}

// The name of the array in "INPUT=ARRAY" or "ARRAY".
static const char *array_of_text(const char *text) {
  const char *equals = strrchr(text, '=');
  return equals ? equals + 1 : text;
}

static bool is_looked_at(const Dataset *dataset, const char *name) {
  for (int i = 0; i < dataset->arrays.count; i++)
    if (strcmp(array_of_text(dataset->arrays.texts[i]), name) == 0) return true;
  return dataset->arrays.count == 0;
}

// Samples of an archive: the first dim, which all arrays share.
static bool count_samples(Dataset *dataset, Diag *diag) {
  dataset->count = -1;
  for (int i = 0; i < dataset->npz->count; i++) {
    Tensor array;
    const char *name = dataset->npz->members[i].name;
    if (!is_looked_at(dataset, name)) continue;
    if (!npz_array(dataset->npz, diag, &dataset->npz->members[i], &array)) return false;
    if (array.rank == 0) continue; // a setting, not data
    if (dataset->count >= 0 && array.dims[0] != dataset->count) {
      diag_error(diag, loc_file(dataset->path),
                 "array '%s' has %" PRId64 " samples, the others have %" PRId64, name,
                 array.dims[0], dataset->count);
      diag_note(diag, loc_file(dataset->path), "--array chooses the arrays that belong together");
      return false;
    }
    dataset->count = array.dims[0];
  }
  if (dataset->count < 0)
    return diag_error(diag, loc_file(dataset->path), "the data set has no arrays%s",
                      dataset->arrays.count ? " of these names" : "");
  return true;
}

Dataset *dataset_open(Arena *arena, Diag *diag, const char *const *paths, int path_count,
                      DatasetConversion conversion, DatasetArrays arrays) {
  Dataset *dataset = NEW(arena, Dataset);
  *dataset =
      (Dataset){.arena = arena, .path = paths[0], .conversion = conversion, .arrays = arrays};
  for (int i = 0; i < path_count; i++) {
    if (is_folder(paths[i])) {
      if (!add_folder(dataset, diag, paths[i])) return NULL;
    } else if (path_count > 1) {
      diag_error(diag, loc_file(paths[i]), "of several data sets each must be a folder");
      return NULL;
    } else {
      dataset->npz = npz_open(arena, diag, paths[i]);
      if (!dataset->npz || !count_samples(dataset, diag)) return NULL;
    }
  }
  return dataset;
}

// --- conversion

static double channel_value(const double *values, int count, int64_t channel, double otherwise) {
  return count == 0 ? otherwise : values[count == 1 ? 0 : channel];
}

// Elements from one step of the channel axis to the next, and the number of channels.
static bool find_channels(const DatasetConversion *by, const Tensor *tensor, int64_t *stride,
                          int64_t *channels) {
  int64_t wanted = by->mean_count > by->std_count ? by->mean_count : by->std_count;
  *stride = *channels = 1;
  if (wanted <= 1) return true;
  int axis = tensor->rank > 1 && tensor->dims[1] == wanted ? 1 : tensor->rank - 1;
  if (axis < 0 || tensor->dims[axis] != wanted) return false;
  for (int i = axis + 1; i < tensor->rank; i++) *stride *= tensor->dims[i];
  *channels = wanted;
  return (by->mean_count <= 1 || by->mean_count == wanted) &&
         (by->std_count <= 1 || by->std_count == wanted);
}

static bool scale_to_float(const DatasetConversion *by, const Tensor *from, Tensor *to) {
  int64_t stride, channels;
  if (!find_channels(by, to, &stride, &channels)) return false;
  for (int64_t i = 0, n = tensor_count(from); i < n; i++) {
    int64_t channel = i / stride % channels;
    double real = element_load(from->element, from->data, i) * by->scale -
                  channel_value(by->mean, by->mean_count, channel, 0);
    element_store(to->element, to->data, i,
                  real / channel_value(by->std, by->std_count, channel, 1));
  }
  return true;
}

// code = clamp(round half even(x / scale) + zero), as the op `quantize` does it; NaN gives the zero
// point.
static void floats_to_codes(const DatasetInput *input, const Tensor *from, Tensor *to) {
  int bits = element_info[input->element].bits;
  double low = element_is_signed(input->element) ? -ldexp(1, bits - 1) : 0,
         high = low + ldexp(1, bits) - 1;
  for (int64_t i = 0, n = tensor_count(from); i < n; i++) {
    float code = nearbyintf((float)element_load(from->element, from->data, i) / input->scale);
    double shifted = isnan(code) ? input->zero : (double)code + input->zero;
    element_store_int(input->element, to->data, i, (int64_t)fmin(fmax(shifted, low), high));
  }
}

// Integers feed floats and wider or narrower integers, floats feed floats.
static bool convert(const Dataset *dataset, const DatasetInput *input, Tensor *tensor, Arena *arena,
                    Diag *diag) {
  bool from_float = element_is_float(tensor->element), to_float = element_is_float(input->element);
  if (tensor->element == input->element || input->element == ELEMENT_NONE) return true;
  bool numbers = (from_float || element_is_integer(tensor->element) || tensor->element == BOOL) &&
                 (to_float || element_is_integer(input->element));
  bool becomes_codes = from_float && !to_float && input->scale > 0;
  if (!numbers || (from_float && !to_float && !becomes_codes))
    return diag_error(diag, loc_file(dataset->path), "input '%s' wants %s, the data set has %s",
                      input->name, element_info[input->element].text,
                      element_info[tensor->element].text);
  Tensor converted = tensor_create(arena, input->element, tensor->rank, tensor->dims);
  if (becomes_codes) {
    floats_to_codes(input, tensor, &converted);
  } else if (to_float && !from_float) {
    if (!scale_to_float(&dataset->conversion, tensor, &converted))
      return diag_error(diag, loc_file(dataset->path),
                        "--mean and --std do not have as many numbers as '%s' has channels",
                        input->name);
  } else {
    for (int64_t i = 0, n = tensor_count(tensor); i < n; i++)
      if (to_float)
        element_store(input->element, converted.data, i,
                      element_load(tensor->element, tensor->data, i));
      else
        element_store_int(input->element, converted.data, i,
                          element_load_int(tensor->element, tensor->data, i));
  }
  *tensor = converted;
  return true;
}

// --- samples

Tensor dataset_row(const Tensor *array, int64_t index) {
  Tensor row = {.element = array->element, .rank = array->rank - 1, .name = array->name};
  int64_t count, bytes;
  memcpy(row.dims, array->dims + 1, (size_t)row.rank * sizeof *row.dims);
  bool fits = tensor_checked_bytes(row.element, row.rank, row.dims, &count, &bytes);
  row.bytes = fits ? (size_t)bytes : 0;
  row.data = (uint8_t *)array->data + (size_t)index * row.bytes;
  return row;
}

static bool dims_fit(const DatasetInput *input, const Tensor *tensor) {
  if (input->rank >= 0 && tensor->rank != input->rank) return false;
  for (int i = 0; i < input->rank; i++)
    if (input->dims[i] >= 0 && tensor->dims[i] != input->dims[i]) return false;
  return true;
}

static const char *shape_text(Arena *arena, const int64_t *dims, int rank) {
  const char *text = "[";
  for (int i = 0; i < rank; i++)
    text = dims[i] < 0 ? arena_printf(arena, "%s%s?", text, i ? "," : "")
                       : arena_printf(arena, "%s%s%" PRId64, text, i ? "," : "", dims[i]);
  return arena_printf(arena, "%s]", text);
}

// [N, 1, d..] or [N, d0, d..] give the row as it is; [N, d..] gives [1, d..].
static bool shape_row(const Dataset *dataset, const DatasetInput *input, Tensor *row, Arena *arena,
                      Diag *diag) {
  Tensor with_batch = *row;
  if (dims_fit(input, row)) return true;
  if (row->rank + 1 <= MAX_RANK && row->rank + 1 == input->rank) {
    with_batch.rank++;
    with_batch.dims[0] = 1;
    memcpy(with_batch.dims + 1, row->dims, (size_t)row->rank * sizeof *row->dims);
    if (dims_fit(input, &with_batch)) return *row = with_batch, true;
  }
  return diag_error(diag, loc_file(dataset->path),
                    "input '%s' has the shape %s, a sample of the data set has %s", input->name,
                    shape_text(arena, input->dims, input->rank),
                    shape_text(arena, row->dims, row->rank));
}

// --array: "INPUT=ARRAY" or, for the input of that number, "ARRAY". NULL: it does not say.
static NpzMember *chosen_array(const Dataset *dataset, const char *name, int input) {
  size_t length = strlen(name);
  for (int i = 0; i < dataset->arrays.count; i++) {
    const char *text = dataset->arrays.texts[i];
    bool named = strncmp(text, name, length) == 0 && text[length] == '=';
    if (named || (i == input && !strchr(text, '=')))
      return npz_find(dataset->npz, array_of_text(text));
  }
  return NULL;
}

// The array for an input: by its name; else the only array of a model with one input.
static NpzMember *find_array(const Dataset *dataset, const char *name, int input, int input_count) {
  NpzMember *found = chosen_array(dataset, name, input), *other = NULL;
  int others = 0;
  if (!found) found = npz_find(dataset->npz, name);
  if (found) return found;
  char number[32];
  snprintf(number, sizeof number, "arr_%d", input); // numpy.savez without names
  found = npz_find(dataset->npz, number);
  for (int i = 0; i < dataset->npz->count; i++) {
    NpzMember *member = &dataset->npz->members[i];
    bool is_label = !strcmp(member->name, "labels") || !strcmp(member->name, "label") ||
                    !strcmp(member->name, "y");
    if (is_label || (member->read && member->tensor.rank == 0)) continue;
    other = member;
    others++;
  }
  return found ? found : others == 1 && input_count == 1 ? other : NULL;
}

// What the file holds is taken as the kind that the model wants: the file does not say it.
static bool read_pb(Arena *arena, Diag *diag, const char *folder, const DatasetInput *wanted,
                    Tensor *tensor) {
  const char *path = arena_printf(arena, "%s/input_%d.pb", folder, wanted->file);
  FileValue value;
  if (!onnx_value_file_read(arena, diag, path, wanted->kind, &value)) return false;
  if (wanted->kind != VALUE_MAP) return onnx_value_tensor(arena, diag, path, &value, tensor);
  if (!onnx_value_map(arena, diag, path, &value, tensor)) return false;
  *tensor = tensor_items(tensor)[wanted->map_part];
  if (!tensor->dims[0]) *tensor = tensor_create(arena, wanted->element, 1, tensor->dims);
  return true;
}

static const Tensor *item_of_other_type(const Tensor *list, ElementType element) {
  for (int64_t i = 0; i < list->dims[0]; i++) {
    const Tensor *item = &tensor_items(list)[i];
    const Tensor *other = item->list                 ? item_of_other_type(item, element)
                          : item->element != element ? item
                                                     : NULL;
    if (other) return other;
  }
  return NULL;
}

// Lists are neither reshaped nor converted: what the model takes out of them it checks itself.
static bool check_list(const Dataset *dataset, const DatasetInput *input, const Tensor *list,
                       Diag *diag) {
  const Tensor *other =
      input->element == ELEMENT_NONE ? NULL : item_of_other_type(list, input->element);
  return !other || diag_error(diag, loc_file(dataset->path),
                              "input '%s' wants elements of %s, the data set has %s", input->name,
                              element_info[input->element].text, element_info[other->element].text);
}

// The row of the archive's array for an input; a row is also the element of an optional.
static bool archive_row(Dataset *dataset, const DatasetInput *wanted, int input, int input_count,
                        int64_t index, Tensor *row, Diag *diag) {
  Tensor array;
  NpzMember *member = find_array(dataset, wanted->name, input, input_count);
  if (wanted->kind == VALUE_SEQUENCE)
    return diag_error(diag, loc_file(dataset->path),
                      "input '%s' is a sequence: it is given as input_%d.pb in a folder",
                      wanted->name, wanted->file);
  if (!member) {
    diag_error(diag, loc_file(dataset->path), "the data set has no array '%s'", wanted->name);
    diag_note(diag, loc_file(dataset->path), "--array=%s=ARRAY says which one feeds it",
              wanted->name);
    return false;
  }
  if (!is_looked_at(dataset, member->name))
    return diag_error(diag, loc_file(dataset->path), "--array names no array for input '%s'",
                      wanted->name);
  if (!npz_array(dataset->npz, diag, member, &array)) return false;
  *row = array.rank == 0 ? array : dataset_row(&array, index);
  return true;
}

bool dataset_sample(Dataset *dataset, const DatasetInput *inputs, int input_count, int64_t index,
                    Tensor *tensors, Arena *arena, Diag *diag) {
  for (int i = 0; i < input_count; i++) {
    const DatasetInput *wanted = &inputs[i];
    bool read = dataset->npz
                    ? archive_row(dataset, wanted, i, input_count, index, &tensors[i], diag)
                    : read_pb(arena, diag, dataset->folders[index], wanted, &tensors[i]);
    if (!read) return false;
    if (wanted->kind == VALUE_OPTIONAL && dataset->npz)
      tensors[i] = tensor_list(arena, LIST_OPTIONAL, tensors[i].element, &tensors[i], 1);
    bool good = wanted->kind == VALUE_TENSOR || wanted->kind == VALUE_MAP
                    ? shape_row(dataset, wanted, &tensors[i], arena, diag) &&
                          convert(dataset, wanted, &tensors[i], arena, diag)
                    : check_list(dataset, wanted, &tensors[i], diag);
    if (!good) return false;
  }
  return true;
}

bool dataset_array(Dataset *dataset, Diag *diag, const char *name, Tensor *array, bool *refused) {
  NpzMember *member = dataset->npz ? npz_find(dataset->npz, name) : NULL;
  *refused = false;
  if (!member) return false;
  if (!npz_array(dataset->npz, diag, member, array)) return *refused = true, false;
  if (array->rank == 0) return false;
  if (array->dims[0] == dataset->count) return true;
  diag_error(diag, loc_file(dataset->path),
             "array '%s' has %" PRId64 " entries for %" PRId64 " samples", name, array->dims[0],
             dataset->count);
  return *refused = true, false;
}

Tensor dataset_stack(Arena *arena, Diag *diag, const char *name, const Tensor *samples,
                     int64_t count) {
  Tensor first = samples[0];
  int drop = first.rank > 0 && first.dims[0] == 1;
  int64_t dims[MAX_RANK + 1] = {count};
  memcpy(dims + 1, first.dims + drop, (size_t)(first.rank - drop) * sizeof *dims);
  int rank = first.rank - drop + 1;
  if (rank > MAX_RANK) {
    diag_error(diag, (Loc){.node = name}, "output '%s' has too many dimensions for one array",
               name);
    return (Tensor){0};
  }
  for (int64_t i = 0; i < count; i++)
    if (samples[i].list) {
      diag_error(diag, (Loc){.node = name},
                 "output '%s' is a list of tensors: those of a whole set are no array", name);
      return (Tensor){0};
    }
  for (int64_t i = 1; i < count; i++)
    if (samples[i].rank != first.rank ||
        memcmp(samples[i].dims, first.dims, (size_t)first.rank * sizeof *dims) != 0) {
      diag_error(diag, (Loc){.node = name},
                 "output '%s' has another shape for sample %" PRId64 " than for the first", name,
                 i);
      return (Tensor){0};
    }
  Tensor stacked = tensor_create(arena, first.element, rank, dims);
  for (int64_t i = 0; i < count; i++)
    memcpy((uint8_t *)stacked.data + (size_t)i * first.bytes, samples[i].data, first.bytes);
  stacked.name = name;
  return stacked;
}
