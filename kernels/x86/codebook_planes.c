/*
 * The byte tables of the codebooks, expanded from codebooks.def; cache line aligned for the vector loads.
 */
#include "kernels/x86/codebook_planes.h"

#define EACH(F, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                              \
    F(a), F(b), F(c), F(d), F(e), F(f), F(g), F(h), F(i), F(j), F(k), F(l), F(m), F(n), F(o), F(p),

/* Halves of a point of 8 x 2 bits, and of 4 x 3 bits. */
#define LOW8(x)  ((x)&255)
#define HIGH8(x) ((x) >> 8)
#define LOW6(x)  (((x)&7) << 3 | ((x) >> 3 & 7))
#define HIGH6(x) LOW6((x) >> 6)

#define TABLE(name, n) const uint8_t name[2][n] __attribute__((aligned(64)))

/* clang-format off */
TABLE(qb_planes_iq2xxs, 256) = {
    {
#define QB_POINTS_IQ2XXS(...) EACH(LOW8, __VA_ARGS__)
#include "kernels/codebooks.def"
    }, {
#define QB_POINTS_IQ2XXS(...) EACH(HIGH8, __VA_ARGS__)
#include "kernels/codebooks.def"
    }};
TABLE(qb_planes_iq2xs, 512) = {
    {
#define QB_POINTS_IQ2XS(...) EACH(LOW8, __VA_ARGS__)
#include "kernels/codebooks.def"
    }, {
#define QB_POINTS_IQ2XS(...) EACH(HIGH8, __VA_ARGS__)
#include "kernels/codebooks.def"
    }};
TABLE(qb_planes_iq2s, 1024) = {
    {
#define QB_POINTS_IQ2S(...) EACH(LOW8, __VA_ARGS__)
#include "kernels/codebooks.def"
    }, {
#define QB_POINTS_IQ2S(...) EACH(HIGH8, __VA_ARGS__)
#include "kernels/codebooks.def"
    }};
TABLE(qb_planes_iq3xxs, 256) = {
    {
#define QB_POINTS_IQ3XXS(...) EACH(LOW6, __VA_ARGS__)
#include "kernels/codebooks.def"
    }, {
#define QB_POINTS_IQ3XXS(...) EACH(HIGH6, __VA_ARGS__)
#include "kernels/codebooks.def"
    }};
TABLE(qb_planes_iq3s, 512) = {
    {
#define QB_POINTS_IQ3S(...) EACH(LOW6, __VA_ARGS__)
#include "kernels/codebooks.def"
    }, {
#define QB_POINTS_IQ3S(...) EACH(HIGH6, __VA_ARGS__)
#include "kernels/codebooks.def"
    }};
const uint8_t qb_plane_iq1s[2048] __attribute__((aligned(64))) = {
#define QB_POINTS_IQ1S(...) EACH(LOW8, __VA_ARGS__)
#include "kernels/codebooks.def"
};

#define DIGITS1(a, b, c) (a) << 6 | (b) << 4 | (c) << 2, (a) << 6 | (b) << 4 | (c) << 2 | 1, (a) << 6 | (b) << 4 | (c) << 2 | 2
#define DIGITS2(a, b) DIGITS1(a, b, 0), DIGITS1(a, b, 1), DIGITS1(a, b, 2)
#define DIGITS3(a) DIGITS2(a, 0), DIGITS2(a, 1), DIGITS2(a, 2)
const struct qb_iq1s_second qb_iq1s_second __attribute__((aligned(64))) = {
    .base = {
        0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 10,
        11, 12, 12, 13, 13, 13, 14, 14, 15, 16, 16, 17, 18, 18, 19, 20,
        21, 22, 22, 23, 24, 25, 26, 26, 27, 28, 28, 29, 30, 31, 31, 31,
        32, 32, 33, 34, 34, 35, 36, 36, 37, 37, 37, 38, 39, 39, 39, 40,
        40, 40, 40, 41, 41, 41, 42, 42, 43, 43, 44, 44, 45, 46, 46, 47,
        48, 48, 49, 49, 50, 50, 51, 52, 52, 53, 54, 55, 55, 56, 57, 58,
        58, 59, 60, 61, 61, 62, 63, 64, 64, 65, 66, 66, 67, 67, 67, 68,
        68, 69, 70, 70, 71, 72, 73, 73, 74, 75, 76, 76, 77, 78, 79, 80,
    },
    .step = {
        16, 9, 16, 16, 9, 6, 16, 6, 6, 12, 14, 16, 6, 10, 16, 5,
        7, 16, 9, 16, 16, 6, 16, 7, 11, 16, 6, 8, 16, 1, 5, 12,
        16, 16, 8, 7, 12, 15, 16, 5, 5, 16, 7, 5, 14, 16, 16, 8,
        16, 7, 11, 16, 14, 9, 16, 6, 16, 16, 2, 10, 16, 16, 6, 16,
        16, 16, 3, 16, 16, 8, 16, 6, 16, 13, 16, 9, 11, 16, 5, 3,
        16, 6, 16, 8, 16, 8, 5, 16, 2, 4, 12, 16, 4, 10, 6, 16,
        4, 7, 16, 16, 4, 10, 14, 16, 13, 15, 16, 10, 16, 16, 10, 16,
        6, 8, 16, 10, 9, 16, 16, 4, 10, 9, 16, 2, 9, 14, 12, 16,
    },
    .half = {DIGITS3(0), DIGITS3(1), DIGITS3(2)},
};

#define EACH8(F, x)  F(x), F(x + 1), F(x + 2), F(x + 3), F(x + 4), F(x + 5), F(x + 6), F(x + 7)
#define EACH64(F)                                                                                            \
    EACH8(F, 0), EACH8(F, 8), EACH8(F, 16), EACH8(F, 24), EACH8(F, 32), EACH8(F, 40), EACH8(F, 48), EACH8(F, 56)
#define SIGNED(base, x, sign, level) ((x) >> (sign)&1 ? (base) - (level) : (base) + (level))

#define LEVEL_IQ2(n)          ((n) == 0 ? 8 : (n) == 1 ? 25 : 43)
#define CODE_IQ2(x, at, sign) SIGNED(64, x, sign, LEVEL_IQ2((x) >> (at)&3))
#define CODE_IQ2_0(x)         CODE_IQ2(x, 0, QB_SIGN_IQ2_0)
#define CODE_IQ2_1(x)         CODE_IQ2(x, 2, QB_SIGN_IQ2_1)
#define CODE_IQ2_2(x)         CODE_IQ2(x, 2, QB_SIGN_IQ2_2)
#define CODE_IQ2_3(x)         CODE_IQ2(x, 4, QB_SIGN_IQ2_3)
#define CODE_PAIR_0(x)        CODE_IQ2(x, 0, QB_SIGN_PAIR_0)
#define CODE_PAIR_1(x)        CODE_IQ2(x, 4, QB_SIGN_PAIR_1)
const uint8_t qb_signed_iq2[4][64] __attribute__((aligned(64))) = {
    {EACH64(CODE_IQ2_0)}, {EACH64(CODE_IQ2_1)}, {EACH64(CODE_IQ2_2)}, {EACH64(CODE_IQ2_3)}};
const uint8_t qb_signed_pair_iq2[2][64] __attribute__((aligned(64))) = {{EACH64(CODE_PAIR_0)}, {EACH64(CODE_PAIR_1)}};

#define LEVEL_IQ3XXS(n)  ((n) == 7 ? 62 : 4 + 8 * (n))
#define CODE_IQ3XXS_0(x) SIGNED(64, x, QB_SIGN_IQ3_0, LEVEL_IQ3XXS((x) >> 3 & 7))
#define CODE_IQ3XXS_1(x) SIGNED(64, x, QB_SIGN_IQ3_1, LEVEL_IQ3XXS((x)&7))
const uint8_t qb_signed_iq3xxs[2][64] __attribute__((aligned(64))) = {{EACH64(CODE_IQ3XXS_0)},
                                                                      {EACH64(CODE_IQ3XXS_1)}};

#define LEVEL_IQ3S(n)    (1 + 2 * (n))
#define CODE_IQ3S_0(x)   SIGNED(16, x, QB_SIGN_IQ3_0, LEVEL_IQ3S((x) >> 3 & 7))
#define CODE_IQ3S_1(x)   SIGNED(16, x, QB_SIGN_IQ3_1, LEVEL_IQ3S((x)&7))
const uint8_t qb_signed_iq3s[2][64] __attribute__((aligned(64))) = {{EACH64(CODE_IQ3S_0)}, {EACH64(CODE_IQ3S_1)}};
