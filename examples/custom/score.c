/* Scores frames of features with a model that needs two operators of its own, which operators.c
 * has.
 *
 *   tenon compile scorer.onnx -o scorer.o --dim N=1..4 --custom
 * 'acme:SoftThreshold=acme_soft_threshold{pure}' \
 *                 --custom 'acme:WeightedRank=acme_weighted_rank{workspace=4*in0.1}'
 *   cc score.c operators.c scorer.o -o score && ./score
 */
#include <stdio.h>

#include "scorer.h"

static unsigned char workspace[SCORER_WORKSPACE_BYTES] TENON_ALIGNED(SCORER_WORKSPACE_ALIGN);

static int score(const float *features, size_t frames) {
  int32_t rank[SCORER_N_MAX * 4];
  float best[SCORER_N_MAX];
  tenon_context context = TENON_CONTEXT(SCORER, workspace);
  scorer_inputs in = {features, frames};
  scorer_outputs out = {rank, best};
  int error = scorer_run(&context, &in, &out);
  if (error) {
    printf("%s: %s\n", context.op >= 0 ? scorer_model.ops[context.op] : "the call",
           tenon_error_text(error));
    return error;
  }
  for (size_t i = 0; i < frames; i++)
    printf("frame %d: %d %d %d %d, best %.4f\n", (int)i, (int)rank[4 * i], (int)rank[4 * i + 1],
           (int)rank[4 * i + 2], (int)rank[4 * i + 3], (double)best[i]);
  return 0;
}

int main(void) {
  static const float features[3 * 8] = {1, 0, 0, 0,  0,  0,  0,  0,  0.5f, 1, -1, 2,
                                        0, 1, 3, -2, -1, -1, -1, -1, 1,    1, 1,  1};
  return score(features, 3);
}
