/*
 * The level tables of the codebooks, expanded from codebooks.def.
 */
#include "kernels/x86/codebook_levels.h"

#define EACH(F, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                              \
    F(a), F(b), F(c), F(d), F(e), F(f), F(g), F(h), F(i), F(j), F(k), F(l), F(m), F(n), F(o), F(p),

/* The level of a number in byte `at`. */
#define IQ1(number, at)    ((UINT64_C(9) + 8 * (number)) << 8 * (at))
#define IQ2(number, at)    ((UINT64_C(0x2b1908) >> 8 * (number)&255) << 8 * (at))
#define IQ3XXS(number, at) ((UINT32_C(4) + 8 * (number) + ((number) == 7) * 2) << 8 * (at))
#define IQ3S(number, at)   ((UINT32_C(1) + 2 * (number)) << 8 * (at))

#define OF_8(L, x, at) L((x) >> 2 * (at)&3, at)
#define OF_4(L, x, at) L((x) >> 3 * (at)&7, at)
#define POINT_8(L, x)                                                                                        \
    (OF_8(L, x, 0) | OF_8(L, x, 1) | OF_8(L, x, 2) | OF_8(L, x, 3) | OF_8(L, x, 4) | OF_8(L, x, 5) |         \
     OF_8(L, x, 6) | OF_8(L, x, 7))
#define POINT_4(L, x) (OF_4(L, x, 0) | OF_4(L, x, 1) | OF_4(L, x, 2) | OF_4(L, x, 3))

/* Numbers `low` and `high` in the nibbles of byte `at`. */
#define TWO(x, low, high, at)                                                                                \
    (((uint32_t)(x) >> 2 * (low)&3) | ((uint32_t)(x) >> 2 * (high)&3) << 4) << 8 * (at)
#define POINT_PAIRS(x)   (TWO(x, 0, 1, 0) | TWO(x, 2, 3, 1) | TWO(x, 4, 5, 2) | TWO(x, 6, 7, 3))
#define POINT_NIBBLES(x) (TWO(x, 0, 4, 0) | TWO(x, 1, 5, 1) | TWO(x, 2, 6, 2) | TWO(x, 3, 7, 3))
#define POINT_DOWN(x)    (4 * POINT_NIBBLES(x))
#define POINT_UP(x)      (POINT_DOWN(x) | UINT32_C(0x11111111))

#define POINT_IQ1(x)    POINT_8(IQ1, x)
#define POINT_IQ2(x)    POINT_8(IQ2, x)
#define POINT_IQ3XXS(x) POINT_4(IQ3XXS, x)
#define POINT_IQ3S(x)   POINT_4(IQ3S, x)

/* clang-format off */
const uint64_t qb_levels_iq2xxs[256] __attribute__((aligned(64))) = {
#define QB_POINTS_IQ2XXS(...) EACH(POINT_IQ2, __VA_ARGS__)
#include "kernels/codebooks.def"
};
const uint64_t qb_levels_iq2xs[512] __attribute__((aligned(64))) = {
#define QB_POINTS_IQ2XS(...) EACH(POINT_IQ2, __VA_ARGS__)
#include "kernels/codebooks.def"
};
const uint64_t qb_levels_iq2s[1024] __attribute__((aligned(64))) = {
#define QB_POINTS_IQ2S(...) EACH(POINT_IQ2, __VA_ARGS__)
#include "kernels/codebooks.def"
};
const uint32_t qb_levels_iq3xxs[256] __attribute__((aligned(64))) = {
#define QB_POINTS_IQ3XXS(...) EACH(POINT_IQ3XXS, __VA_ARGS__)
#include "kernels/codebooks.def"
};
const uint32_t qb_levels_iq3s[512] __attribute__((aligned(64))) = {
#define QB_POINTS_IQ3S(...) EACH(POINT_IQ3S, __VA_ARGS__)
#include "kernels/codebooks.def"
};
const uint64_t qb_levels_iq1s[2048] __attribute__((aligned(64))) = {
#define QB_POINTS_IQ1S(...) EACH(POINT_IQ1, __VA_ARGS__)
#include "kernels/codebooks.def"
};
const uint32_t qb_nibbles_iq1s[2048] __attribute__((aligned(64))) = {
#define QB_POINTS_IQ1S(...) EACH(POINT_NIBBLES, __VA_ARGS__)
#include "kernels/codebooks.def"
};
const uint32_t qb_nibbles_iq1m[4096] __attribute__((aligned(64))) = {
#define QB_POINTS_IQ1S(...) EACH(POINT_UP, __VA_ARGS__)
#include "kernels/codebooks.def"
#define QB_POINTS_IQ1S(...) EACH(POINT_DOWN, __VA_ARGS__)
#include "kernels/codebooks.def"
};
const uint32_t qb_pairs_iq2s[1024] __attribute__((aligned(64))) = {
#define QB_POINTS_IQ2S(...) EACH(POINT_PAIRS, __VA_ARGS__)
#include "kernels/codebooks.def"
};
