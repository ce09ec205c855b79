/*
 * IQ2_S for AVX512-VBMI: index bytes, their upper two bits and signs apart.
 */
#include "kernels/x86/weights_planes.h"

#define W_FORMAT QB_FORMAT_IQ2_S
#define W_BYTES  82
#define W_FIRST  2
#define W_SUB    16
#define W_SHIFT  6
#define W_MIN    QB_MIN_NONE

QB_INLINE void read_planes(const uint8_t *block, int c, __m512i w[16])
{
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        int k = 2 * c + h;
        __m512i index = planes_chunk(block, 2 + 4 * k), signs = planes_chunk(block, 34 + 4 * k);
        __m512i high = planes_spread(planes_chunk(block, 66 + k / 4 * 4), k % 4);
        __mmask64 bit[2] = {_mm512_test_epi8_mask(high, EACH_GROUP(1, 4, 16, 64)),
                            _mm512_test_epi8_mask(high, EACH_GROUP(2, 8, 32, 128))};
        QB_UNROLL
        for (int n = 0; n < 2; n++)
            planes_expand_2(planes_look_up(qb_planes_iq2s[n], index, bit, 2), 64 + 8, 64 + 25, 64 + 43,
                            w + 8 * h + 4 * n);
        planes_apply_signs(signs, W_SHIFT, w + 8 * h);
    }
}

QB_INLINE void panel_codes(const uint8_t *block, int c, __m512i w[16])
{
    read_planes(block, c, w);
}

/* Two nibbles for 32 weights. */
QB_INLINE void read_scales(const uint8_t *block, __m512 d, struct scales *sc)
{
    sc->d = _mm512_mul_ps(d, _mm512_set1_ps(0.125f));
    QB_UNROLL
    for (int k = 0; k < 8; k++) {
        __m512i bytes = planes_chunk(block, 74 + k / 4 * 4);
        int at = k % 4 * 8 - 1; /* doubled; the high bytes of the pairs are cleared */
        sc->odd[k] = planes_odd(planes_bits(bytes, at, at, at + 4, at + 4), 0x001e001e);
    }
}

#include "kernels/x86/weights_planes_tmpl.h"

W_KERNELS(iq2_s, plain, ROWS16_STRIDED)
W_KERNELS(iq2_s, r16, ROWS16_R16)
