// What the attributes of lstm, gru and rnn say, for inference, interpreter and code generation.
#ifndef TENON_IR_RECURRENT_H
#define TENON_IR_RECURRENT_H

#include "ir/graph.h"

enum { // operands
  RECURRENT_X,
  RECURRENT_W,
  RECURRENT_R,
  RECURRENT_B,
  RECURRENT_LENGTHS,
  RECURRENT_H0,
  RECURRENT_C0,
  RECURRENT_PEEPHOLE
};

typedef enum ActivationKind {
  ACTIVATION_SIGMOID,
  ACTIVATION_TANH,
  ACTIVATION_RELU,
  ACTIVATION_AFFINE,
  ACTIVATION_LEAKY_RELU,
  ACTIVATION_THRESHOLDED_RELU,
  ACTIVATION_SCALED_TANH,
  ACTIVATION_HARD_SIGMOID,
  ACTIVATION_ELU,
  ACTIVATION_SOFTSIGN,
  ACTIVATION_SOFTPLUS,
  ACTIVATION_KINDS
} ActivationKind;

typedef struct Activation {
  ActivationKind kind;
  double alpha, beta;
} Activation;

enum { MAX_RECURRENT_ACTIVATIONS = 3 };

typedef struct Recurrent {
  int directions;       // 1 or 2
  bool reverse[2];      // per direction
  int activation_count; // per direction: 3, 2, 1 (f, g, h of the ONNX documents)
  Activation activations[2][MAX_RECURRENT_ACTIVATIONS];
  double clip; // 0: none
} Recurrent;

// Reads and checks the attributes; false: reported.
bool recurrent_describe(const Node *node, Diag *diag, Recurrent *recurrent);

#endif
