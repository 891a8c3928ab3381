// Calibration: runs the model on data and looks at values inside of it.
#ifndef TENON_PASSES_CALIBRATE_H
#define TENON_PASSES_CALIBRATE_H

#include "passes/pass.h"

typedef struct Range {
  float low, high; // low <= 0 <= high; both 0: only zeros were seen
} Range;

typedef enum RangeMethod { RANGE_MINMAX, RANGE_PERCENTILE, RANGE_MSE } RangeMethod;

typedef struct RangeChoice {
  RangeMethod method;
  double percentile; // share of the values that the range holds, RANGE_PERCENTILE
} RangeChoice;

typedef struct CalibrationOptions {
  int64_t samples; // at most; spread evenly over the data set
  int bits;        // of the codes, RANGE_MSE
  const RangeChoice *choices;
  int choice_count;
} CalibrationOptions;

// Ranges of f32 values of the model's function that its codes should hold, by each of the choices:
// ranges[choice][value]. Runs the model once for each sample, twice for methods that need a
// histogram. False: reported.
bool calibrate_ranges(PassContext *context, const CalibrationOptions *options, Value *const *values,
                      int count, Range *const *ranges);

// Runs `observed`, a copy of the model with outputs added, and shows those from number `first` on.
// Without a data set: on normally distributed inputs.
typedef void (*CalibrationObserver)(void *state, const Tensor *outputs, int count);
bool calibrate_run(PassContext *context, const Module *observed, int first, int64_t samples,
                   CalibrationObserver observer, void *state);
// The same on a copy of the model whose further outputs are `values`, f32.
bool calibrate_values(PassContext *context, Value *const *values, int count, int64_t samples,
                      CalibrationObserver observer, void *state);
// How many samples a run shows.
int64_t calibrate_count(const PassContext *context, int64_t samples);

#endif
