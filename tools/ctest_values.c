#include "tools/ctest_values.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/list_call.h"
#include "tools/values.h"

// --- data

static int unit_bytes(ElementType element) {
  int bits = element_info[element].bits;
  return element_info[element].class == CLASS_COMPLEX ? bits / 16 : bits < 8 ? 1 : bits / 8;
}

static void put_words(OutputSink *sink, const char *name, const void *data, size_t count,
                      int unit) {
  sink_printf(sink, "TEST_CONST static const TENON_ALIGNED(16) uint%d_t %s[] = {", unit * 8, name);
  for (size_t i = 0; i < count; i++) {
    uint64_t word = 0;
    memcpy(&word, (const uint8_t *)data + i * (size_t)unit, (size_t)unit);
    sink_printf(sink, "%s0x%" PRIx64 "%s",
                i % 16 ? ","
                : i    ? ",\n  "
                       : "\n  ",
                word, unit == 8 ? "u" : "");
  }
  sink_text(sink, count ? "};\n" : "0};\n"); // an empty array is not C
}

// All bytes one behind the other, and a table of pointers into them.
static void put_strings(Arena *arena, OutputSink *sink, const char *name, const Tensor *tensor) {
  const TensorString *strings = tensor->data;
  int64_t count = tensor_count(tensor);
  size_t total = 0, at = 0;
  for (int64_t i = 0; i < count; i++) total += strings[i].length;
  char *bytes = arena_alloc(arena, total + 1);
  for (int64_t i = 0; i < count; at += strings[i++].length)
    if (strings[i].length) memcpy(bytes + at, strings[i].data, strings[i].length);
  put_words(sink, arena_printf(arena, "%s_text", name), bytes, total, 1);
  sink_printf(sink, "TEST_CONST static const tenon_string %s[] = {", name);
  at = 0;
  for (int64_t i = 0; i < count; at += strings[i++].length)
    sink_printf(sink, "%s{(const char *)%s_text + %zu, %zu}",
                i % 4 ? ", "
                : i   ? ",\n  "
                      : "\n  ",
                name, at, strings[i].length);
  sink_text(sink, count ? "};\n" : "{0, 0}};\n");
}

static void put_tensor(Arena *arena, OutputSink *sink, const char *name, const Tensor *tensor) {
  if (tensor->element == STR) {
    put_strings(arena, sink, name, tensor);
    return;
  }
  int unit = unit_bytes(tensor->element);
  put_words(sink, name, tensor->data, tensor->bytes / (size_t)unit, unit);
}

// NAME_items[], a tenon_tensor each.
static void put_items(Arena *arena, OutputSink *sink, const char *name, const Tensor *list) {
  const Tensor *items = tensor_items(list);
  for (int64_t i = 0; i < list->dims[0]; i++) {
    put_tensor(arena, sink, arena_printf(arena, "%s_%" PRId64, name, i), &items[i]);
    sink_printf(sink, "TEST_CONST static const size_t %s_%" PRId64 "_dims[] = {", name, i);
    for (int k = 0; k < items[i].rank; k++)
      sink_printf(sink, "%s%" PRId64, k ? ", " : "", items[i].dims[k]);
    sink_text(sink, items[i].rank ? "};\n" : "0};\n");
  }
  sink_printf(sink, "TEST_CONST static const tenon_tensor %s_items[] = {", name);
  for (int64_t i = 0; i < list->dims[0]; i++)
    sink_printf(sink, "%s{(void *)%s_%" PRId64 ", %s_%" PRId64 "_dims, %d, %d}",
                i ? ",\n  " : "\n  ", name, i, name, i, items[i].rank,
                (int)type_of_element(items[i].element));
  sink_text(sink, list->dims[0] ? "};\n" : "{0, 0, 0, 0}};\n");
}

static const char *put_list(Arena *arena, OutputSink *sink, const char *name, const Tensor *list) {
  const Tensor *first = tensor_items(list);
  if (list->list == LIST_OPTIONAL && !list->dims[0]) return "0";
  if (list->list == LIST_OPTIONAL && first->list) return put_list(arena, sink, name, first);
  put_items(arena, sink, name, list);
  if (list->list == LIST_OPTIONAL) return arena_printf(arena, "%s_items", name);
  sink_printf(sink, "TEST_CONST static const tenon_sequence %s = {%s_items, %" PRId64 "};\n", name,
              name, list->dims[0]);
  return arena_printf(arena, "&%s", name);
}

const char *c_test_put_value(Arena *arena, OutputSink *sink, const char *name,
                             const Tensor *value) {
  if (value->list) return put_list(arena, sink, name, value);
  put_tensor(arena, sink, name, value);
  return name;
}

// --- comparison

static const char compare_float[] =
    "/* Within 1e-3 of the largest magnitude; NaN equals NaN. */\n"
    "TEST_CODE static int wrong_%s(const void *found, const void *wanted, size_t count) {\n"
    "  int wrong = 0;\n  size_t i;\n  %s a, b, largest = 0, limit, error;\n"
    "  for (i = 0; i < count; i++) {\n"
    "    memcpy(&b, (const char *)wanted + i * sizeof b, sizeof b);\n"
    "    if (b < 0) b = -b;\n"
    "    if (b - b == 0 && b > largest) largest = b;\n  }\n"
    "  limit = largest > 0 ? largest / 1000 : (%s)0.001;\n"
    "  for (i = 0; i < count; i++) {\n"
    "    memcpy(&a, (const char *)found + i * sizeof a, sizeof a);\n"
    "    memcpy(&b, (const char *)wanted + i * sizeof b, sizeof b);\n"
    "    if (a == b || (a != a && b != b)) continue;\n"
    "    error = (a < b ? b - a : a - b) / (1000 * limit);\n"
    "    if (error == error && (float)error > test_worst) test_worst = (float)error;\n"
    "    if (!(a - b <= limit && b - a <= limit)) wrong++;\n  }\n"
    "  return wrong;\n}\n\n";

static const char compare_half[] =
    "/* 16-bit floats: at most 8 steps apart; NaN equals NaN. */\n"
    "TEST_CODE static int wrong_%s(const void *found, const void *wanted, size_t count) {\n"
    "  int wrong = 0, step;\n  size_t i;\n  int16_t a, b;\n"
    "  for (i = 0; i < count; i++) {\n"
    "    memcpy(&a, (const char *)found + i * 2, 2);\n    memcpy(&b, (const char *)wanted + i * 2, "
    "2);\n"
    "    if ((a & 0x7fff) > 0x%x && (b & 0x7fff) > 0x%x) continue;\n"
    "    step = (a < 0 ? -32768 - a : a) - (b < 0 ? -32768 - b : b);\n"
    "    if (step > 8 || step < -8) wrong++;\n  }\n"
    "  return wrong;\n}\n\n";

static const char compare_bytes[] =
    "TEST_CODE static int wrong_bytes(const void *found, const void *wanted, size_t count) {\n"
    "  int wrong = 0;\n  size_t i;\n"
    "  for (i = 0; i < count; i++) wrong += ((const unsigned char *)found)[i] != ((const unsigned "
    "char *)wanted)[i];\n"
    "  return wrong;\n}\n\n";

static const char compare_strings[] =
    "TEST_CODE static int wrong_strings(const void *found, const void *wanted, size_t count) {\n"
    "  const tenon_string *a = (const tenon_string *)found, *b = (const tenon_string *)wanted;\n"
    "  int wrong = 0;\n  size_t i;\n"
    "  for (i = 0; i < count; i++) wrong += a[i].bytes != b[i].bytes || (b[i].bytes && "
    "memcmp(a[i].data, b[i].data, b[i].bytes));\n"
    "  return wrong;\n}\n\n";

static const char compare_list[] =
    "/* Lists: as many tensors of the same shapes; an element has `bits` of them, and `unit` is "
    "what `compare` counts. */\n"
    "TEST_CODE static int wrong_list(const tenon_tensor *found, const tenon_tensor *wanted, size_t "
    "found_count, size_t count,\n"
    "    int (*compare)(const void *, const void *, size_t), size_t bits, size_t unit) {\n"
    "  int wrong = 0;\n  size_t i, elements;\n  int32_t k;\n"
    "  if (found_count != count) return 1;\n"
    "  for (i = 0; i < count; i++) {\n"
    "    if (found[i].type != wanted[i].type || found[i].rank != wanted[i].rank) return wrong + "
    "1;\n"
    "    for (elements = 1, k = 0; k < wanted[i].rank; k++) {\n"
    "      if (found[i].dims[k] != wanted[i].dims[k]) return wrong + 1;\n"
    "      elements *= wanted[i].dims[k];\n    }\n"
    "    wrong += compare(found[i].data, wanted[i].data, (elements * bits + 7) / 8 / unit);\n  }\n"
    "  return wrong;\n}\n\n";

const char *c_test_comparison(ElementType element) {
  return element == F32 || element == C64    ? "float"
         : element == F64 || element == C128 ? "double"
         : element == F16                    ? "half"
         : element == BF16                   ? "half_bf16"
         : element == STR                    ? "strings"
                                             : "bytes";
}

static size_t comparison_unit(ElementType element) {
  const char *how = c_test_comparison(element);
  return how[0] == 'f' ? 4 : how[0] == 'd' ? 8 : how[0] == 'h' ? 2 : 1;
}

size_t c_test_units(const Tensor *tensor) {
  return tensor->element == STR ? (size_t)tensor_count(tensor)
                                : tensor->bytes / comparison_unit(tensor->element);
}

void c_test_put_comparisons(OutputSink *sink, const Tensor *outputs, int count) {
  static const char *const names[] = {"float", "double", "half", "half_bf16", "bytes", "strings"};
  static const unsigned infinities[2] = {0x7c00, 0x7f80}; // of the halves
  bool used[6] = {false}, lists = false;
  for (int i = 0; i < count; i++) {
    lists |= outputs[i].list != LIST_NONE;
    for (int k = 0; k < 6; k++)
      used[k] |= strcmp(names[k], c_test_comparison(outputs[i].element)) == 0;
  }
  sink_text(
      sink,
      "/* The worst error of a float output, relative to the largest magnitude of the output. */\n"
      "TEST_VAR static float test_worst;\n\n");
  for (int k = 0; k < 2; k++)
    if (used[k]) sink_printf(sink, compare_float, names[k], names[k], names[k]);
  for (int k = 0; k < 2; k++)
    if (used[2 + k]) sink_printf(sink, compare_half, names[2 + k], infinities[k], infinities[k]);
  if (used[4]) sink_text(sink, compare_bytes);
  if (used[5]) sink_text(sink, compare_strings);
  if (lists) sink_text(sink, compare_list);
}

// Of a string `compare` counts as many as there are elements.
static const char *list_arguments(Arena *arena, ElementType element) {
  bool text = element == STR;
  return arena_printf(arena, "wrong_%s, %d, %zu", c_test_comparison(element),
                      text ? 8 : element_info[element].bits,
                      text ? (size_t)1 : comparison_unit(element));
}

const char *c_test_compare_list(Arena *arena, const Tensor *wanted, const char *found,
                                const char *expected) {
  if (wanted->list == LIST_OPTIONAL && !wanted->dims[0])
    return arena_printf(arena, "%s != 0", found);
  bool optional = wanted->list == LIST_OPTIONAL, sequence = !optional || tensor_items(wanted)->list;
  const char *how = list_arguments(arena, wanted->element);
  if (!sequence)
    return arena_printf(arena, "!%s ? 1 : wrong_list(%s, %s, 1, 1, %s)", found, found, expected,
                        how);
  const char *name = expected + 1; // behind the `&`
  return arena_printf(arena, "!%s ? 1 : wrong_list(%s->items, %s.items, %s->count, %s.count, %s)",
                      found, found, name, found, name, how);
}

// --- made-up lists

enum { ITEMS = 3, MOST = 4 };

static Tensor random_item(Arena *arena, const Module *module, const Type *element, int number,
                          uint64_t seed) {
  int symbols = dim_symbol_count(module->dims);
  int64_t *sample = NEW_ARRAY(arena, int64_t, symbols + 1);
  for (int i = 0; i < symbols; i++)
    sample[i] = dim_symbol_at(module->dims, i)->low > 0 ? dim_symbol_at(module->dims, i)->low : 1;
  PortInfo port = {.element = element->element, .rank = element->rank < 0 ? 1 : element->rank};
  for (int k = 0; k < port.rank; k++) {
    const Dim *dim = element->rank < 0 ? NULL : element->dims[k];
    port.sample[k] = dim ? dim_evaluate(dim, sample) : (number + k) % MOST;
  }
  return random_input(arena, &port, seed + (uint64_t)number * 7919);
}

Tensor c_test_random_list(Arena *arena, const Module *module, const Type *type, uint64_t seed) {
  const Type *element = type_element(type);
  bool optional = type->kind == TYPE_OPTIONAL;
  if (optional && type_is_list(type->inner)) {
    Tensor sequence = c_test_random_list(arena, module, type->inner, seed);
    return tensor_list(arena, LIST_OPTIONAL, element->element, &sequence, 1);
  }
  Tensor items[ITEMS];
  for (int i = 0; i < ITEMS; i++) items[i] = random_item(arena, module, element, i + 1, seed);
  return tensor_list(arena, optional ? LIST_OPTIONAL : LIST_SEQUENCE, element->element, items,
                     optional ? 1 : ITEMS);
}
