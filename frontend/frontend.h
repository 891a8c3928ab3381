// Frontend: an ONNX file becomes a Module of the graph IR.
#ifndef TENON_FRONTEND_FRONTEND_H
#define TENON_FRONTEND_FRONTEND_H

#include "ir/graph.h"
#include "ir/tensor.h"

// --dim NAME=LOW..HIGH: the value or range of a named dim (high = DIM_UNBOUNDED: no upper bound).
typedef struct DimBinding {
  const char *name;
  int64_t low, high; // equal: the dim is that constant
} DimBinding;

// --custom: nodes of that operator call a C function.
typedef struct CustomOperator {
  const char *domain, *type; // as nodes name it; domain "": ONNX's own
  const char *symbol;
  bool pure;                  // the function has no effect but its outputs
  const char *workspace;      // bytes of working memory, an expression of dims; NULL: none
  const char *const *outputs; // their types, as far as given
  int output_count;
} CustomOperator;

typedef struct FrontendOptions {
  const DimBinding *dims;
  int dim_count;
  // --shape texts, "x=1x3x32..960:32x?": per dim a number, a range LOW..HIGH[:STEP], a symbol, or
  // `?` to keep what the file says.
  const char *const *shapes;
  int shape_count;
  // --inputs and --outputs: names of tensors where the model is cut; empty: what the file says.
  const char *const *inputs;
  int input_count;
  const char *const *outputs;
  int output_count;
  const CustomOperator *customs;
  int custom_count;
  // Called when a shape depends on the values of a graph input. Gives these values (then the
  // module is right only for inputs with these values), or NULL, which makes it an error. May be
  // NULL.
  const Tensor *(*value_of_input)(void *user, const char *name);
  void *user;
} FrontendOptions;

// Reads the model at `path`. NULL: refused; everything that is wrong or unsupported has been
// reported. The module refers to bytes of the mapped file, which the arena keeps mapped.
Module *frontend_load(Arena *arena, Diag *diag, const char *path, const FrontendOptions *options);

// Names of the model's inputs in its order, without those that are constants (IR version 3);
// false: reported. So a driver knows which file is whose before value_of_input is called.
bool frontend_input_names(Arena *arena, Diag *diag, const char *path, const char *const **names,
                          int *count);

// Parses what follows --dim, "N=4" or "N=1..64" or "N=1.."; false: reported.
bool frontend_parse_dim(Arena *arena, Diag *diag, const char *text, DimBinding *binding);

// Parses what follows --custom, "acme:Scale=acme_scale{pure,output=f32[N,in0.1]}"; false: reported.
bool frontend_parse_custom(Arena *arena, Diag *diag, const char *text, CustomOperator *custom);

#endif
