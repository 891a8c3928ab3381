// OpenBLAS is opened when a pass needs it, not linked: it chooses its kernels when it is loaded,
// and these and the number of threads decide the last bits of its sums. It is told to take kernels
// that each processor of the family can run, and one thread, so that a pass gives the same bits
// everywhere. (SVDs of ResNet-18 take a fifth longer than with the fastest kernels.)
#include "passes/linear_algebra.h"

#include <dlfcn.h>
#include <stdlib.h>

#ifdef __x86_64__
static const char core[] = "Prescott";
#else
static const char core[] = "ARMV8";
#endif

// Fortran: matrices are column-major, so that each of ours is its transpose to the library.
typedef void Gesdd(const char *job, const int *m, const int *n, double *a, const int *a_stride,
                   double *s, double *u, const int *u_stride, double *vt, const int *vt_stride,
                   double *work, const int *work_size, int *integers, int *info);
typedef void Potrf(const char *triangle, const int *n, double *a, const int *a_stride, int *info);
typedef void Syrk(const char *triangle, const char *transposed, const int *n, const int *k,
                  const double *alpha, const double *a, const int *a_stride, const double *beta,
                  double *c, const int *c_stride);
typedef void Gemm(const char *a_transposed, const char *b_transposed, const int *m, const int *n,
                  const int *k, const double *alpha, const double *a, const int *a_stride,
                  const double *b, const int *b_stride, const double *beta, double *c,
                  const int *c_stride);

static struct Library {
  void *handle;
  Gesdd *gesdd;
  Potrf *potrf;
  Syrk *syrk;
  Gemm *gemm;
} library;

static bool find(const char *name, void *function) {
  return (*(void **)function = dlsym(library.handle, name)) != NULL;
}

bool linear_algebra_open(Diag *diag) {
  if (library.handle) return true;
  setenv("OPENBLAS_CORETYPE", core, 1);
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  library.handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library.handle && find("dgesdd_", &library.gesdd) && find("dpotrf_", &library.potrf) &&
      find("dsyrk_", &library.syrk) && find("dgemm_", &library.gemm))
    return true;
  diag_error(diag, (Loc){0}, "this pass needs OpenBLAS with LAPACK: %s", dlerror());
  if (library.handle) dlclose(library.handle);
  library.handle = NULL;
  return false;
}

bool linear_algebra_svd(int64_t rows, int64_t columns, double *a, double *u, double *s,
                        double *vt) {
  int m = (int)columns, n = (int)rows, k = m < n ? m : n, info = 0, size = -1; // -1: asks for it
  double wanted = 0;
  Arena *scratch = arena_create();
  int *integers = NEW_ARRAY(scratch, int, 8 * (int64_t)k + 1);
  library.gesdd("S", &m, &n, a, &m, s, vt, &m, u, &k, &wanted, &size, integers, &info);
  if (info == 0) {
    size = (int)wanted;
    double *work = NEW_ARRAY(scratch, double, (int64_t)size + 1);
    library.gesdd("S", &m, &n, a, &m, s, vt, &m, u, &k, work, &size, integers, &info);
  }
  arena_destroy(scratch);
  return info == 0;
}

bool linear_algebra_cholesky(int64_t size, double *a) {
  int n = (int)size, info = 0;
  library.potrf("L", &n, a, &n, &info);
  return info == 0;
}

void linear_algebra_add_gram(int64_t count, int64_t depth, const double *x, int64_t stride,
                             double *gram) {
  int n = (int)depth, k = (int)count, x_stride = (int)stride;
  double one = 1;
  library.syrk("L", "N", &n, &k, &one, x, &x_stride, &one, gram, &n);
}

void linear_algebra_multiply(int64_t rows, int64_t columns, int64_t depth, const double *a,
                             int64_t a_stride, const double *b, int64_t b_stride, double *c,
                             int64_t c_stride) {
  int m = (int)columns, n = (int)rows, k = (int)depth, lda = (int)a_stride, ldb = (int)b_stride,
      ldc = (int)c_stride;
  double one = 1, zero = 0;
  library.gemm("N", "N", &m, &n, &k, &one, b, &ldb, a, &lda, &zero, c, &ldc);
}
