// Sliding windows.
#include "ir/interpret_window.h"

static int64_t product(int count, const int64_t *values) {
  int64_t result = 1;
  for (int i = 0; i < count; i++) result *= values[i];
  return result;
}

Window window_of(const Node *node, int spatial, const int64_t *large, const int64_t *small,
                 const int64_t *kernel) {
  Window w = {.spatial = spatial};
  for (int i = 0; i < spatial; i++) {
    w.large[i] = large[i];
    w.small[i] = small[i];
    w.kernel[i] = kernel[i];
    w.stride[i] = node_ints_at(node, ATTR_STRIDES, i, 1);
    w.dilation[i] = node_ints_at(node, ATTR_DILATIONS, i, 1);
    w.pad[i] = node_ints_at(node, ATTR_PADS, i, 0);
    w.pad_end[i] = node_ints_at(node, ATTR_PADS, spatial + i, 0);
  }
  w.large_count = product(spatial, large);
  w.small_count = product(spatial, small);
  w.tap_count = product(spatial, kernel);
  return w;
}

static void unflatten(int rank, const int64_t *dims, int64_t flat, int64_t *index) {
  for (int i = rank - 1; i >= 0; i--) {
    index[i] = flat % dims[i];
    flat /= dims[i];
  }
}

int64_t window_taps(const Window *window, int64_t number, Tap *taps, int64_t *padded) {
  int64_t origin[MAX_RANK], tap_index[MAX_RANK] = {0}, count = 0;
  unflatten(window->spatial, window->small, number, origin);
  for (int i = 0; i < window->spatial; i++)
    origin[i] = origin[i] * window->stride[i] - window->pad[i];
  if (padded) *padded = 0;
  for (int64_t tap = 0; tap < window->tap_count; tap++) {
    bool inside = true, in_padding = true;
    int64_t position = 0;
    for (int i = 0; i < window->spatial; i++) {
      int64_t at = origin[i] + tap_index[i] * window->dilation[i];
      inside &= at >= 0 && at < window->large[i];
      in_padding &= at >= -window->pad[i] && at < window->large[i] + window->pad_end[i];
      position = position * window->large[i] + at;
    }
    if (inside) taps[count++] = (Tap){position, tap};
    if (padded) *padded += in_padding;
    for (int i = window->spatial - 1; i >= 0 && ++tap_index[i] == window->kernel[i]; i--)
      tap_index[i] = 0;
  }
  return count;
}
