// Calls any compiled model through its description, with tensors instead of typed structs.
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "codegen/list_call.h"
#include "runtime/tenon.h"

struct ModelCall {
  const tenon_model *model;
  void *workspace, *decoded;
  size_t workspace_bytes;
  void *grown; // a workspace larger than the model's own, of malloc
  const tenon_executor *executor;
  void *reserved[2]; // clock of a profile
  Arena *arena;
};

static const ElementType element_of_code[] = {[TENON_F32] = F32,
                                              [TENON_U8] = U8,
                                              [TENON_I8] = I8,
                                              [TENON_U16] = U16,
                                              [TENON_I16] = I16,
                                              [TENON_I32] = I32,
                                              [TENON_I64] = I64,
                                              [TENON_STRING] = STR,
                                              [TENON_BOOL] = BOOL,
                                              [TENON_F16] = F16,
                                              [TENON_F64] = F64,
                                              [TENON_U32] = U32,
                                              [TENON_U64] = U64,
                                              [TENON_C64] = C64,
                                              [TENON_C128] = C128,
                                              [TENON_BF16] = BF16,
                                              [TENON_F8E4M3FN] = F8E4M3FN,
                                              [TENON_F8E4M3FNUZ] = F8E4M3FNUZ,
                                              [TENON_F8E5M2] = F8E5M2,
                                              [TENON_F8E5M2FNUZ] = F8E5M2FNUZ,
                                              [TENON_U4] = U4,
                                              [TENON_I4] = I4,
                                              [TENON_F4E2M1] = F4E2M1,
                                              [TENON_F8E8M0] = F8E8M0,
                                              [TENON_U2] = U2,
                                              [TENON_I2] = I2};

static void *aligned_memory(Arena *arena, size_t bytes, size_t align) {
  if (align < 64) align = 64;
  char *block = arena_alloc(arena, bytes + align);
  return block + (align - (uintptr_t)block % align) % align;
}

static bool report(const tenon_context *context, const tenon_model *model, int code, Diag *diag) {
  const char *op =
      context->op >= 0 && (uint32_t)context->op < model->op_count ? model->ops[context->op] : NULL;
  Loc loc = {.file = model->name, .node = op};
  if (code == TENON_E_WORKSPACE)
    return diag_error(diag, loc, "%s: %zu bytes are needed", tenon_error_text(code),
                      context->needed);
  return diag_error(diag, loc, "%s", tenon_error_text(code));
}

static tenon_context context_of(const ModelCall *call) {
  return (tenon_context){.abi = call->model->abi,
                         .workspace = call->workspace,
                         .workspace_bytes = call->workspace_bytes,
                         .weights = call->decoded,
                         .executor = call->executor,
                         .reserved = {call->reserved[0], call->reserved[1]}};
}

// A workspace for what the dims of this call need; a larger one is kept.
static bool make_room(ModelCall *call, size_t bytes, Diag *diag) {
  size_t align = call->model->workspace_align < 64 ? 64 : call->model->workspace_align;
  if (bytes <= call->workspace_bytes) return true;
  void *memory = bytes > SIZE_MAX / 2 ? NULL : malloc(bytes + align);
  if (!memory)
    return diag_error(diag, (Loc){.file = call->model->name},
                      "a workspace of %zu bytes does not fit into memory", bytes);
  free(call->grown);
  call->grown = memory;
  call->workspace = (char *)memory + (align - (uintptr_t)memory % align) % align;
  call->workspace_bytes = bytes;
  return true;
}

static void free_room(void *call) { free(((ModelCall *)call)->grown); }

ModelCall *model_call_create(const struct tenon_model *model, Arena *arena, Diag *diag) {
  if (model->tenon_abi != TENON_ABI || model->size != sizeof(tenon_model)) {
    diag_error(diag, (Loc){0}, "the compiled model is of another version of tenon");
    return NULL;
  }
  ModelCall *call = NEW(arena, ModelCall);
  *call = (ModelCall){.model = model, .arena = arena, .workspace_bytes = model->workspace_bytes};
  if (model->workspace_bytes)
    call->workspace = aligned_memory(arena, model->workspace_bytes, model->workspace_align);
  arena_on_destroy(arena, free_room, call);
  if (model->decoded_bytes)
    call->decoded = aligned_memory(arena, model->decoded_bytes, model->decoded_align);
  tenon_context context = context_of(call);
  int code = model->init(&context, NULL, call->decoded);
  if (code == TENON_E_CPU || (code && model->decoded_bytes))
    return report(&context, model, code, diag), NULL;
  return call;
}

void model_call_set_executor(ModelCall *call, const struct tenon_executor *executor) {
  call->executor = executor;
}

void model_call_set_clock(ModelCall *call, ProfileClock *clock, void *user) {
  memcpy(&call->reserved[0], &clock, sizeof clock);
  call->reserved[1] = user;
}

// Puts the dims of the inputs into their words, and checks what is constant.
// Tensors from mapped files may lie anywhere; compiled models want elements aligned.
static size_t aligned_data(const Tensor *tensor, Arena *arena) {
  size_t size = (size_t)element_info[tensor->element].bits / 8;
  if (size < 2 || (uintptr_t)tensor->data % (size > 8 ? 8 : size) == 0)
    return (size_t)(uintptr_t)tensor->data;
  return (size_t)(uintptr_t)tensor_copy(arena, tensor).data;
}

static bool bind_inputs(const ModelCall *call, const Tensor *inputs, size_t *words, Arena *arena,
                        Diag *diag) {
  const tenon_model *model = call->model;
  for (uint32_t i = 0; i < model->input_count; i++) {
    const tenon_value *value = &model->inputs[i];
    Loc loc = {.file = model->name, .node = value->name};
    if (value->kind != TENON_TENSOR) {
      if (!list_to_word(value, &inputs[i], &words[value->word], arena, diag, loc)) return false;
      continue;
    }
    if (inputs[i].list) return diag_error(diag, loc, "input is a list of tensors, wanted a tensor");
    if (value->rank != inputs[i].rank)
      return diag_error(diag, loc, "input has rank %d, wanted %d", inputs[i].rank, value->rank);
    if (element_of_code[value->type] != inputs[i].element)
      return diag_error(diag, loc, "input is %s, wanted %s", element_info[inputs[i].element].text,
                        element_info[element_of_code[value->type]].text);
    for (int axis = 0; axis < value->rank; axis++) {
      int64_t dim = inputs[i].dims[axis];
      const tenon_dim *want = &value->dims[axis];
      if (want->word >= 0)
        words[want->word] = (size_t)dim;
      else if (want->min == want->max && dim != want->min)
        return diag_error(diag, loc, "input has dim %d = %lld, wanted %lld", axis, (long long)dim,
                          (long long)want->min);
    }
    words[value->word] = aligned_data(&inputs[i], arena);
  }
  return true;
}

static int64_t output_dim(const tenon_model *model, const tenon_dim *dim, const size_t *in,
                          const size_t *out) {
  if (dim->word < 0) return dim->min;
  bool of_inputs = (uint32_t)dim->word < model->input_words;
  return (int64_t)(of_inputs ? in[dim->word] : out[(uint32_t)dim->word - model->input_words]);
}

// Outputs without a bound: the call sets the pointer, into the workspace.
static bool is_open(const tenon_value *value) {
  for (int axis = 0; axis < value->rank; axis++)
    if (value->dims[axis].max < 0) return true;
  return false;
}

// Dims that depend on data are known after the run, and not more than before.
static void set_final_dims(const ModelCall *call, uint32_t number, const size_t *in,
                           const size_t *out, Tensor *output) {
  const tenon_value *value = &call->model->outputs[number];
  int64_t count, bytes, dims[MAX_RANK];
  if (is_open(value) || value->kind != TENON_TENSOR) return;
  for (int axis = 0; axis < value->rank; axis++)
    dims[axis] = output_dim(call->model, &value->dims[axis], in, out);
  if (!tensor_checked_bytes(output->element, output->rank, dims, &count, &bytes) ||
      (size_t)bytes > output->bytes)
    return;
  memcpy(output->dims, dims, (size_t)value->rank * sizeof *dims);
  output->bytes = (size_t)bytes;
}

static bool copy_open_outputs(const ModelCall *call, const size_t *in, const size_t *out,
                              Tensor *outputs, Arena *arena, Diag *diag) {
  for (uint32_t i = 0; i < call->model->output_count; i++) {
    const tenon_value *value = &call->model->outputs[i];
    int64_t dims[MAX_RANK], count, bytes;
    if (value->kind != TENON_TENSOR) {
      if (!list_from_word(value, out[value->word], &outputs[i], arena, diag,
                          (Loc){.file = call->model->name, .node = value->name}))
        return false;
      outputs[i].name = value->name;
    }
    if (!is_open(value)) continue;
    for (int axis = 0; axis < value->rank; axis++)
      dims[axis] = output_dim(call->model, &value->dims[axis], in, out);
    if (!tensor_checked_bytes(outputs[i].element, value->rank, dims, &count, &bytes))
      return diag_error(diag, (Loc){.file = call->model->name, .node = value->name},
                        "output is too large");
    Tensor found = outputs[i];
    memcpy(found.dims, dims, (size_t)value->rank * sizeof *dims);
    found.bytes = (size_t)bytes;
    memcpy(&found.data, &out[value->word], sizeof found.data);
    outputs[i] = tensor_copy(arena, &found);
  }
  return true;
}

static bool allocate_outputs(const ModelCall *call, const size_t *in, size_t *out, Tensor *outputs,
                             Arena *arena, Diag *diag) {
  const tenon_model *model = call->model;
  for (uint32_t i = 0; i < model->output_count; i++) {
    const tenon_value *value = &model->outputs[i];
    int64_t dims[MAX_RANK], count, bytes;
    for (int axis = 0; axis < value->rank; axis++)
      dims[axis] = output_dim(model, &value->dims[axis], in, out);
    ElementType element = element_of_code[value->type];
    if (is_open(value) || value->kind != TENON_TENSOR) {
      outputs[i] = (Tensor){.element = element, .rank = value->rank, .name = value->name};
      continue;
    }
    if (!tensor_checked_bytes(element, value->rank, dims, &count, &bytes))
      return diag_error(diag, (Loc){.file = model->name, .node = value->name},
                        "output is too large");
    outputs[i] = tensor_create(arena, element, value->rank, dims);
    outputs[i].name = value->name;
    out[value->word] = (size_t)(uintptr_t)outputs[i].data;
  }
  return true;
}

// --io=workspace: inputs and outputs have their places there.
static void copy_into_workspace(const ModelCall *call, const Tensor *inputs) {
  for (uint32_t i = 0; i < call->model->input_count; i++) {
    int64_t offset = call->model->inputs[i].workspace_offset;
    if (offset >= 0 && inputs[i].bytes)
      memcpy((char *)call->workspace + offset, inputs[i].data, inputs[i].bytes);
  }
}

static void copy_from_workspace(const ModelCall *call, Tensor *outputs) {
  for (uint32_t i = 0; i < call->model->output_count; i++) {
    int64_t offset = call->model->outputs[i].workspace_offset;
    if (offset >= 0 && outputs[i].bytes)
      memcpy(outputs[i].data, (char *)call->workspace + offset, outputs[i].bytes);
  }
}

bool model_call_run(ModelCall *call, const Tensor *inputs, Tensor *outputs, Arena *arena,
                    Diag *diag) {
  const tenon_model *model = call->model;
  size_t *in = NEW_ARRAY(arena, size_t, model->input_words + 1),
         *out = NEW_ARRAY(arena, size_t, model->output_words + 1);
  if (!bind_inputs(call, inputs, in, arena, diag)) return false;
  tenon_context context = context_of(call);
  int code = model->shapes(&context, in, out);
  if (code) return report(&context, model, code, diag);
  if (!make_room(call, context.needed, diag)) return false;
  if (!allocate_outputs(call, in, out, outputs, arena, diag)) return false;
  context = context_of(call);
  copy_into_workspace(call, inputs);
  code = model->run(&context, in, out);
  // Where data decides the size only a run knows what it needs, and says no more than how far it
  // got.
  while (code == TENON_E_WORKSPACE && context.needed > call->workspace_bytes) {
    size_t twice = call->workspace_bytes > SIZE_MAX / 2 ? SIZE_MAX : 2 * call->workspace_bytes;
    if (!make_room(call, context.needed > twice ? context.needed : twice, diag)) return false;
    context = context_of(call);
    code = model->run(&context, in, out);
  }
  if (!code) copy_from_workspace(call, outputs);
  if (code) return report(&context, model, code, diag);
  if (!copy_open_outputs(call, in, out, outputs, arena, diag)) return false;
  for (uint32_t i = 0; i < model->output_count; i++) set_final_dims(call, i, in, out, &outputs[i]);
  return true;
}
