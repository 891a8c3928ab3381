// non_max_suppression: of boxes that overlap the one with the best score is kept. Candidates lie in
// a heap, best first, so that only as many are ordered as are looked at.
#include <stddef.h>
#include <stdint.h>

typedef struct Area {
  float x0, y0, x1, y1;
} Area;

static inline float least(float a, float b) { return a < b ? a : b; }
static inline float most(float a, float b) { return a > b ? a : b; }

static inline Area area_of(const float *box, int32_t center) {
  if (center) {
    float w = box[2] / 2, h = box[3] / 2;
    return (Area){box[0] - w, box[1] - h, box[0] + w, box[1] + h};
  }
  return (Area){least(box[1], box[3]), least(box[0], box[2]), most(box[1], box[3]),
                most(box[0], box[2])};
}

static inline int overlap(Area a, Area b, float threshold) {
  float x0 = most(a.x0, b.x0), x1 = least(a.x1, b.x1), y0 = most(a.y0, b.y0),
        y1 = least(a.y1, b.y1);
  if (x1 <= x0 || y1 <= y0) return 0;
  float shared = (x1 - x0) * (y1 - y0);
  float area_a = (a.x1 - a.x0) * (a.y1 - a.y0), area_b = (b.x1 - b.x0) * (b.y1 - b.y0);
  float both = area_a + area_b - shared;
  if (shared <= 0 || area_a <= 0 || area_b <= 0 || both <= 0) return 0;
  return shared / both > threshold;
}

// Is box a better than box b? Of equal scores the earlier box is.
static inline int better(const float *scores, int32_t a, int32_t b) {
  return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
}

static inline void settle(const float *scores, int32_t *heap, size_t root, size_t count) {
  for (;;) {
    size_t child = 2 * root + 1;
    if (child >= count) return;
    if (child + 1 < count && better(scores, heap[child + 1], heap[child])) child++;
    if (!better(scores, heap[child], heap[root])) return;
    int32_t moved = heap[root];
    heap[root] = heap[child];
    heap[child] = moved;
    root = child;
  }
}

// boxes: count x 4, scores: count, of one image and class; chosen: rows of three numbers, the third
// is the box; heap: room for `count`. Returns how many are chosen.
static size_t choose(const float *boxes, const float *scores, int64_t *chosen, int32_t *heap,
                     size_t count, int64_t limit, float threshold, float lowest, int32_t has_lowest,
                     int32_t center) {
  size_t candidates = 0, found = 0;
  for (size_t i = 0; i < count; i++)
    if (scores[i] == scores[i] && (!has_lowest || scores[i] > lowest))
      heap[candidates++] = (int32_t)i;
  for (size_t i = candidates / 2; i-- > 0;) settle(scores, heap, i, candidates);
  while (candidates && (int64_t)found < limit) {
    int32_t best = heap[0];
    Area area = area_of(boxes + 4 * best, center);
    int free = 1;
    for (size_t k = 0; k < found && free; k++)
      free = !overlap(area, area_of(boxes + 4 * chosen[3 * k + 2], center), threshold);
    if (free) chosen[3 * found++ + 2] = best;
    heap[0] = heap[--candidates];
    settle(scores, heap, 0, candidates);
  }
  return found;
}

size_t tenon_non_max_suppression(const float *boxes, const float *scores, int64_t *chosen,
                                 int32_t *heap, size_t images, size_t classes, size_t count,
                                 int64_t limit, float threshold, float lowest, int32_t has_lowest,
                                 int32_t center) {
  size_t found = 0;
  for (size_t i = 0; i < images; i++)
    for (size_t c = 0; c < classes; c++) {
      int64_t *rows = chosen + 3 * found;
      size_t more = choose(boxes + i * count * 4, scores + (i * classes + c) * count, rows, heap,
                           count, limit, threshold, lowest, has_lowest, center);
      for (size_t k = 0; k < more; k++) {
        rows[3 * k] = (int64_t)i;
        rows[3 * k + 1] = (int64_t)c;
      }
      found += more;
    }
  return found;
}
