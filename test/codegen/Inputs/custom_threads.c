/* The example's model on four threads at once, each with a workspace of its own. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "scorer.h"

enum { THREADS = 4, RUNS = 2000, FRAMES = 3 };

static void *work(void *argument) {
  static const float features[THREADS][FRAMES * 8] = {{1, 2, 3}, {-1, 0.5f}, {0, 0, 0, 4}, {3, -2, 1, 7}};
  unsigned char workspace[SCORER_WORKSPACE_BYTES] TENON_ALIGNED(SCORER_WORKSPACE_ALIGN);
  int32_t rank[2][SCORER_N_MAX * 4] = {{0}};
  float best[2][SCORER_N_MAX] = {{0}};
  long number = (long)argument, wrong = 0;
  for (int run = 0; run < RUNS; run++) {
    tenon_context context = TENON_CONTEXT(SCORER, workspace);
    scorer_inputs in = {features[number], FRAMES};
    scorer_outputs out = {rank[run > 0], best[run > 0]};
    wrong += scorer_run(&context, &in, &out) != 0;
    wrong += run && (memcmp(rank[0], rank[1], sizeof rank[0]) || memcmp(best[0], best[1], sizeof best[0]));
  }
  return (void *)wrong;
}

int main(void) {
  pthread_t threads[THREADS];
  long wrong = 0;
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
  for (int i = 0; i < THREADS; i++) {
    void *found;
    pthread_join(threads[i], &found);
    wrong += (long)found;
  }
  printf("%ld of %d runs are wrong\n", wrong, THREADS * RUNS);
  return wrong != 0;
}
