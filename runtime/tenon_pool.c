/* A thread pool. Tasks are handed out by an atomic counter, so that a slow core takes fewer. Idle
   workers spin for a moment before they sleep: between two layers of a model there are only
   microseconds. */
#include "tenon_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPINS = 2000 };

struct tenon_pool {
  tenon_executor executor;
  int workers; /* threads besides the caller */
  pthread_t *threads;
  pthread_mutex_t busy; /* held by the caller whose job runs */
  pthread_mutex_t mutex;
  pthread_cond_t wake, finished;
  unsigned job; /* number of the current job; changes under the mutex */
  int sleeping; /* workers in pthread_cond_wait */
  int working;  /* workers that have not finished the current job */
  int stop;
  void (*function)(void *argument, size_t task);
  void *argument;
  size_t tasks, next;
};

static void work(tenon_pool *pool) {
  size_t task;
  while ((task = __atomic_fetch_add(&pool->next, 1, __ATOMIC_RELAXED)) < pool->tasks)
    pool->function(pool->argument, task);
}

static void pause_a_moment(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Waits for a job other than `last`; returns its number. */
static unsigned wait_for_job(tenon_pool *pool, unsigned last) {
  unsigned job = last;
  int i;
  for (i = 0; i < SPINS; i++) {
    job = __atomic_load_n(&pool->job, __ATOMIC_ACQUIRE);
    if (job != last) return job;
    pause_a_moment();
  }
  pthread_mutex_lock(&pool->mutex);
  pool->sleeping++;
  while (pool->job == last) pthread_cond_wait(&pool->wake, &pool->mutex);
  pool->sleeping--;
  job = pool->job;
  pthread_mutex_unlock(&pool->mutex);
  return job;
}

static void *worker(void *user) {
  tenon_pool *pool = (tenon_pool *)user;
  unsigned job = 0;
  for (;;) {
    job = wait_for_job(pool, job);
    if (pool->stop) return NULL;
    work(pool);
    if (__atomic_sub_fetch(&pool->working, 1, __ATOMIC_ACQ_REL) == 0) {
      pthread_mutex_lock(&pool->mutex);
      pthread_cond_signal(&pool->finished);
      pthread_mutex_unlock(&pool->mutex);
    }
  }
}

/* Gives the workers a new job; everything that they read is written before. */
static void announce(tenon_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  __atomic_store_n(&pool->job, pool->job + 1, __ATOMIC_RELEASE);
  if (pool->sleeping) pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

static void wait_for_workers(tenon_pool *pool) {
  int i;
  for (i = 0; i < SPINS; i++) {
    if (__atomic_load_n(&pool->working, __ATOMIC_ACQUIRE) == 0) return;
    pause_a_moment();
  }
  pthread_mutex_lock(&pool->mutex);
  while (__atomic_load_n(&pool->working, __ATOMIC_ACQUIRE))
    pthread_cond_wait(&pool->finished, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
}

static void parallel_for(void *context, size_t tasks, void (*function)(void *argument, size_t task),
                         void *argument) {
  tenon_pool *pool = (tenon_pool *)context;
  size_t task;
  if (tasks < 2 || !pool->workers || pthread_mutex_trylock(&pool->busy)) {
    for (task = 0; task < tasks; task++) function(argument, task);
    return;
  }
  pool->function = function;
  pool->argument = argument;
  pool->tasks = tasks;
  pool->next = 0;
  pool->working = pool->workers;
  announce(pool);
  work(pool);
  wait_for_workers(pool);
  pthread_mutex_unlock(&pool->busy);
}

tenon_pool *tenon_pool_create(int threads) {
  tenon_pool *pool = (tenon_pool *)calloc(1, sizeof *pool);
  int wanted;
  if (!pool) return NULL;
  if (threads <= 0) threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
  wanted = threads > 1 ? threads - 1 : 0;
  pool->executor.parallel_for = parallel_for;
  pool->executor.context = pool;
  pthread_mutex_init(&pool->busy, NULL);
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->finished, NULL);
  pool->threads = (pthread_t *)calloc((size_t)wanted + 1, sizeof *pool->threads);
  while (pool->threads && pool->workers < wanted &&
         !pthread_create(&pool->threads[pool->workers], NULL, worker, pool))
    pool->workers++;
  if (pool->threads && pool->workers == wanted) return pool;
  tenon_pool_destroy(pool);
  return NULL;
}

int tenon_pool_threads(const tenon_pool *pool) { return pool->workers + 1; }

const tenon_executor *tenon_pool_executor(tenon_pool *pool) { return &pool->executor; }

void tenon_pool_destroy(tenon_pool *pool) {
  int i;
  if (!pool) return;
  pool->stop = 1;
  announce(pool);
  for (i = 0; i < pool->workers; i++) pthread_join(pool->threads[i], NULL);
  pthread_cond_destroy(&pool->finished);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  pthread_mutex_destroy(&pool->busy);
  free(pool->threads);
  free(pool);
}
