/* tenon.h - what every generated header includes. C99 or C++98, freestanding: <stddef.h> and
   <stdint.h> only. Types and inline functions; there is nothing to link. */
#ifndef TENON_H
#define TENON_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define TENON_ABI 3u

#if defined(__GNUC__) || defined(__clang__)
#define TENON_ALIGNED(n) __attribute__((aligned(n)))
#elif defined(_MSC_VER)
#define TENON_ALIGNED(n) __declspec(align(n))
#else
#define TENON_ALIGNED(n)
#endif

enum tenon_error {
  TENON_OK = 0,
  TENON_E_ABI,       /* context or header are of another version of this model */
  TENON_E_CPU,       /* this CPU lacks what the object was compiled for */
  TENON_E_POINTER,   /* a required pointer is NULL or misaligned */
  TENON_E_WORKSPACE, /* too small: context->needed says how many bytes */
  TENON_E_WEIGHTS,   /* the weights are of another model, truncated or damaged */
  TENON_E_DIM,       /* a dim is outside its declared range, or dims contradict each other */
  TENON_E_INDEX,     /* an index computed from data is out of range */
  TENON_E_CUSTOM,    /* a custom operator returned an error */
  TENON_E_TEXT       /* a string that has to be a number is none */
};

/* Runs function(argument, 0 .. tasks-1), each once, in any order, on any threads; returns when all
 * are done. */
typedef struct tenon_executor {
  void (*parallel_for)(void *context, size_t tasks, void (*function)(void *argument, size_t task),
                       void *argument);
  void *context;
} tenon_executor;

/* One per concurrent call. The caller's; the object keeps no pointer to it. Zero it, fill it in,
 * pass it. */
typedef struct tenon_context {
  uint32_t abi;    /* <NAME>_ABI of the header you compiled with */
  int32_t op;      /* out: number of the op that failed, index into tenon_model.ops; -1: none */
  void *workspace; /* scratch: undefined before and after a call */
  size_t workspace_bytes;
  void *fast;                     /* second pool where --pool=fast:BYTES was given */
  void *state;                    /* <name>_state of a streaming model */
  const void *weights;            /* mapped weights file, or memory that <name>_init filled */
  const tenon_executor *executor; /* NULL: everything on the calling thread */
  size_t needed;     /* out: bytes of workspace, from _shapes and with TENON_E_WORKSPACE */
  void *reserved[2]; /* 0 */
} tenon_context;

/* tenon_context context = TENON_CONTEXT(RESNET18, workspace); */
#define TENON_CONTEXT(NAME, memory)                                                                \
  {NAME##_ABI, -1, (memory), NAME##_WORKSPACE_BYTES, 0, 0, 0, 0, 0, {0, 0}}

typedef struct tenon_string {
  const char *data;
  size_t bytes;
} tenon_string; /* UTF-8, not 0-terminated */

/* Element types, in tenon_value.type and tenon_tensor.type: the numbers of ONNX's
 * TensorProto.DataType. */
enum tenon_type {
  TENON_F32 = 1,
  TENON_U8 = 2,
  TENON_I8 = 3,
  TENON_U16 = 4,
  TENON_I16 = 5,
  TENON_I32 = 6,
  TENON_I64 = 7,
  TENON_STRING = 8,
  TENON_BOOL = 9,
  TENON_F16 = 10,
  TENON_F64 = 11,
  TENON_U32 = 12,
  TENON_U64 = 13,
  TENON_C64 = 14,
  TENON_C128 = 15,
  TENON_BF16 = 16,
  TENON_F8E4M3FN = 17,
  TENON_F8E4M3FNUZ = 18,
  TENON_F8E5M2 = 19,
  TENON_F8E5M2FNUZ = 20,
  TENON_U4 = 21,
  TENON_I4 = 22,
  TENON_F4E2M1 = 23,
  TENON_F8E8M0 = 24,
  TENON_U2 = 25,
  TENON_I2 = 26
};

typedef struct tenon_tensor { /* one element of a sequence, an operand or result of a custom
                                 operator */
  void *data;
  const size_t *dims;
  int32_t rank;
  int32_t type;
} tenon_tensor;
typedef struct tenon_sequence {
  const tenon_tensor *items;
  size_t count;
} tenon_sequence;

/* Custom operators (--custom DOMAIN:OP=function): int function(const tenon_custom *call), 0 or an
   error, which makes _run return TENON_E_CUSTOM. An attribute is a tensor: an int i64[], a float
   f32[], a string TENON_STRING[], lists rank 1. */
typedef struct tenon_attribute {
  const char *name;
  tenon_tensor value;
} tenon_attribute;

typedef struct tenon_custom {
  tenon_context
      *context; /* of the run: a struct around it may hold what the function wants to know */
  const tenon_tensor *inputs;  /* read only; dense, row-major; data NULL, type 0: absent */
  const tenon_tensor *outputs; /* the function writes to data; type and dims are decided */
  const tenon_attribute *attributes;
  void *workspace; /* where --custom says workspace=BYTES: undefined before and after the call */
  size_t workspace_bytes;
  int32_t input_count, output_count, attribute_count, reserved;
} tenon_custom;

static inline const tenon_tensor *tenon_find_attribute(const tenon_custom *call,
                                                       const char *name) { /* NULL: not there */
  int32_t i, k;
  for (i = 0; i < call->attribute_count; i++) {
    const char *other = call->attributes[i].name;
    for (k = 0; name[k] && name[k] == other[k]; k++) {
    }
    if (name[k] == other[k]) return &call->attributes[i].value;
  }
  return 0;
}
static inline float tenon_float_attribute(const tenon_custom *call, const char *name,
                                          float otherwise) {
  const tenon_tensor *value = tenon_find_attribute(call, name);
  return value && value->type == TENON_F32 && value->rank == 0 ? *(const float *)value->data
                                                               : otherwise;
}
static inline int64_t tenon_int_attribute(const tenon_custom *call, const char *name,
                                          int64_t otherwise) {
  const tenon_tensor *value = tenon_find_attribute(call, name);
  return value && value->type == TENON_I64 && value->rank == 0 ? *(const int64_t *)value->data
                                                               : otherwise;
}
static inline size_t tenon_count(const tenon_tensor *tensor) { /* of elements */
  size_t count = 1;
  int32_t i;
  for (i = 0; i < tensor->rank; i++) count *= tensor->dims[i];
  return count;
}

/* tenon_value.kind: a field is a pointer to elements, to a tenon_sequence, or for optionals to a
   tenon_tensor or tenon_sequence, NULL where there is no element. */
enum tenon_kind {
  TENON_TENSOR = 0,
  TENON_SEQUENCE = 1,
  TENON_OPTIONAL = 2,
  TENON_OPTIONAL_SEQUENCE = 3
};

/* A dim: a constant (word < 0, min == max), or within min .. max (max < 0: no bound). word <
   input_words: read from that word of the inputs struct; else written to word - input_words of the
   outputs struct. */
typedef struct tenon_dim {
  int64_t min, max;
  int32_t word;
  int32_t step;
} tenon_dim;

typedef struct tenon_value {
  const char *name;  /* the ONNX name, unchanged */
  const char *field; /* the C field name */
  const tenon_dim *dims;
  int32_t rank;
  int32_t type;
  const float *scale;
  const int32_t *zero_point;
  int32_t quantized_axis;   /* real = scale * (q - zero_point); NULL: plain */
  int32_t word;             /* of its own struct */
  int64_t workspace_offset; /* where it lies in the workspace (--io=workspace); -1: the pointer says
                               where */
  int32_t
      kind; /* enum tenon_kind; of lists `type` is that of the elements, and dims are not said */
  int32_t key_type; /* TENON_STRING, TENON_I64: columns have keys (ONNX has maps from keys to
                       columns here); of an input: it has the values of a map, whose keys are the
                       input before it, and `keys` is NULL; 0: none */
  const void *keys;
  size_t key_count; /* tenon_string or int64_t, one for each element of the last axis */
} tenon_value;

typedef struct tenon_model {
  uint32_t tenon_abi, size; /* TENON_ABI, sizeof(tenon_model) */
  uint32_t abi;
  const char *name, *compiler;
  const tenon_value *inputs, *outputs;
  uint32_t input_count, output_count, input_words, output_words;
  size_t workspace_bytes, workspace_align, state_bytes, weights_bytes, stack_bytes;
  size_t decoded_bytes, decoded_align; /* memory that _init needs; 0: none */
  int (*init)(tenon_context *context, const void *coded, void *memory);
  int (*run)(tenon_context *context, const void *inputs, void *outputs);
  int (*shapes)(tenon_context *context, const void *inputs, void *outputs);
  void (*reset)(void *state);
  const char *const *ops;
  uint32_t op_count; /* names of the ops that may fail, "" for the others; NULL, 0: none may */
} tenon_model;

static inline const char *tenon_error_text(int error) {
  static const char *const text[] = {"ok",
                                     "header and object differ",
                                     "CPU lacks an instruction set",
                                     "pointer is NULL or misaligned",
                                     "workspace too small",
                                     "wrong or damaged weights",
                                     "dimension out of range",
                                     "index out of range",
                                     "custom operator failed",
                                     "string is no number"};
  return error >= 0 && error < (int)(sizeof text / sizeof *text) ? text[error] : "unknown";
}

#ifdef __cplusplus
}
#endif
#endif
