// Names that runtime/kernels/image.c and its callers share: the order of these lists is the
// numbering.
#ifndef TENON_KERNELS_IMAGE_H
#define TENON_KERNELS_IMAGE_H

#define IMAGE_COORDINATES                                                                          \
  "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",       \
      "tf_half_pixel_for_nn", "tf_crop_and_resize"
#define IMAGE_NEAREST "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"
#define IMAGE_PADDING "zeros", "border", "reflection"

#endif
