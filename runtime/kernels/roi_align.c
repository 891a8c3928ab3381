// roi_align: where the samples of a region lie along one axis, in double as the interpreter has
// them (ir/interpret_roi_align.c).
#include <stddef.h>
#include <stdint.h>

static inline double round_up(double x) { // of numbers below 2^31
  double cut = (double)(int32_t)x;
  return cut < x ? cut + 1 : cut;
}

// Start and size of the cells between low and high, into place[2]; returns the samples per cell.
size_t tenon_roi_cells(double *place, double low, double high, double scale, size_t cells,
                       size_t samples, int32_t half_pixel) {
  double offset = half_pixel ? 0.5 : 0, start = low * scale - offset,
         length = high * scale - offset - start;
  if (!half_pixel && !(length > 1)) length = 1;
  place[0] = start;
  place[1] = length / (double)cells;
  if (samples) return samples;
  if (!(place[1] > 0 && place[1] <= (1 << 24) - 1)) return 0;
  return (size_t)round_up(place[1]);
}

// The two pixels next to a sample, and their weights; outside of the image by more than a pixel
// there is nothing.
void tenon_roi_tap(int32_t *index, double *weight, double start, double size, size_t cell,
                   size_t sample, size_t samples, size_t pixels) {
  double at = start + (double)cell * size + ((double)sample + 0.5) * size / (double)samples;
  index[0] = index[1] = 0;
  weight[0] = weight[1] = 0;
  if (!(at >= -1 && at <= (double)pixels)) return;
  if (at < 0) at = 0;
  int32_t low = (int32_t)at, last = (int32_t)pixels - 1;
  if (low >= last) {
    index[0] = index[1] = last;
    weight[0] = 1;
    return;
  }
  index[0] = low;
  index[1] = low + 1;
  weight[0] = 1 - (at - (double)low);
  weight[1] = at - (double)low;
}
