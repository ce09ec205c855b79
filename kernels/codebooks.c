/*
 * The codebooks of the IQ formats, expanded from codebooks.def.
 */
#include "kernels/codebooks.h"

/* clang-format off */
const uint16_t qb_codebook_iq2xxs[256] = {
#define QB_POINTS_IQ2XXS(...) __VA_ARGS__,
#include "kernels/codebooks.def"
};
const uint16_t qb_codebook_iq2xs[512] = {
#define QB_POINTS_IQ2XS(...) __VA_ARGS__,
#include "kernels/codebooks.def"
};
const uint16_t qb_codebook_iq2s[1024] = {
#define QB_POINTS_IQ2S(...) __VA_ARGS__,
#include "kernels/codebooks.def"
};
const uint16_t qb_codebook_iq3xxs[256] = {
#define QB_POINTS_IQ3XXS(...) __VA_ARGS__,
#include "kernels/codebooks.def"
};
const uint16_t qb_codebook_iq3s[512] = {
#define QB_POINTS_IQ3S(...) __VA_ARGS__,
#include "kernels/codebooks.def"
};
const uint16_t qb_codebook_iq1s[2048] = {
#define QB_POINTS_IQ1S(...) __VA_ARGS__,
#include "kernels/codebooks.def"
};

int qb_codebook_find(const uint16_t *book, int n, uint32_t point)
{
    int first = 0;
    while (n > 1) {
        int half = n / 2;
        first = book[first + half] <= point ? first + half : first;
        n -= half;
    }
    return first;
}
