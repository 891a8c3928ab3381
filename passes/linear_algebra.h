// Dense linear algebra in double precision: LAPACK and BLAS, by OpenBLAS. Matrices are row-major.
#ifndef TENON_PASSES_LINEAR_ALGEBRA_H
#define TENON_PASSES_LINEAR_ALGEBRA_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/arena.h"
#include "ir/diag.h"

// To be called before the others; the first call loads the library. False: reported.
bool linear_algebra_open(Diag *diag);

// a [rows, columns] = u [rows, k] * diag(s) * vt [k, columns], s falling, k = min(rows, columns).
// `a` is overwritten. False: no decomposition was found. (LAPACK dgesdd)
bool linear_algebra_svd(int64_t rows, int64_t columns, double *a, double *u, double *s, double *vt);

// The upper triangle of a [size, size] becomes R with a = R'R. False: a is not positive definite.
// (LAPACK dpotrf)
bool linear_algebra_cholesky(int64_t size, double *a);

// upper triangle of gram [depth, depth] += x'x, x [count, depth] with rows `stride` elements apart.
// (BLAS dsyrk)
void linear_algebra_add_gram(int64_t count, int64_t depth, const double *x, int64_t stride,
                             double *gram);

// c [rows, columns] = a [rows, depth] * b [depth, columns]; rows of a matrix are `.._stride`
// elements apart. (BLAS dgemm)
void linear_algebra_multiply(int64_t rows, int64_t columns, int64_t depth, const double *a,
                             int64_t a_stride, const double *b, int64_t b_stride, double *c,
                             int64_t c_stride);

#endif
