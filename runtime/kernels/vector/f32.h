// Constants and polynomials for float (tools/math/derive.py).
#define TYPE f32
#define TYPE_INT i32
#define TYPE_UINT u32
#define R(literal) literal##f
#define SIGN_BIT UINT32_C(0x80000000)
#define EXPONENT_BIAS UINT32_C(127)
#define MANTISSA_BITS 23
#define MANTISSA_MASK UINT32_C(0x007fffff)
#define HIGH_HALF_MASK UINT32_C(0xfffff000) // 12 of 24 bits: products of two such are exact
#define SQRT_HALF_BITS UINT32_C(0x3f3504f3)
#define INFINITY_BITS UINT32_C(0x7f800000)
#define NAN_BITS UINT32_C(0x7fc00000)
#define SMALLEST_NORMAL 0x1p-126f
#define INTEGERS_FROM 0x1p23f // from here on every number is an integer
#define ROUNDER 0x1.8p23f     // x + ROUNDER has the nearest integer in its low bits
#define ROUNDER_BITS UINT32_C(0x4b400000)

#define LN2_HIGH 0x1.63p-1f // 9 bits: n * LN2_HIGH is exact
#define LN2_LOW -2.12194440e-4f
#define EXP_LOW -104.0f      // below, exp rounds to 0
#define EXP_UNDERFLOW -88.0f // n = -127
#define EXP_HIGH 89.5f       // above sinh's overflow, below the overflow of 2^(n-2)
#define EXPM1_LOW -18.0f
#define TANH_HIGH 10.0f
#define ERF_HIGH 4.0f
#define ERF_SPLIT 0.93f
#define SERIES_HIGH 0x1p30f // above, x + 1 and x * x + 1 are x and x * x

#define EXPM1_TAIL(r) HORNER(5, r, 0.5f, 0.166665182f, 0.041666206f, 0.00836890843f, 0.0013950537f)
#define EXP2_TAIL(r)                                                                               \
  HORNER(6, r, 0.693147182f, 0.240226507f, 0.055503279f, 0.00961800385f, 0.00134002953f,           \
         0.000154763518f)
#define LOG1P_TAIL(f)                                                                              \
  HORNER(9, f, 0.333333105f, -0.249999866f, 0.200022265f, -0.166692585f, 0.142186478f,             \
         -0.123841971f, 0.118729211f, -0.117907546f, 0.0691666007f)
#define LOG2_RATIO_TAIL(z) HORNER(4, z, 0.961796701f, 0.577079773f, 0.411899507f, 0.336630076f)
#define LOG2_RATIO_HIGH 2.88539004f // 2 / ln 2
#define LOG2_RATIO_LOW 3.85195561e-8f
#define ERF_SMALL(z)                                                                               \
  HORNER(6, z, 0.128379136f, -0.376124471f, 0.112813458f, -0.026749745f, 0.00496874517f,           \
         -0.000586811802f)
#define ERFC_LOG(a)                                                                                \
  HORNER(7, a, -0.000207049103f, -1.12762725f, -0.63726604f, -0.103856094f, 0.0221896339f,         \
         -0.00303365476f, 0.00019494271f)
#define SIN_TAIL(z) HORNER(3, z, -0.166666642f, 0.00833273865f, -0.000195856977f)
#define COS_TAIL(z) HORNER(3, z, 0.0416666642f, -0.00138882932f, 2.45457231e-05f)
#define ASIN_TAIL(z)                                                                               \
  HORNER(5, z, 0.166666731f, 0.0749875903f, 0.0450207666f, 0.0264292788f, 0.0383375622f)
#define ATAN_TAIL(z)                                                                               \
  HORNER(5, z, -0.333333313f, 0.199995562f, -0.142643943f, 0.107476197f, -0.0646269247f)

#define TWO_OVER_PI 0.63661977236758134308f
#define HALF_PI_1 0x1.92p0f // 8 bits each: n * HALF_PI_1 is exact for n below 2^16
#define HALF_PI_2 0x1.fap-12f
#define HALF_PI_3 0x1.54p-20f
#define HALF_PI_4 0x1.10b462p-30f
#define REDUCE_HIGH 1e5f // above, the reduction takes the digits of 2/pi that it needs
#define REDUCE_WORDS 3   // 96 bits

#define POWER_HIGH 0x1p32f // an exponent beyond acts like infinity, for every base but 1
#define EXP2_HIGH 160.0f   // 2^160 overflows, 2^-160 is 0
#define SQRT_SCALE 0x1p24f
#define SQRT_UNSCALE 0x1p-12f
#define WORD_BITS 32
#define MODULUS_STEP 8 // a remainder shifted by this still fits into a word
