/*
 * The byte tables of the codebooks, expanded from codebooks.def; cache line aligned for the vector loads.
 */
#include "kernels/x86/codebook_planes.h"

#define EACH(F, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                              \
    F(a), F(b), F(c), F(d), F(e), F(f), F(g), F(h), F(i), F(j), F(k), F(l), F(m), F(n), F(o), F(p),

/* Halves of a point of 8 x 2 bits, and of 4 x 3 bits. */
#define LOW8(x)  ((x)&255)
#define HIGH8(x) ((x) >> 8)
#define LOW6(x)  ((x)&63)
#define HIGH6(x) ((x) >> 6)

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
TABLE(qb_planes_iq1s, 2048) = {
    {
#define QB_POINTS_IQ1S(...) EACH(LOW8, __VA_ARGS__)
#include "kernels/codebooks.def"
    }, {
#define QB_POINTS_IQ1S(...) EACH(HIGH8, __VA_ARGS__)
#include "kernels/codebooks.def"
    }};

#define PARITY(x) (((x) ^ (x) >> 1 ^ (x) >> 2 ^ (x) >> 3 ^ (x) >> 4 ^ (x) >> 5 ^ (x) >> 6) & 1)
#define SIGNS1(x)  (x) | PARITY(x) << 7
#define SIGNS4(x)  SIGNS1(x), SIGNS1(x + 1), SIGNS1(x + 2), SIGNS1(x + 3)
#define SIGNS16(x) SIGNS4(x), SIGNS4(x + 4), SIGNS4(x + 8), SIGNS4(x + 12)
const uint8_t qb_even_signs[128] __attribute__((aligned(64))) = {
    SIGNS16(0), SIGNS16(16), SIGNS16(32), SIGNS16(48), SIGNS16(64), SIGNS16(80), SIGNS16(96), SIGNS16(112)};
