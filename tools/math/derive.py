#!/usr/bin/env python3
"""Derives the polynomials of runtime/kernels/vector/math_*.inc (docs/maths.md).

Each row of FITS is a function g on an interval and a weight; the Remez exchange finds the
polynomial of the given degree with the least maximum of weight * |g - p|, in 80 digits. Printed are
the coefficients, lowest power first, in C syntax, and the error that remains.
Needs mpmath. Usage: derive.py [NAME...]
"""
import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 80


def solve(g, weight, nodes, degree):
    """The polynomial whose weighted error alternates with equal magnitude over the nodes."""
    count = degree + 2
    matrix = mp.matrix(count, count)
    right = mp.matrix(count, 1)
    for row, x in enumerate(nodes):
        for power in range(degree + 1):
            matrix[row, power] = x**power
        matrix[row, degree + 1] = (-1) ** row / weight(x)
        right[row] = g(x)
    solution = mp.lu_solve(matrix, right)
    return [solution[i] for i in range(degree + 1)], abs(solution[degree + 1])


def error_at(g, weight, coefficients, x):
    return weight(x) * (g(x) - mp.polyval(coefficients[::-1], x))


def alternating_extrema(errors, grid, count):
    """One extremum per run of equal sign, the largest `count` neighbours of them."""
    best = []
    for x, e in zip(grid, errors):
        if best and (best[-1][1] > 0) == (e > 0):
            if abs(e) > abs(best[-1][1]):
                best[-1] = (x, e)
        else:
            best.append((x, e))
    while len(best) > count:
        best.pop(0 if abs(best[0][1]) < abs(best[-1][1]) else -1)
    return [x for x, _ in best]


def remez(g, weight, low, high, degree, rounds=6, points=400):
    low, high = mp.mpf(low), mp.mpf(high)
    middle, half = (low + high) / 2, (high - low) / 2
    count = degree + 2
    nodes = [middle - half * mp.cos(mp.pi * i / (count - 1)) for i in range(count)]
    grid = [middle - half * mp.cos(mp.pi * i / points) for i in range(points + 1)]
    coefficients, level = solve(g, weight, nodes, degree)
    for _ in range(rounds):
        errors = [error_at(g, weight, coefficients, x) for x in grid]
        extrema = alternating_extrema(errors, grid, count)
        if len(extrema) < count:
            break
        coefficients, level = solve(g, weight, extrema, degree)
    worst = max(abs(error_at(g, weight, coefficients, x)) for x in grid)
    return coefficients, worst


def series_safe(function, limit):
    """g(x) whose formula cancels at 0: the value at a tiny argument stands for the limit."""
    return lambda x: function(x if abs(x) > limit else mp.mpf(limit))


TINY = mp.mpf(10) ** -20
LN2 = mp.log(2)


def expm1_tail(r):  # e^r = 1 + r + r^2 g(r)
    return (mp.expm1(r) - r) / r**2


def exp2_tail(r):  # 2^r = 1 + r g(r)
    return mp.expm1(r * LN2) / r


def log1p_tail(f):  # log(1+f) = f - f^2/2 + f^3 g(f)
    return (mp.log1p(f) - f + f**2 / 2) / f**3


def log_ratio_tail(z):  # log((1+s)/(1-s)) = 2s + s z g(z), z = s^2
    s = mp.sqrt(z)
    return (mp.log((1 + s) / (1 - s)) - 2 * s) / (s * z)


def log2_ratio_tail(z):
    return log_ratio_tail(z) / LN2


def odd_tail(function):  # function(x) = x + x z g(z), z = x^2
    def g(z):
        x = mp.sqrt(z)
        return (function(x) - x) / (x * z)

    return series_safe(g, TINY)


def cos_tail(z):  # cos(x) = 1 - z/2 + z^2 g(z)
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def erf_ratio(z):  # erf(x) = x + x g(z), z = x^2
    x = mp.sqrt(z)
    return mp.erf(x) / x - 1


def log_erfc(a):
    return mp.log(mp.erfc(a))


def one(_):
    return mp.mpf(1)


QUARTER2 = mp.mpf("0.789") ** 2  # pi/4 and what the rounded quadrant adds
ATAN2 = (mp.tan(mp.pi / 8) * mp.mpf("1.001")) ** 2
SQRT2 = mp.sqrt(2)
RATIO2 = ((SQRT2 - 1) / (SQRT2 + 1)) ** 2
# name: (g, weight, low, high, degree, digits)
FITS = {
    "expm1_f32": (series_safe(expm1_tail, TINY), lambda r: max(r * r, mp.mpf("1e-6")), -0.3467, 0.3467, 4, "f"),
    "exp2_f32": (series_safe(exp2_tail, TINY), lambda r: max(abs(r), mp.mpf("1e-4")), -0.5001, 0.5001, 5, "f"),
    "log1p_f32": (series_safe(log1p_tail, mp.mpf("1e-9")), lambda f: max(f * f, mp.mpf("1e-5")), -0.29293, 0.41422, 8, "f"),
    "log2_ratio_f32": (series_safe(log2_ratio_tail, TINY), one, 0, RATIO2 * 1.001, 3, "f"),
    "erf_small_f32": (series_safe(erf_ratio, TINY), lambda z: 1 / (1 + erf_ratio(max(z, TINY))), 0, 0.9, 5, "f"),
    "erf_large_f32": (log_erfc, lambda a: mp.erfc(a), 0.92, 4.0, 6, "f"),
    "sin_f32": (odd_tail(mp.sin), one, 0, QUARTER2, 2, "f"),
    "cos_f32": (series_safe(cos_tail, TINY), one, 0, QUARTER2, 2, "f"),
    "asin_f32": (odd_tail(mp.asin), one, 0, 0.2501, 4, "f"),
    "atan_f32": (odd_tail(mp.atan), one, 0, ATAN2, 4, "f"),
    "expm1_f64": (series_safe(expm1_tail, TINY), lambda r: max(r * r, mp.mpf("1e-6")), -0.3467, 0.3467, 10, "d"),
    "log_ratio_f64": (series_safe(log_ratio_tail, TINY), one, 0, RATIO2 * 1.001, 6, "d"),
    "erf_small_f64": (series_safe(erf_ratio, TINY), one, 0, 1.0, 12, "d"),
    "erf_large_f64": (log_erfc, lambda a: mp.erfc(a), 1.0, 6.0, 15, "d"),
    "log2_ratio_f64": (series_safe(log2_ratio_tail, TINY), one, 0, RATIO2 * 1.001, 6, "d"),
    "exp2_f64": (series_safe(exp2_tail, TINY), lambda r: max(abs(r), mp.mpf("1e-4")), -0.5001, 0.5001, 11, "d"),
    "sin_f64": (odd_tail(mp.sin), one, 0, QUARTER2, 5, "d"),
    "cos_f64": (series_safe(cos_tail, TINY), one, 0, QUARTER2, 5, "d"),
    "asin_f64": (odd_tail(mp.asin), one, 0, 0.2501, 11, "d"),
    "atan_f64": (odd_tail(mp.atan), one, 0, ATAN2, 10, "d"),
}


def parts(value, bits, count):
    """value as a sum of numbers of so many bits, the last one as a full double."""
    result = []
    for _ in range(count - 1):
        exponent = mp.floor(mp.log(abs(value), 2)) - bits + 1
        head = mp.floor(value / mp.mpf(2) ** exponent) * mp.mpf(2) ** exponent
        result.append(head)
        value -= head
    return [float(x).hex() for x in result + [value]]


def words_of_two_over_pi(count):
    """The first bits of 2/pi in words of 32."""
    value, words = 2 / mp.pi, []
    for _ in range(count):
        value *= mp.mpf(2) ** 32
        words.append(int(mp.floor(value)))
        value -= words[-1]
    return [f"0x{word:08x}" for word in words]


def literal(value, kind):
    if kind == "f":
        return f"{float(np.float32(float(value))):.9g}f"
    return f"{float(value):.17g}"


def main(names):
    for name in names or FITS:
        g, weight, low, high, degree, kind = FITS[name]
        coefficients, worst = remez(g, weight, low, high, degree)
        text = ", ".join(literal(c, kind) for c in coefficients)
        print(f"{name}: error {mp.nstr(worst, 3)}\n  {text}")
    if names:
        return
    mp.mp.dps = 450
    half_pi, ratio = mp.pi / 2, 2 / mp.log(2)
    print("pi/2, 8 bits each:", parts(half_pi, 8, 4))
    print("pi/2, 33 bits each:", parts(half_pi, 33, 4))
    print("2/ln 2, 24 and 53 bits:", parts(ratio, 24, 2), parts(ratio, 53, 2))
    print("ln 2, 9 and 32 bits:", parts(mp.log(2), 9, 2), parts(mp.log(2), 32, 2))
    print("2/pi:", ", ".join(words_of_two_over_pi(40)))


if __name__ == "__main__":
    main(sys.argv[1:])
