// The program is C99 and stands alone: `cc -DTENON_TEST_MAIN model.test.c model.o`. Data are arrays
// of bits, so that NaN, infinities and every last bit are what they are.
#include "tools/ctest.h"

#include <inttypes.h>
#include <string.h>

#include "codegen/interface.h"
#include "ir/file.h"
#include "ir/interpret.h"
#include "ir/sized.h"
#include "tools/ctest_values.h"
#include "tools/data.h"
#include "tools/prepare.h"
#include "tools/values.h"

typedef struct TestData {
  const Graph *graph;
  Tensor *inputs, *outputs;
  const char **given, **wanted; // C expressions for pointers to them
  const Interface *interface;
} TestData;

static Tensor made_up(Arena *arena, const Module *module, const Value *input, const PortInfo *port,
                      uint64_t seed) {
  bool list = type_is_list(&input->type);
  return list ? c_test_random_list(arena, module, &input->type, seed)
              : random_input(arena, port, seed);
}

static bool make_data(Tool *tool, const Module *module, TestData *data) {
  const Graph *graph = module->main;
  PortInfo *ports = ports_of_values(tool->arena, module, graph->inputs, graph->input_count);
  data->graph = graph;
  data->inputs = NEW_ARRAY(tool->arena, Tensor, graph->input_count);
  data->outputs = NEW_ARRAY(tool->arena, Tensor, graph->output_count);
  if (tool_flag(tool, OPTION_DATA)) {
    Runnable described = {.inputs = ports, .input_count = graph->input_count};
    Dataset *dataset = data_open(tool);
    if (!dataset || !data_sample(tool, dataset, &described, 0, data->inputs, tool->arena))
      return false;
  } else {
    for (int i = 0; i < graph->input_count; i++)
      data->inputs[i] =
          made_up(tool->arena, module, graph->inputs[i], &ports[i], (uint64_t)i * 1000003 + 1);
  }
  return interpret(graph, data->inputs, data->outputs, tool->arena, &tool->diag);
}

static const char head[] =
    "#include <stdint.h>\n#include <string.h>\n\n"
    "#if defined HARNESS_BARE && !defined TENON_TEST_MAIN && !defined TENON_TEST_BENCH\n#define "
    "TENON_TEST_BENCH\n#endif\n"
    "#if defined TENON_TEST_BENCH\n"
    "#include \"bench.h\"\n#define TEST_CONST BENCH_CONST\n#define TEST_VAR BENCH_VAR\n#define "
    "TEST_CODE BENCH_CODE\n"
    "#else\n#define TEST_CONST\n#define TEST_VAR\n#define TEST_CODE\n#endif\n\n";

static bool is_in_workspace(Tool *tool) {
  const char *io = tool_text(tool, OPTION_IO);
  return io && strcmp(io, "workspace") == 0;
}

// Inputs and outputs as fields of the structs, or copied to their places in the workspace.
static void put_arguments(Tool *tool, OutputSink *sink, const TestData *data) {
  const Interface *interface = data->interface;
  const char *macro = interface->macro_prefix;
  for (int i = 0; i < interface->input_count; i++) {
    const InterfaceValue *value = &interface->inputs[i];
    if (is_in_workspace(tool) && !data->inputs[i].list)
      sink_printf(sink, "  memcpy((char *)context->workspace + %s_%s_OFFSET, input_%d, %zu);\n",
                  macro, value->macro, i, data->inputs[i].bytes);
    else
      sink_printf(sink, "  in.%s = (const void *)%s;\n", value->field, data->given[i]);
    for (int axis = 0; axis < value->value->type.rank; axis++)
      for (int k = 0; k < interface->input_dim_count; k++)
        if (value->dims[axis].word == interface->input_dims[k].word &&
            value->dims[axis].dim == interface->input_dims[k].dim)
          sink_printf(sink, "  in.%s = %" PRId64 ";\n", interface->input_dims[k].field,
                      data->inputs[i].dims[axis]);
  }
  for (int i = 0; i < interface->output_count && !is_in_workspace(tool); i++)
    if (!interface_is_open(&interface->outputs[i]))
      sink_printf(sink, "  out.%s = (void *)output_%d;\n", interface->outputs[i].field, i);
}

// The dim of an output that is word `word` of the outputs struct.
static int64_t found_dim(const TestData *data, const InterfaceWord *word) {
  for (int i = 0; i < data->graph->output_count; i++)
    for (int axis = 0; axis < data->outputs[i].rank; axis++)
      if (data->interface->outputs[i].dims[axis].dim == word->dim)
        return data->outputs[i].dims[axis];
  return 0;
}

// Dims that data decides need memory for their upper bounds, whatever they turn out to be.
static size_t output_bytes(const TestData *data, int output) {
  const InterfaceValue *value = &data->interface->outputs[output];
  size_t bytes = data->outputs[output].bytes;
  for (int axis = 0; axis < value->value->type.rank; axis++)
    if (value->dims[axis].word >= data->interface->input_words && value->bytes > (int64_t)bytes)
      bytes = (size_t)value->bytes;
  return bytes ? bytes : 1;
}

static void put_selftest(Tool *tool, OutputSink *sink, const TestData *data) {
  const Interface *interface = data->interface;
  const char *prefix = interface->prefix, *macro = interface->macro_prefix;
  sink_printf(sink,
              "/* 0: every output is as expected; > 0: the number of elements that are not; < 0: "
              "minus an error code. */\n"
              "int %s_selftest(tenon_context *context);\n"
              "TEST_VAR static %s_outputs out;\n\n"
              "TEST_CODE static int test_run(tenon_context *context) {\n  %s_inputs in;\n"
              "  memset(&in, 0, sizeof in);\n  memset(&out, 0, sizeof out);\n",
              prefix, prefix, prefix);
  put_arguments(tool, sink, data);
  sink_printf(sink, "  return %s_run(context, &in, &out);\n}\n\n", prefix);
  sink_printf(sink, "TEST_CODE static int test_compare(const tenon_context *context) {\n  int "
                    "wrong = 0;\n  (void)context;\n  test_worst = 0;\n");
  for (int i = 0; i < interface->output_dim_count; i++)
    sink_printf(sink, "  wrong += out.%s != %" PRId64 ";\n", interface->output_dims[i].field,
                found_dim(data, &interface->output_dims[i]));
  for (int i = 0; i < interface->output_count; i++) {
    const char *found =
        interface_is_open(&interface->outputs[i])
            ? arena_printf(tool->arena, "out.%s", interface->outputs[i].field)
        : is_in_workspace(tool)
            ? arena_printf(tool->arena, "(const char *)context->workspace + %s_%s_OFFSET", macro,
                           interface->outputs[i].macro)
            : arena_printf(tool->arena, "output_%d", i);
    if (data->outputs[i].list)
      sink_printf(sink, "  wrong += %s;\n",
                  c_test_compare_list(tool->arena, &data->outputs[i], found, data->wanted[i]));
    else
      sink_printf(sink, "  wrong += wrong_%s(%s, %s, %zu);\n",
                  c_test_comparison(data->outputs[i].element), found, data->wanted[i],
                  c_test_units(&data->outputs[i]));
  }
  sink_printf(sink,
              "  return wrong;\n}\n\nTEST_CODE int %s_selftest(tenon_context *context) {\n  int "
              "code = test_run(context);\n"
              "  return code ? -code : test_compare(context);\n}\n\n",
              prefix);
}

static const char tail[] =
    "#if defined TENON_TEST_MAIN || defined TENON_TEST_BENCH\n"
    "static TENON_ALIGNED(64) unsigned char test_workspace[TEST_WORKSPACE_BYTES ? "
    "TEST_WORKSPACE_BYTES : 1];\n"
    "#if %s_NEEDS_INIT\nstatic TENON_ALIGNED(64) unsigned char "
    "test_memory[%s_DECODED_BYTES];\n#endif\n"
    "static tenon_context test_context = TENON_CONTEXT(%s, test_workspace);\n\n"
    "TEST_CODE static int test_setup(void) {\n  test_context.workspace_bytes = "
    "TEST_WORKSPACE_BYTES;\n"
    "#if %s_NEEDS_INIT\n  test_context.weights = test_memory;\n  return %s_init(&test_context, 0, "
    "test_memory);\n#elif defined TENON_TEST_MAIN\n  return %s_init(&test_context, 0, 0); /* the "
    "processor */\n"
    "#else\n  return 0;\n#endif\n}\n#endif\n\n"
    "#ifdef TENON_TEST_MAIN\n#include <stdio.h>\n#include <stdlib.h>\n\nint main(void) {\n  int "
    "code = "
    "-test_setup();\n  if (!code) code = %s_selftest(&test_context);\n%s"
    "  if (code < 0) printf(\"%s: %%s\\n\", tenon_error_text(-code));\n  else printf(\"%s: %%d "
    "elements differ, worst relative error %%g\\n\", code, (double)test_worst);\n  return code != "
    "0;\n}\n#endif\n\n"
    "#ifdef TENON_TEST_BENCH\nvoid bench_setup(void) {\n  if (test_setup()) bench_exit(3);\n}\n"
    "void bench_run(void) {\n  if (test_run(&test_context)) bench_exit(2);\n}\n"
    "TEST_CODE void bench_report(void) {\n  int wrong = test_compare(&test_context);\n  "
    "bench_print(\"%s: elements that differ: \");\n  bench_print_int(wrong);\n"
    "  bench_print(\"\\n\");\n  if (wrong) bench_exit(1);\n}\n#endif\n";

// The workspace for the recorded inputs: where dims are open it takes more than the header says.
static void put_workspace(OutputSink *sink, const TestData *data, Diag *diag) {
  const Graph *graph = data->graph;
  enum { ALIGNMENT = 64 };
  int64_t *symbols =
      NEW_ARRAY(graph->module->arena, int64_t, dim_symbol_count(graph->module->dims) + 1);
  if (graph->late_count) // what data decides; a larger guess can be given
    sink_text(sink, "#ifndef TEST_LATE_BYTES\n#define TEST_LATE_BYTES 16384\n#endif\n");
  bool open = graph->open_count || graph->late_count;
  if (open && bind_symbols(graph, data->inputs, symbols, diag))
    sink_printf(sink, "#define TEST_WORKSPACE_BYTES (%" PRId64 "%s)\n",
                open_workspace_bytes(graph, symbols, ALIGNMENT),
                graph->late_count ? " + TEST_LATE_BYTES" : "");
  else
    sink_printf(sink, "#define TEST_WORKSPACE_BYTES %s_WORKSPACE_BYTES\n",
                data->interface->macro_prefix);
}

// Where data decides sizes only a run tells how much it needs, and no more than how far it got.
static const char *growing_workspace(const TestData *data, Arena *arena) {
  if (!data->graph->late_count) return "";
  return arena_printf(
      arena,
      "  while (code == -TENON_E_WORKSPACE && test_context.needed > test_context.workspace_bytes) "
      "{\n"
      "    size_t bytes = 2 * test_context.needed;\n    char *memory = (char *)malloc(bytes + "
      "64);\n"
      "    if (!memory) break;\n    test_context.workspace = memory + (64 - (uintptr_t)memory %% "
      "64);\n"
      "    test_context.workspace_bytes = bytes;\n    code = %s_selftest(&test_context);\n  }\n",
      data->interface->prefix);
}

static void put_tail(OutputSink *sink, const TestData *data, Arena *arena) {
  const char *macro = data->interface->macro_prefix, *prefix = data->interface->prefix;
  sink_printf(sink, tail, macro, macro, macro, macro, prefix, prefix, prefix,
              growing_workspace(data, arena), prefix, prefix, prefix);
}

// The arrays of inputs and outputs.
static void put_data(Tool *tool, OutputSink *sink, TestData *data) {
  const Graph *graph = data->graph;
  data->given = NEW_ARRAY(tool->arena, const char *, graph->input_count + 1);
  data->wanted = NEW_ARRAY(tool->arena, const char *, graph->output_count + 1);
  for (int i = 0; i < graph->input_count; i++)
    data->given[i] = c_test_put_value(tool->arena, sink, arena_printf(tool->arena, "input_%d", i),
                                      &data->inputs[i]);
  for (int i = 0; i < graph->output_count; i++) {
    data->wanted[i] = c_test_put_value(tool->arena, sink, arena_printf(tool->arena, "wanted_%d", i),
                                       &data->outputs[i]);
    if (!is_in_workspace(tool) && !interface_is_open(&data->interface->outputs[i]))
      sink_printf(sink, "TEST_VAR static TENON_ALIGNED(16) unsigned char output_%d[%zu];\n", i,
                  output_bytes(data, i));
  }
  sink_text(sink, "\n");
}

bool c_test_write(Tool *tool, const Module *module, const char *prefix, const char *header,
                  const char *path) {
  TestData data;
  CodegenOptions options = {.prefix = prefix, .version = TENON_VERSION};
  const char *slash = strrchr(header, '/');
  if (!make_data(tool, module, &data)) return false;
  data.interface = interface_create(module, &options, tool->arena, &tool->diag);
  if (!data.interface) return false;
  OutputFile *file = output_open(tool->arena, &tool->diag, path);
  if (!file) return false;
  OutputSink *sink = output_sink(file);
  sink_printf(sink,
              "/* Made by tenon %s: runs %s on recorded inputs and compares with the interpreter's "
              "outputs.\n"
              "   cc -DTENON_TEST_MAIN this.c model.o; with -DTENON_TEST_BENCH it is a benchmark "
              "(bench_run, bench_report). */\n"
              "#include \"%s\"\n",
              TENON_VERSION, prefix, slash ? slash + 1 : header);
  sink_text(sink, head);
  put_data(tool, sink, &data);
  c_test_put_comparisons(sink, data.outputs, data.graph->output_count);
  put_selftest(tool, sink, &data);
  put_workspace(sink, &data, &tool->diag);
  put_tail(sink, &data, tool->arena);
  return output_commit(file, &tool->diag);
}
