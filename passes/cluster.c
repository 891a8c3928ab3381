// cluster - weight sharing: every weight of a layer becomes one of 2^bits values, k-means on its
// weights.
//   w -> nearest centroid, storage codebook(bits, centroids)
// One-dimensional, so the members of a centroid are a run of the sorted weights and its mean comes
// from prefix sums; a round costs as many binary searches as there are centroids. Two starts (equal
// steps, which keep the few large weights, and equal counts) and the better end: no chance is
// involved. In a sparse layer zero stays zero: it is one of the centroids and does not move. Needs:
// nothing. Leaves: constants with few different values and storage codebook.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/constant_data.h"
#include "passes/compress.h"

typedef struct Sorted {
  const float *values;          // ascending
  const double *sums, *squares; // of the values before
  int64_t count;
} Sorted;

typedef struct Means {
  float items[1 << MAX_FIELD_BITS];
  int count;
  double error; // sum of squared distances
} Means;

enum { MAX_ROUNDS = 200 };

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static Sorted sort_values(Arena *scratch, const float *values, int64_t count, bool skip_zeros) {
  float *sorted = NEW_ARRAY(scratch, float, count);
  int64_t kept = 0;
  for (int64_t i = 0; i < count; i++)
    if (!skip_zeros || values[i] != 0) sorted[kept++] = values[i];
  qsort(sorted, (size_t)kept, sizeof *sorted, by_value);
  double *sums = NEW_ARRAY(scratch, double, kept + 1),
         *squares = NEW_ARRAY(scratch, double, kept + 1);
  for (int64_t i = 0; i < kept; i++) {
    sums[i + 1] = sums[i] + (double)sorted[i];
    squares[i + 1] = squares[i] + (double)sorted[i] * (double)sorted[i];
  }
  return (Sorted){sorted, sums, squares, kept};
}

// The first value from `from` on that is nearer to the upper of two neighbouring means.
static int64_t boundary(const Sorted *sorted, int64_t from, float lower, float upper) {
  double middle = ((double)lower + (double)upper) / 2;
  int64_t low = from, high = sorted->count;
  while (low < high) {
    int64_t at = (low + high) / 2;
    if ((double)sorted->values[at] <= middle)
      low = at + 1;
    else
      high = at;
  }
  return low;
}

// One round of Lloyd's algorithm; a mean without members stays. Returns whether something moved.
static bool move_means(const Sorted *sorted, Means *means, int zero) {
  bool moved = false;
  int64_t from = 0;
  means->error = 0;
  for (int i = 0; i < means->count; i++) {
    int64_t to = i + 1 < means->count ? boundary(sorted, from, means->items[i], means->items[i + 1])
                                      : sorted->count;
    double sum = sorted->sums[to] - sorted->sums[from],
           square = sorted->squares[to] - sorted->squares[from];
    float old = means->items[i],
          mean = to > from && i != zero ? (float)(sum / (double)(to - from)) : old;
    means->error +=
        square - 2 * (double)mean * sum + (double)mean * (double)mean * (double)(to - from);
    moved |= mean != old;
    means->items[i] = mean;
    from = to;
  }
  return moved;
}

static int insert_zero(Means *means) {
  int at = means->count;
  while (at > 0 && means->items[at - 1] > 0) {
    means->items[at] = means->items[at - 1];
    at--;
  }
  means->items[at] = 0;
  means->count++;
  return at;
}

static void drop_equal(Means *means) {
  int kept = 0;
  for (int i = 0; i < means->count; i++)
    if (!kept || means->items[i] > means->items[kept - 1]) means->items[kept++] = means->items[i];
  means->count = kept;
}

static Means find_means(const Sorted *sorted, int wanted, bool zero, bool equal_steps) {
  Means means = {.count = wanted - zero};
  double first = (double)sorted->values[0], last = (double)sorted->values[sorted->count - 1];
  for (int i = 0; i < means.count; i++) {
    double part = (i + 0.5) / means.count;
    means.items[i] = equal_steps ? (float)(first + (last - first) * part)
                                 : sorted->values[(int64_t)(part * (double)sorted->count)];
    if (zero && means.items[i] == 0)
      means.items[i] = (float)(last / (4.0 * wanted)); // zero has a place of its own
  }
  qsort(means.items, (size_t)means.count, sizeof *means.items, by_value);
  int fixed = zero ? insert_zero(&means) : -1;
  for (int round = 0; round < MAX_ROUNDS && move_means(sorted, &means, fixed); round++) continue;
  drop_equal(&means);
  return means;
}

static float nearest(const Means *means, float value) {
  int best = 0;
  for (int low = 0, high = means->count - 1; low <= high;) {
    int middle = (low + high) / 2;
    if (means->items[middle] <= value)
      best = middle, low = middle + 1;
    else
      high = middle - 1;
  }
  if (best + 1 < means->count &&
      (double)means->items[best + 1] - (double)value < (double)value - (double)means->items[best])
    best++;
  return means->items[best];
}

static float *cluster_values(Arena *arena, const Layer *layer, const Means *means, bool zero) {
  const float *old = layer->constant->data;
  float *values = NEW_ARRAY(arena, float, layer->count);
  for (int64_t i = 0; i < layer->count; i++)
    values[i] = zero && old[i] == 0 ? 0 : nearest(means, old[i]);
  return values;
}

static bool all_finite(const Layer *layer) {
  const float *values = layer->constant->data;
  for (int64_t i = 0; i < layer->count; i++)
    if (!isfinite(values[i])) return false;
  return true;
}

static void cluster_layer(PassContext *context, Layer *layer, int bits, bool keep_zero) {
  if (!all_finite(layer)) {
    compress_refuse(context, layer, "it has values that are not finite");
    return;
  }
  Arena *arena = context->module->arena;
  bool zero = storage_find(&layer->constant->storage, STAGE_SPARSE) ||
              (keep_zero && compress_density(layer) < 0.5);
  Sorted sorted = sort_values(context->scratch, layer->constant->data, layer->count, zero);
  if (!sorted.count) {
    compress_refuse(context, layer, "all its values are zero");
    return;
  }
  Means steps = find_means(&sorted, 1 << bits, zero, true),
        counts = find_means(&sorted, 1 << bits, zero, false);
  const Means *means = steps.error <= counts.error ? &steps : &counts;
  float *centroids = NEW_ARRAY(arena, float, means->count);
  memcpy(centroids, means->items, (size_t)means->count * sizeof *centroids);
  int64_t before = compress_bytes(layer, &layer->constant->storage), after;
  Layer clustered = *layer;
  Constant constant = *layer->constant;
  clustered.constant = &constant;
  constant.data = clustered.matrix.data =
      cluster_values(module_data(context->module), layer, means, zero);
  storage_set(&constant.storage, (Stage){.kind = STAGE_CODEBOOK,
                                         .bits = bits,
                                         .centroids = centroids,
                                         .centroid_count = means->count});
  storage_choose_gap(&clustered.matrix, &constant.storage);
  after = compress_bytes(&clustered, &constant.storage);
  if (after > before - WORTH_BYTES) {
    compress_refuse(context, layer, "indices and centroids would take as many bytes as the values");
    return;
  }
  double sqnr = compress_sqnr(layer->constant->data, constant.data, layer->count);
  layer->constant->storage = constant.storage;
  compress_set_values(context, layer, constant.data);
  compress_report(context, layer, before, after, bits, sqnr);
}

bool pass_cluster(Graph *graph, PassContext *context) {
  int64_t bits = pass_option_int(context, "bits");
  if (bits < 1 || bits > MAX_FIELD_BITS)
    return diag_error(context->diag, loc_file(context->module->source),
                      "cluster: %lld bits are not in 1 .. %d", (long long)bits, MAX_FIELD_BITS);
  if (!compress_prepare(context)) return false;
  LayerList list = compress_layers(graph, context);
  for (int i = 0; i < list.count; i++) {
    if (list.items[i].refused)
      compress_refuse(context, &list.items[i], list.items[i].refused);
    else
      cluster_layer(context, &list.items[i], (int)bits, pass_option_bool(context, "zero"));
    module_trim(context->module, TRIM_GROWTH);
  }
  return true;
}
