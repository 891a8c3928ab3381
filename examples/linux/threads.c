/* One model, several threads: the weights and the code are shared, each thread has a context and a
 * workspace. A pool that splits single calls is the other way to use several cores.
 *
 *   tenon compile ../mnist/lenet5.onnx -o lenet5.o
 *   cc -I. -I../mnist threads.c ../../runtime/tenon_pool.c lenet5.o -pthread -o threads
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "digits.h"
#include "lenet5.h"
#include "tenon_pool.h"

enum { THREADS = 4, ROUNDS = 20 };

typedef struct Worker {
  TENON_ALIGNED(LENET5_WORKSPACE_ALIGN) unsigned char workspace[LENET5_WORKSPACE_BYTES];
  float logits[DIGIT_COUNT][10];
  const tenon_executor *executor;
  int error;
} Worker;

static Worker workers[THREADS + 2];

static void *recognise_all(void *user) {
  Worker *worker = (Worker *)user;
  tenon_context context = TENON_CONTEXT(LENET5, worker->workspace);
  float image[DIGIT_PIXELS];
  context.executor = worker->executor;
  for (int round = 0; round < ROUNDS && !worker->error; round++)
    for (int i = 0; i < DIGIT_COUNT && !worker->error; i++) {
      lenet5_inputs in = {image};
      lenet5_outputs out = {worker->logits[i]};
      for (int k = 0; k < DIGIT_PIXELS; k++) image[k] = (float)digits[i][k] / 255.0f;
      worker->error = lenet5_run(&context, &in, &out);
    }
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  tenon_pool *pool = tenon_pool_create(THREADS);
  if (!pool) return 4;
  recognise_all(&workers[THREADS]); /* alone: what the others must get, too */
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, recognise_all, &workers[i]);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  workers[THREADS + 1].executor = tenon_pool_executor(pool);
  recognise_all(&workers[THREADS + 1]);
  tenon_pool_destroy(pool);

  int different = 0;
  for (int i = 0; i < THREADS + 2; i++) {
    if (workers[i].error) fprintf(stderr, "lenet5: %s\n", tenon_error_text(workers[i].error));
    different += workers[i].error ||
                 memcmp(workers[i].logits, workers[THREADS].logits, sizeof workers[i].logits) != 0;
  }
  printf("%d of %d runs differ from the first\n", different, THREADS + 1);
  return different != 0;
}
