// What the classifiers and regressors of ai.onnx.ml share.
#ifndef TENON_FRONTEND_IMPORT_ML_H
#define TENON_FRONTEND_IMPORT_ML_H

#include "frontend/import.h"

typedef enum PostTransform {
  POST_NONE,
  POST_SOFTMAX,
  POST_LOGISTIC,
  POST_SOFTMAX_ZERO,
  POST_PROBIT
} PostTransform;

// Scores [n, k] after the node's attribute post_transform; NULL: failed (reported).
Value *ml_post_transform(OnnxNode *node, Value *scores);
Value *ml_post_transform_number(OnnxNode *node, Value *scores, int64_t transform);
// Number of class labels of the node (integers or strings).
int ml_class_count(OnnxNode *node);
// Results 0 (label) and 1 (scores) from raw scores: [n, classes], or, if `binary`, [n, 1] with the
// score of the second class, which wins above 0.5 (weights_positive) or 0.
bool ml_classify(OnnxNode *node, Value *scores, bool binary, bool weights_positive);

#endif
