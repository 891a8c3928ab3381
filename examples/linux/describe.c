/* Says what is in a compiled model and runs it once: any model, known only when the program runs.
 *
 *   tenon compile resnet18.onnx -o resnet18.so
 *   cc describe.c -o describe && ./describe ./resnet18.so resnet18
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tenon.h"

static int bits_of(int32_t type) {
  switch (type) {
  case TENON_F64:
  case TENON_I64:
  case TENON_U64:
  case TENON_C64: return 64;
  case TENON_F32:
  case TENON_I32:
  case TENON_U32: return 32;
  case TENON_F16:
  case TENON_BF16:
  case TENON_I16:
  case TENON_U16: return 16;
  case TENON_C128: return 128;
  case TENON_I4:
  case TENON_U4:
  case TENON_F4E2M1: return 4;
  case TENON_I2:
  case TENON_U2: return 2;
  default: return 8;
  }
}

/* A dim's size: a constant, a word of the inputs, or a word of the outputs that _shapes has
 * written. */
static size_t size_of_dim(const tenon_model *model, const tenon_dim *dim, const size_t *in,
                          const size_t *out) {
  if (dim->word < 0) return (size_t)dim->min;
  if ((uint32_t)dim->word < model->input_words) return in[dim->word];
  return out[(uint32_t)dim->word - model->input_words];
}

static size_t print_value(const tenon_model *model, const tenon_value *value, const char *what,
                          const size_t *in, const size_t *out) {
  static const char *const kinds[] = {"tensor", "sequence", "optional", "optional sequence"};
  size_t count = 1;
  int32_t i;
  printf("%s \"%s\" (%s):", what, value->name, value->field);
  if (value->kind != TENON_TENSOR) {
    printf(" %s\n", kinds[value->kind]);
    return sizeof(tenon_sequence); /* of 0 bytes: it is empty */
  }
  for (i = 0; i < value->rank; i++) {
    size_t size = size_of_dim(model, &value->dims[i], in, out);
    printf("%s%zu", i ? "x" : " ", size);
    count *= size;
  }
  printf(", %d bits each\n", bits_of(value->type));
  return (count * (size_t)bits_of(value->type) + 7) / 8;
}

static int run(const tenon_model *model) {
  size_t *in = calloc(model->input_words + 1, sizeof *in),
         *out = calloc(model->output_words + 1, sizeof *out);
  size_t align = model->workspace_align > 64 ? model->workspace_align : 64;
  tenon_context context = {0};
  uint32_t i, k;
  int error;
  if (!in || !out) return 4;
  context.abi = model->abi;
  context.workspace_bytes = model->workspace_bytes;
  context.workspace = aligned_alloc(align, (model->workspace_bytes + align) / align * align);
  if (model->decoded_bytes) {
    void *memory = aligned_alloc(align, (model->decoded_bytes + align) / align * align);
    if ((error = model->init(&context, NULL, memory))) return error;
  }
  for (i = 0; i < model->input_count;
       i++) /* open dims: the smallest that is allowed, but not empty */
    for (k = 0; k < (uint32_t)model->inputs[i].rank; k++) {
      const tenon_dim *dim = &model->inputs[i].dims[k];
      if (dim->word >= 0) in[dim->word] = dim->min > 0 ? (size_t)dim->min : 1;
    }
  if ((error = model->shapes(&context, in, out))) return error;
  if (context.needed >
      context.workspace_bytes) { /* dims without a bound: only now it is known how much they take */
    free(context.workspace);
    context.workspace_bytes = context.needed;
    context.workspace = aligned_alloc(align, (context.needed + align) / align * align);
  }
  for (i = 0; i < model->input_count; i++)
    in[model->inputs[i].word] =
        (size_t)(uintptr_t)calloc(print_value(model, &model->inputs[i], "input", in, out) + 1, 1);
  for (i = 0; i < model->input_count; i++)
    if (model->inputs[i].kind > TENON_SEQUENCE) in[model->inputs[i].word] = 0; /* no element */
  for (i = 0; i < model->output_count; i++)
    out[model->outputs[i].word] =
        (size_t)(uintptr_t)calloc(print_value(model, &model->outputs[i], "output", in, out) + 1, 1);
  return model->run(&context, in, out);
}

int main(int count, char **arguments) {
  char symbol[256];
  void *library = count == 3 ? dlopen(arguments[1], RTLD_NOW) : NULL;
  const tenon_model *model = NULL;
  int error;
  if (count == 3) snprintf(symbol, sizeof symbol, "%s_model", arguments[2]);
  if (library) model = (const tenon_model *)dlsym(library, symbol);
  if (!model || model->tenon_abi != TENON_ABI || model->size != sizeof *model) {
    fprintf(stderr, "usage: describe LIBRARY.so NAME%s%s\n", count == 3 ? ": " : "",
            count == 3 && !library ? dlerror() : "");
    return 2;
  }
  printf("%s, made by %s: weights %zu bytes, workspace %zu, %u operators\n", model->name,
         model->compiler, model->weights_bytes, model->workspace_bytes, (unsigned)model->op_count);
  error = run(model);
  printf("run: %s\n", tenon_error_text(error));
  return error != 0;
}
