// Attributes of the recurrent ops: directions and activations.
#include "ir/recurrent.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "ir/infer_checks.h"

// Names and default parameters as in the ONNX documents.
static const struct {
  const char *name;
  double alpha, beta;
} activation_table[ACTIVATION_KINDS] = {
    [ACTIVATION_SIGMOID] = {"sigmoid", 0, 0},
    [ACTIVATION_TANH] = {"tanh", 0, 0},
    [ACTIVATION_RELU] = {"relu", 0, 0},
    [ACTIVATION_AFFINE] = {"affine", 1, 0},
    [ACTIVATION_LEAKY_RELU] = {"leakyrelu", 0.01, 0},
    [ACTIVATION_THRESHOLDED_RELU] = {"thresholdedrelu", 1, 0},
    [ACTIVATION_SCALED_TANH] = {"scaledtanh", 1, 1},
    [ACTIVATION_HARD_SIGMOID] = {"hardsigmoid", 0.2, 0.5},
    [ACTIVATION_ELU] = {"elu", 1, 0},
    [ACTIVATION_SOFTSIGN] = {"softsign", 0, 0},
    [ACTIVATION_SOFTPLUS] = {"softplus", 0, 0},
};

static bool find_activation(const char *name, size_t length, Activation *activation) {
  for (int i = 0; i < ACTIVATION_KINDS; i++) {
    if (strlen(activation_table[i].name) != length ||
        strncasecmp(name, activation_table[i].name, length))
      continue;
    *activation =
        (Activation){(ActivationKind)i, activation_table[i].alpha, activation_table[i].beta};
    return true;
  }
  return false;
}

static void default_activations(OpCode op, Recurrent *recurrent) {
  recurrent->activation_count = op == OP_LSTM ? 3 : op == OP_GRU ? 2 : 1;
  for (int d = 0; d < 2; d++)
    for (int i = 0; i < recurrent->activation_count; i++)
      recurrent->activations[d][i].kind =
          i == 0 && op != OP_RNN ? ACTIVATION_SIGMOID : ACTIVATION_TANH;
}

// Reads the names, separated by commas, over all directions; none at all: the defaults.
static bool read_activations(const Node *node, Diag *diag, Recurrent *recurrent) {
  default_activations(node->op, recurrent);
  const char *text = node_string(node, ATTR_ACTIVATIONS);
  int wanted = recurrent->directions * recurrent->activation_count, count = 0, scale_count;
  const double *scales = node_floats(node, ATTR_SCALES, &scale_count);
  while (*text) {
    size_t length = strcspn(text, ",");
    if (count == wanted) return refuse(node, diag, "more than %d activations", wanted);
    Activation *activation = &recurrent->activations[count / recurrent->activation_count]
                                                    [count % recurrent->activation_count];
    if (!find_activation(text, length, activation))
      return refuse(node, diag, "unknown activation '%.*s'", (int)length, text);
    if (2 * count + 1 < scale_count) {
      if (!isnan(scales[2 * count])) activation->alpha = scales[2 * count];
      if (!isnan(scales[2 * count + 1])) activation->beta = scales[2 * count + 1];
    }
    count++;
    text += length + (text[length] == ',');
  }
  if (count && count != wanted) return refuse(node, diag, "%d activations, not %d", count, wanted);
  return true;
}

bool recurrent_describe(const Node *node, Diag *diag, Recurrent *recurrent) {
  *recurrent = (Recurrent){.directions = 1, .clip = node_float(node, ATTR_CLIP)};
  const char *direction = node_string(node, ATTR_DIRECTION);
  if (!strcmp(direction, "reverse"))
    recurrent->reverse[0] = true;
  else if (!strcmp(direction, "bidirectional"))
    recurrent->directions = 2;
  else if (strcmp(direction, "forward"))
    return refuse(node, diag, "direction '%s' is none of forward, reverse, bidirectional",
                  direction);
  recurrent->reverse[1] = true;
  if (!(recurrent->clip >= 0)) return refuse(node, diag, "clip is negative");
  return read_activations(node, diag, recurrent);
}
