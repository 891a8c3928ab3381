// Imports a model and prints it, or interprets it on .pb inputs:
//   import_dump MODEL                           prints the IR
//   import_dump MODEL INPUT.pb.. -o DIRECTORY   writes DIRECTORY/output_0.pb, ...
//   import_dump MODEL --expect DIRECTORY        runs DIRECTORY/input_*.pb, compares with
//   output_*.pb
// With --static the dims of the inputs are those of the files.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontend/frontend.h"
#include "frontend/value_file.h"
#include "ir/interpret.h"
#include "ir/print.h"

enum { MAX_FILES = 64 };

typedef struct Session {
  Arena *arena;
  Diag *diag;
  const char *model, *output, *expect;
  bool is_static;
  const char *files[MAX_FILES];
  int file_count;
  Tensor tensors[MAX_FILES]; // of the files
  const char *const *names;  // of the model's inputs
  int name_count;
} Session;

static const Tensor *value_of_input(void *user, const char *name) {
  Session *session = user;
  for (int i = 0; i < session->name_count && i < session->file_count; i++)
    if (strcmp(session->names[i], name) == 0) return &session->tensors[i];
  return NULL;
}

static bool read_inputs(Session *session) {
  for (int i = 0; i < session->file_count; i++)
    if (!onnx_tensor_file_read(session->arena, session->diag, session->files[i],
                               &session->tensors[i]))
      return false;
  return true;
}

// "name=1x3x224": what --shape would say.
static const char *shape_text(Session *session, int input) {
  const Tensor *tensor = &session->tensors[input];
  const char *text = arena_printf(session->arena, "%s=", session->names[input]);
  for (int i = 0; i < tensor->rank; i++)
    text = arena_printf(session->arena, "%s%s%lld", text, i ? "x" : "", (long long)tensor->dims[i]);
  return text;
}

static bool compare(Session *session, const Tensor *outputs, int count) {
  bool good = true;
  for (int i = 0; i < count; i++) {
    Tensor wanted;
    TensorError error;
    const char *path = arena_printf(session->arena, "%s/output_%d.pb", session->expect, i);
    if (!onnx_tensor_file_read(session->arena, session->diag, path, &wanted)) return false;
    if (!tensor_compare(&outputs[i], &wanted, &error)) {
      printf("output %d: another type or shape\n", i);
      good = false;
      continue;
    }
    printf("output %d: absolute %g relative %g\n", i, error.absolute, error.relative);
    good &= error.relative <= 1e-3;
  }
  return good;
}

static bool write_outputs(Session *session, const Module *module, Tensor *outputs) {
  for (int i = 0; i < module->main->output_count; i++) {
    outputs[i].name = module->main->outputs[i]->name;
    const char *path = arena_printf(session->arena, "%s/output_%d.pb", session->output, i);
    if (!onnx_tensor_file_write(session->arena, session->diag, path, &outputs[i])) return false;
  }
  return true;
}

static bool run(Session *session, const Module *module) {
  Tensor inputs[MAX_FILES] = {0};
  for (int i = 0; i < module->main->input_count; i++) {
    const Tensor *tensor = value_of_input(session, module->main->inputs[i]->name);
    if (!tensor)
      return fprintf(stderr, "no file for input '%s'\n", module->main->inputs[i]->name), false;
    inputs[i] = *tensor;
  }
  Tensor *outputs = NEW_ARRAY(session->arena, Tensor, module->main->output_count);
  if (!interpret(module->main, inputs, outputs, session->arena, session->diag)) return false;
  return session->expect ? compare(session, outputs, module->main->output_count)
                         : write_outputs(session, module, outputs);
}

static void parse(Session *session, int count, char **arguments) {
  for (int i = 1; i < count; i++) {
    if (strcmp(arguments[i], "-o") == 0 && i + 1 < count)
      session->output = arguments[++i];
    else if (strcmp(arguments[i], "--expect") == 0 && i + 1 < count)
      session->expect = arguments[++i];
    else if (strcmp(arguments[i], "--static") == 0)
      session->is_static = true;
    else if (!session->model)
      session->model = arguments[i];
    else if (session->file_count < MAX_FILES)
      session->files[session->file_count++] = arguments[i];
  }
  for (int i = 0; session->expect && i < MAX_FILES; i++) {
    const char *path = arena_printf(session->arena, "%s/input_%d.pb", session->expect, i);
    if (access(path, R_OK) != 0) break;
    session->files[session->file_count++] = path;
  }
}

int main(int argument_count, char **arguments) {
  Diag diag;
  Session session = {.arena = arena_create(), .diag = &diag};
  diag_init(&diag, session.arena, stderr);
  parse(&session, argument_count, arguments);
  if (!session.model) return 2;
  FrontendOptions options = {.value_of_input = value_of_input, .user = &session};
  if (!read_inputs(&session)) return 1;
  if (!frontend_input_names(session.arena, &diag, session.model, &session.names,
                            &session.name_count))
    return 1;
  const char *shapes[MAX_FILES];
  for (int i = 0; session.is_static && i < session.file_count && i < session.name_count; i++)
    shapes[options.shape_count++] = shape_text(&session, i);
  options.shapes = shapes;
  Module *module = frontend_load(session.arena, &diag, session.model, &options);
  bool good = module && module_verify(module, NULL, &diag);
  if (good && !session.output && !session.expect)
    module_print(stdout, module);
  else if (good)
    good = run(&session, module);
  arena_destroy(session.arena);
  return good ? 0 : 1;
}
