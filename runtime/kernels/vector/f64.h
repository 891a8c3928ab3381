// Constants and polynomials for double (tools/math/derive.py).
#define TYPE f64
#define TYPE_INT i64
#define TYPE_UINT u64
#define R(literal) literal
#define SIGN_BIT UINT64_C(0x8000000000000000)
#define EXPONENT_BIAS UINT64_C(1023)
#define MANTISSA_BITS 52
#define MANTISSA_MASK UINT64_C(0x000fffffffffffff)
#define HIGH_HALF_MASK UINT64_C(0xfffffffff8000000) // 26 of 53 bits
#define SQRT_HALF_BITS UINT64_C(0x3fe6a09e667f3bcd)
#define INFINITY_BITS UINT64_C(0x7ff0000000000000)
#define NAN_BITS UINT64_C(0x7ff8000000000000)
#define SMALLEST_NORMAL 0x1p-1022
#define INTEGERS_FROM 0x1p52 // from here on every number is an integer
#define ROUNDER 0x1.8p52     // x + ROUNDER has the nearest integer in its low bits
#define ROUNDER_BITS UINT64_C(0x4338000000000000)

#define LN2_HIGH 0x1.62e42feep-1 // 32 bits: n * LN2_HIGH is exact
#define LN2_LOW 0x1.a39ef35793c76p-33
#define EXP_LOW -746.0       // below, exp rounds to 0
#define EXP_UNDERFLOW -709.0 // n = -1023
#define EXP_HIGH 710.7       // above sinh's overflow, below the overflow of 2^(n-2)
#define EXPM1_LOW -38.0
#define TANH_HIGH 20.0
#define ERF_HIGH 6.0
#define ERF_SPLIT 1.0
#define SERIES_HIGH 0x1p60 // above, x + 1 and x * x + 1 are x and x * x

#define EXPM1_TAIL(r)                                                                              \
  HORNER(11, r, 0.5, 0.16666666666666685, 0.041666666666666727, 0.0083333333333167024,             \
         0.0013888888888858365, 0.0001984126989714858, 2.4801587373816976e-05,                     \
         2.7557234146014495e-06, 2.7557233325127991e-07, 2.5112271895689852e-08,                   \
         2.0926949472497796e-09)
#define EXP2_TAIL(r)                                                                               \
  HORNER(12, r, 0.69314718055994529, 0.24022650695910072, 0.055504108664821701,                    \
         0.009618129107628496, 0.0013333558146390414, 0.00015403530393341024,                      \
         1.5252733856260291e-05, 1.3215486833122283e-06, 1.0178051199442118e-07,                   \
         7.054888227410868e-09, 4.4566752078748679e-10, 2.5741838972467948e-11)
#define LOG_RATIO_TAIL(z)                                                                          \
  HORNER(7, z, 0.66666666666666696, 0.39999999999897884, 0.28571428626653256, 0.22222211031409031, \
         0.18182896232046131, 0.15331496999487879, 0.14619105768066426)
#define LOG2_RATIO_TAIL(z)                                                                         \
  HORNER(7, z, 0.961796693925976, 0.57707801635411216, 0.41219858390785619, 0.32059873652601822,   \
         0.26232374222971572, 0.22118674690565185, 0.21090911393820674)
#define LOG2_RATIO_HIGH 0x1.71547652b82fep+1 // 2 / ln 2
#define LOG2_RATIO_LOW 0x1.777d0ffda0d24p-55
#define ERF_SMALL(z)                                                                               \
  HORNER(13, z, 0.12837916709551259, -0.37612638903183748, 0.11283791670954885,                    \
         -0.026866170645077844, 0.0052239776248281669, -0.00085483269814126228,                    \
         0.00012055331132544963, -1.4925595763432865e-05, 1.6461008352010847e-06,                  \
         -1.6350395016823394e-07, 1.4660321333860872e-08, -1.1374929563232905e-09,                 \
         5.9606445484463682e-11)
#define ERFC_LOG(a)                                                                                \
  HORNER(16, a, -1.8067879576595547e-06, -1.1283618599341265, -0.63669678787987527,                \
         -0.10256126599221325, 0.018728277018200696, 0.00076312464223056463,                       \
         -0.0022747221993148596, 0.0010525927319180403, -0.00030817217863022113,                   \
         6.3227834783114389e-05, -8.7934791904684726e-06, 6.7486538826395008e-07,                  \
         8.8796727545031413e-09, -8.2442723325829239e-09, 8.1963549139798367e-10,                  \
         -2.9496686169252819e-11)
#define SIN_TAIL(z)                                                                                \
  HORNER(6, z, -0.16666666666666666, 0.0083333333333308387, -0.00019841269836593216,               \
         2.7557316017002416e-06, -2.50511140694633e-08, 1.5916852927845433e-10)
#define COS_TAIL(z)                                                                                \
  HORNER(6, z, 0.041666666666666664, -0.0013888888888887328, 2.4801587298662063e-05,               \
         -2.7557317218130432e-07, 2.0876135133423371e-09, -1.1381832988658068e-11)
#define ASIN_TAIL(z)                                                                               \
  HORNER(12, z, 0.16666666666666646, 0.07500000000023381, 0.04464285709920366,                     \
         0.030381947632294029, 0.022372039089948691, 0.017355420375713814, 0.013927775487333286,   \
         0.01188959962086885, 0.0077348940957788822, 0.016239350434421294, -0.011093987596872877,  \
         0.028421234144944907)
#define ATAN_TAIL(z)                                                                               \
  HORNER(11, z, -0.33333333333333331, 0.19999999999995699, -0.14285714284699272,                   \
         0.11111111017579553, -0.09090904661736407, 0.076921849159389877, -0.066645330659220819,   \
         0.058583161383467204, -0.050862290277691666, 0.03925169335240259, -0.01919869014585136)

#define TWO_OVER_PI 0.63661977236758134308
#define HALF_PI_1 0x1.921fb544p0 // 33 bits each: n * HALF_PI_1 is exact for n below 2^20
#define HALF_PI_2 0x1.0b4611a6p-34
#define HALF_PI_3 0x1.3198a2e0p-69
#define HALF_PI_4 0x1.b839a252049c1p-104
#define REDUCE_HIGH 1e6 // above, the reduction takes the digits of 2/pi that it needs
#define REDUCE_WORDS 5  // 160 bits

#define POWER_HIGH 0x1p64 // an exponent beyond acts like infinity, for every base but 1
#define EXP2_HIGH 1100.0  // 2^1100 overflows, 2^-1100 is 0
#define SQRT_SCALE 0x1p54
#define SQRT_UNSCALE 0x1p-27
#define WORD_BITS 64
#define MODULUS_STEP 11 // a remainder shifted by this still fits into a word
