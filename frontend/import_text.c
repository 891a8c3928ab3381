// Strings: what only compares them, or lists of numbers in the place of words, becomes comparisons
// and gathers.
#include <string.h>

#include "frontend/import.h"

// --- TfIdfVectorizer: how often each n-gram of the pool occurs in each row

typedef struct Vectorizer {
  OnnxNode *node;
  Value *rows; // [b, c], strings or i64
  int64_t shortest, longest, skips;
  const int64_t *pool_integers;
  const char *const *pool_texts;
  int pool_size;
  const int64_t *counts,
      *columns; // first item of the n-grams of each length; column of each n-gram
  int length_count, column_count;
  int64_t width; // columns of the result
} Vectorizer;

// Word `k` of each of the `count` n-grams of `length` words from `first` on.
static Value *pool_words(const Vectorizer *v, int64_t first, int64_t length, int64_t count,
                         int64_t k) {
  Arena *arena = v->node->importer->arena;
  Tensor words = tensor_create(arena, v->pool_texts ? STR : I64, 1, &count);
  for (int64_t i = 0; i < count; i++) {
    int64_t from = first + i * length + k;
    if (v->pool_texts)
      ((TensorString *)words.data)[i] =
          (TensorString){v->pool_texts[from], strlen(v->pool_texts[from])};
    else
      ((int64_t *)words.data)[i] = v->pool_integers[from];
  }
  return build_constant_tensor(&v->node->builder, &words, NULL);
}

// f32[b, count]: occurrences with `distance` from word to word; NULL: there is no room for one, or
// failed.
static Value *count_matches(const Vectorizer *v, int64_t first, int64_t length, int64_t count,
                            int64_t distance) {
  OnnxNode *node = v->node;
  DimTable *dims = node->importer->dims;
  int64_t columns, reach = distance * (length - 1);
  if (!dim_is_constant(v->rows->type.dims[1], &columns) || reach >= columns) return NULL;
  const Dim *places = dim_constant(dims, columns - reach);
  Value *all = NULL;
  for (int64_t k = 0; k < length && !node->builder.failed; k++) {
    Value *word =
        build_slice_axis(&node->builder, v->rows, 1, dim_constant(dims, k * distance), places, 1);
    Value *equal = onnx_binary(node, OP_EQUAL, onnx_unsqueeze(node, word, (int64_t[]){2}, 1),
                               pool_words(v, first, length, count, k));
    all = all ? onnx_binary(node, OP_AND, all, equal) : equal;
  }
  return onnx_reduce_one(node, OP_REDUCE_SUM, onnx_convert(node, all, F32), 1, false);
}

static Value *zeros(const Vectorizer *v, int64_t columns) {
  const Dim *sizes[2] = {v->rows->type.dims[0], import_dim(v->node->importer, columns)};
  Value *zero = build_scalar(&v->node->builder, F32, 0);
  return zero ? build_expand(&v->node->builder, zero, 2, sizes) : NULL;
}

// The n-grams of one length, over all distances; unigrams have one.
static Value *count_length(const Vectorizer *v, int64_t first, int64_t length, int64_t count) {
  Value *sum = NULL;
  bool used = length >= v->shortest && length <= v->longest;
  for (int64_t distance = 1; used && distance - 1 <= (length == 1 ? 0 : v->skips); distance++) {
    Value *found = count_matches(v, first, length, count, distance);
    if (!found) break; // a larger distance has no room either
    sum = sum ? onnx_binary(v->node, OP_ADD, sum, found) : found;
  }
  return sum || v->node->builder.failed ? sum : zeros(v, count);
}

// f32[b, n-grams]
static Value *count_all(const Vectorizer *v) {
  Value **parts = NEW_ARRAY(v->node->importer->arena, Value *, v->length_count + 1);
  int made = 0;
  for (int i = 0; i < v->length_count && !v->node->builder.failed; i++) {
    int64_t end = i + 1 < v->length_count ? v->counts[i + 1] : v->pool_size,
            items = end - v->counts[i];
    if (items) parts[made++] = count_length(v, v->counts[i], i + 1, items / (i + 1));
  }
  if (v->node->builder.failed) return NULL;
  parts[made] = zeros(v, 1); // what columns without an n-gram read
  return build_concat(&v->node->builder, parts, made + 1, 1);
}

// Counts by column: each round gathers the next n-gram of every column.
static Value *by_column(const Vectorizer *v, Value *counts) {
  OnnxNode *node = v->node;
  bool *taken = NEW_ARRAY(node->importer->arena, bool, v->column_count + 1);
  Value *sum = NULL;
  for (int left = v->column_count; left > 0 && counts && !node->builder.failed;) {
    int64_t *from = NEW_ARRAY(node->importer->arena, int64_t, v->width);
    for (int64_t c = 0; c < v->width; c++) from[c] = v->column_count;
    for (int i = 0; i < v->column_count; i++) {
      if (taken[i] || from[v->columns[i]] != v->column_count) continue;
      from[v->columns[i]] = i;
      taken[i] = true;
      left--;
    }
    Node *gather = build_begin(&node->builder, OP_GATHER,
                               (Value *[]){counts, build_ints(&node->builder, from, v->width)}, 2);
    if (!gather) return NULL;
    node_set_int(gather, ATTR_AXIS, 1);
    node_set_int(gather, ATTR_CHECKED, 0);
    Value *round = build_end(&node->builder, gather);
    sum = sum ? onnx_binary(node, OP_ADD, sum, round) : round;
  }
  return sum;
}

// Counts by n-gram, or whether there are any, times their weights.
static Value *weigh(const Vectorizer *v, Value *counts, const char *mode) {
  OnnxNode *node = v->node;
  int count;
  const float *weights = onnx_floats(node, "weights", &count);
  bool is_tf = strcmp(mode, "TF") == 0, is_idf = strcmp(mode, "IDF") == 0;
  if (!is_tf && !is_idf && strcmp(mode, "TFIDF") != 0) {
    onnx_error(node, "mode '%s' is none of TF, IDF, TFIDF", mode);
    return NULL;
  }
  if (weights && count && count != v->column_count) {
    onnx_error(node, "%d weights for %d n-grams", count, v->column_count);
    return NULL;
  }
  if (is_idf)
    counts = onnx_convert(
        node, onnx_binary(node, OP_LESS, onnx_scalar_like(node, counts, 0), counts), F32);
  if (is_tf || !weights || !count) return counts;
  float *factors = NEW_ARRAY(node->importer->arena, float, count + 1); // the last: no n-gram
  memcpy(factors, weights, sizeof *factors * (size_t)count);
  return onnx_binary(node, OP_MUL, counts, build_floats(&node->builder, factors, count + 1));
}

// The pool and its lists contradict nothing; sets the width.
static bool check_pool(Vectorizer *v) {
  OnnxNode *node = v->node;
  int64_t grams = 0;
  if (v->shortest < 1 || v->longest < v->shortest || v->skips < 0)
    return onnx_error(node, "min_gram_length %lld, max_gram_length %lld, max_skip_count %lld",
                      (long long)v->shortest, (long long)v->longest, (long long)v->skips);
  for (int i = 0; i < v->length_count; i++) {
    int64_t end = i + 1 < v->length_count ? v->counts[i + 1] : v->pool_size;
    if (v->counts[i] < 0 || end < v->counts[i] || end > v->pool_size ||
        (end - v->counts[i]) % (i + 1))
      return onnx_error(
          node,
          "ngram_counts[%d] is %lld, which does not start n-grams of %d of the %d in the pool", i,
          (long long)v->counts[i], i + 1, v->pool_size);
    grams += (end - v->counts[i]) / (i + 1);
  }
  if (grams != v->column_count || !grams)
    return onnx_error(node, "ngram_indexes has %d numbers for %lld n-grams", v->column_count,
                      (long long)grams);
  for (int i = 0; i < v->column_count; i++) {
    if (v->columns[i] < 0 || v->columns[i] >= 1 << 24)
      return onnx_error(node, "ngram_indexes[%d] is %lld", i, (long long)v->columns[i]);
    if (v->columns[i] >= v->width) v->width = v->columns[i] + 1;
  }
  return true;
}

static bool read_pool(Vectorizer *v) {
  OnnxNode *node = v->node;
  int texts = 0, integers = 0;
  v->shortest = onnx_int(node, "min_gram_length", 0);
  v->longest = onnx_int(node, "max_gram_length", 0);
  v->skips = onnx_int(node, "max_skip_count", 0);
  v->pool_texts = onnx_strings(node, "pool_strings", &texts);
  v->pool_integers = onnx_ints(node, "pool_int64s", &integers);
  if (!texts) v->pool_texts = NULL;
  v->pool_size = texts ? texts : integers;
  v->counts = onnx_ints(node, "ngram_counts", &v->length_count);
  v->columns = onnx_ints(node, "ngram_indexes", &v->column_count);
  if (!v->counts || !v->columns || !v->pool_size || (texts && integers))
    return onnx_error(node,
                      "needs ngram_counts, ngram_indexes, and one of pool_strings and pool_int64s");
  return check_pool(v);
}

// x as rows of strings or i64.
static bool read_rows(Vectorizer *v, Value *x) {
  OnnxNode *node = v->node;
  const Dim *dims[2] = {import_dim(node->importer, 1), import_dim(node->importer, 1)};
  if (x->type.rank > 2) return onnx_error(node, "input of rank %d, wanted at most 2", x->type.rank);
  for (int i = 0; i < x->type.rank; i++) dims[2 - x->type.rank + i] = x->type.dims[i];
  if ((x->type.element == STR) != (v->pool_texts != NULL))
    return onnx_error(node, "a pool of %s for an input of %s",
                      v->pool_texts ? "strings" : "integers", element_info[x->type.element].text);
  if (x->type.element != STR && x->type.element != I32 && x->type.element != I64)
    return onnx_error(node, "input of %s", element_info[x->type.element].text);
  if (!dim_is_constant(dims[1], NULL))
    return onnx_unsupported(node, "rows whose length is not known");
  v->rows = build_reshape(&node->builder, x->type.element == STR ? x : onnx_convert(node, x, I64),
                          2, dims);
  return v->rows != NULL;
}

bool import_tfidf_vectorizer(OnnxNode *node) {
  Vectorizer v = {.node = node};
  if (!onnx_need_inputs(node, 1) || !read_pool(&v) || !read_rows(&v, onnx_input(node, 0)))
    return false;
  Value *y = count_all(&v);
  if (y) y = weigh(&v, y, onnx_string(node, "mode", ""));
  if (y) y = by_column(&v, y);
  if (y && onnx_input(node, 0)->type.rank < 2) y = onnx_squeeze(node, y, (int64_t[]){0}, 1);
  return onnx_output(node, 0, y);
}
