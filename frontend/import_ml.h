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
// The input as f32[n, features]; NULL: reported.
Value *ml_features(OnnxNode *node);
// The first class with the highest score of each row, i64[n].
Value *ml_best_class(OnnxNode *node, Value *scores);
// Result 0: the labels of these classes.
bool ml_output_label(OnnxNode *node, Value *index);
// Number of class labels of the node (integers or strings).
int ml_class_count(OnnxNode *node);
// What the scores are: one for each class, or only that of the second of two classes.
typedef enum BinaryScore {
  SCORE_EACH,
  SCORE_SHARE,  // a share of votes: it wins above 1/2, the other class has the rest to 1
  SCORE_MARGIN, // it wins above 0, the other class has its negative
  SCORE_LINEAR  // it wins above 0; written like a share, as ONNX Runtime does
} BinaryScore;
// Results 0 (label) and 1 (scores) from raw scores: [n, classes], or [n, 1].
bool ml_classify(OnnxNode *node, Value *scores, BinaryScore kind);

#endif
