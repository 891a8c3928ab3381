/* tenon_pool.h - a small thread pool for tenon_context.executor. POSIX threads; C99 or C++.
   Compile tenon_pool.c into the application, or bring an executor of your own. */
#ifndef TENON_POOL_H
#define TENON_POOL_H
#include "tenon.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct tenon_pool tenon_pool;

/* A pool in which `threads` threads work, the calling one included; 0: one for each processor that
   is online. NULL: out of memory, or no thread could be started. */
tenon_pool *tenon_pool_create(int threads);
int tenon_pool_threads(const tenon_pool *pool);
/* What goes into tenon_context.executor; valid until the pool is destroyed. Several threads may use
   it at once: one of them gets the pool, the others run their tasks themselves. */
const tenon_executor *tenon_pool_executor(tenon_pool *pool);
void tenon_pool_destroy(tenon_pool *pool); /* nobody may be using it; NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
