/*
 * Decoding of the codebook formats (IQ1, IQ2, IQ3) by byte permutation, for AVX512-VBMI: no gathers.
 *
 * A vector of index bytes is [16 rows][4 groups], of 8 weights (IQ1, IQ2) or 4 (IQ3); the tables of
 * codebook_planes.h turn it into packed level numbers, and those into *planes*: plane p of groups of 8 is
 * [16 rows][4 groups], weight 8 g + p in byte g; planes of groups of 4 are those of the first 16 weights,
 * then those of the other 16. The GEMV permutes the activations to match (planes_order), a panel permutes the
 * codes (planes_to_rows).
 */
#ifndef QB_KERNELS_X86_WEIGHTS_PLANES_AVX512_H
#define QB_KERNELS_X86_WEIGHTS_PLANES_AVX512_H

#include "kernels/x86/codebook_planes.h"
#include "kernels/x86/int_scales_avx512.h"
#include "kernels/x86/rows16_avx512.h"

/*
 * Where planes_order finds the activations: byte g of plane p, column i, in [8][cols][4]. One column: two
 * 32-blocks behind each other. AT: groups of 8; AT4: groups of 4, planes 0 to 3 of 16 weights, then 4 to 7;
 * AT2: every second of the 8 weights of group p / 2.
 */
#define AT(cols, p, i, g)    ((2 * (g) + (p) / 4) * (cols) + (i)) * 4 + (p) % 4
#define AT4(cols, p, i, g)   (((g) + (p) / 4 * 4) * (cols) + (i)) * 4 + (p) % 4
#define AT2(cols, p, i, g)   (((p) / 2 * 2 + (g) / 2) * (cols) + (i)) * 4 + (g) % 2 * 2 + (p) % 2
#define DWORD(F, cols, p, i) F(cols, p, i, 0), F(cols, p, i, 1), F(cols, p, i, 2), F(cols, p, i, 3)
#define COLS1(F, p, start)                                                                                   \
    start + F(1, p, 0, 0), start + F(1, p, 0, 1), start + F(1, p, 0, 2), start + F(1, p, 0, 3)
#define COLS2(F, p, unused) DWORD(F, 2, p, 0), DWORD(F, 2, p, 1)
#define COLS3(F, p, unused) DWORD(F, 3, p, 0), DWORD(F, 3, p, 1), DWORD(F, 3, p, 2)
#define COLS4(F, p, unused) DWORD(F, 4, p, 0), DWORD(F, 4, p, 1), DWORD(F, 4, p, 2), DWORD(F, 4, p, 3)
#define PLANES8(C, F, start)                                                                                 \
    C(F, 0, start), C(F, 1, start), C(F, 2, start), C(F, 3, start), C(F, 4, start), C(F, 5, start),          \
        C(F, 6, start), C(F, 7, start)
#define ORDERS(F)                                                                                            \
    {                                                                                                        \
        {PLANES8(COLS1, F, 0), PLANES8(COLS1, F, 32)}, {PLANES8(COLS2, F, 0)}, {PLANES8(COLS3, F, 0)},       \
        {                                                                                                    \
            PLANES8(COLS4, F, 0)                                                                             \
        }                                                                                                    \
    }
static const uint8_t planes_order_of[3][4][128]
    __attribute__((aligned(64))) = {ORDERS(AT), ORDERS(AT4), ORDERS(AT2)};

/* The scales of a block of 16 rows, lane = row: integers 2 s + 1 and what multiplies them. */
struct scales {
    __m512 d;
    __m512i nibble[8]; /* per 32: s in the lowest 4 bits of an int32, what is above does not count */
    __m512i odd[8];    /* per 16: pairs of int16; IQ1_S: of two 32s (4 pairs) */
    __m512i down[4];   /* IQ1_S: the integer minima, pairs */
};

/* Bit b of every dword's byte g, as a mask for vptestmb: bits of group 0 to 3. */
#define EACH_GROUP(b0, b1, b2, b3)                                                                           \
    _mm512_set1_epi32((int)((b0) | (b1) << 8 | (b2) << 16 | (unsigned)(b3) << 24))

/* 4 bytes of each row: the chunk at offset o of a block that lies as in r16. */
QB_INLINE __m512i planes_chunk(const uint8_t *block, int o)
{
    return _mm512_loadu_si512(block + 16 * o);
}

/*
 * The block as in r16: the place where it lies, or plain rows transposed into `space`. Its fields are chunks
 * of 4 bytes from `first` (0, or 2: behind an f16) on.
 */
#define PLANES_SPACE (16 * 112 + 64)
QB_INLINE const uint8_t *planes_block(const struct rows16 *s, int first, int bytes, enum rows16_kind kind,
                                      uint8_t *space)
{
    if (kind == ROWS16_R16)
        return s->p[0];
    uint8_t *block = space + 64 - 16 * first; /* chunks are aligned */
    QB_UNROLL
    for (int o = first; o < bytes; o += 16) {
        int from = o + 16 <= bytes ? o : bytes - 16; /* the last 16 bytes may overlap those before */
        __m512i v[4];
        rows16_load_plain(s, from, kind, v);
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            _mm512_store_si512(block + 16 * (from + 4 * i), v[i]);
    }
    return block;
}

/* Four byte numbers for row 0; those of row r are 4 r higher. */
QB_INLINE __m512i planes_by_row(unsigned bytes)
{
    const __m512i rows = _mm512_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0x10101010, 0x14141414,
                                           0x18181818, 0x1c1c1c1c, 0x20202020, 0x24242424, 0x28282828,
                                           0x2c2c2c2c, 0x30303030, 0x34343434, 0x38383838, 0x3c3c3c3c);
    return _mm512_add_epi8(rows, _mm512_set1_epi32((int)bytes));
}

/* Bits at offset o0 .. o3 (and the 7 above) of every dword, as its bytes. */
QB_INLINE __m512i planes_bits(__m512i dwords, int o0, int o1, int o2, int o3)
{
    const __m512i at =
        _mm512_set1_epi64((int64_t)((uint64_t)(o0 & 63) | (uint64_t)(o1 & 63) << 8 |
                                    (uint64_t)(o2 & 63) << 16 | (uint64_t)(o3 & 63) << 24 |
                                    (uint64_t)((o0 + 32) & 63) << 32 | (uint64_t)((o1 + 32) & 63) << 40 |
                                    (uint64_t)((o2 + 32) & 63) << 48 | (uint64_t)((o3 + 32) & 63) << 56));
    return _mm512_multishift_epi64_epi8(at, dwords);
}

/* Byte b of every dword, in all four places. */
QB_INLINE __m512i planes_spread(__m512i dwords, int b)
{
    const __m128i first = _mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c);
    return _mm512_shuffle_epi8(dwords,
                               _mm512_add_epi8(_mm512_broadcast_i32x4(first), _mm512_set1_epi8((char)b)));
}

/* Bytes 0 and 2 (odd: 1 and 3) of the dwords of a, then those of b. */
QB_INLINE __m512i planes_every_second(__m512i a, __m512i b, int odd)
{
    return _mm512_permutex2var_epi8(a, planes_by_row(odd ? 0x43410301 : 0x42400200), b);
}

/* How a format keeps the signs of 8 weights. */
enum planes_signs {
    SIGNS_8,       /* a byte */
    SIGNS_EVEN,    /* 7 bits; the last one makes the number of minus signs even */
    SIGNS_EVEN_UP, /* the same from bit 1 on */
};

/* The bits of a sign byte whose sum modulo 2 is the sign of weight p. */
QB_INLINE uint64_t planes_sign_of(enum planes_signs kind, int p)
{
    uint64_t all = kind != SIGNS_8 && p == 7 ? 0x7f : UINT64_C(1) << p;
    return kind == SIGNS_EVEN_UP ? all << 1 : all;
}

/* Bit b of every byte of the result is the sum of the bits of v that byte 7 - b of `matrix` chooses. */
QB_INLINE __m512i planes_affine(__m512i v, uint64_t matrix)
{
    return _mm512_gf2p8affine_epi64_epi8(v, _mm512_set1_epi64((int64_t)matrix), 0);
}

/* The signs as a byte of 8. */
QB_INLINE __m512i planes_even_signs(__m512i v)
{
    uint64_t matrix = 0;
    QB_UNROLL
    for (int p = 0; p < 8; p++)
        matrix |= planes_sign_of(SIGNS_EVEN, p) << (8 * (7 - p));
    return planes_affine(v, matrix);
}

/*
 * Indices of two vectors, which share the loads of a table. Bit 7 is in the byte; bit 8 is a mask, the higher
 * ones are bytes of ones: there are too few mask registers.
 */
struct planes_index {
    __m512i byte[2];
    __mmask64 bit8[2];
    __m512i bit9[2], bit10[2];
};

/*
 * A permutation sees 128 entries: the first leaves the indices with bit 7 alone, the second takes those. In
 * assembly, because compilers load the tables anew for each vector or keep too many in registers.
 */
QB_INLINE void planes_look_up_256(const uint8_t *table, const struct planes_index *x, __m512i out[2])
{
    const __m512i *t = (const void *)table;
    __mmask64 high0 = _mm512_movepi8_mask(x->byte[0]), high1 = _mm512_movepi8_mask(x->byte[1]);
    __m512i t0, t1;
    out[0] = x->byte[0];
    out[1] = x->byte[1];
    __asm__("vmovdqa64 %[m0], %[t0]\n\t"
            "vmovdqa64 %[m1], %[t1]\n\t"
            "vpermi2b %[t1], %[t0], %[a]%{%[low0]%}\n\t"
            "vpermi2b %[t1], %[t0], %[b]%{%[low1]%}\n\t"
            "vmovdqa64 %[m2], %[t0]\n\t"
            "vmovdqa64 %[m3], %[t1]\n\t"
            "vpermi2b %[t1], %[t0], %[a]%{%[high0]%}\n\t"
            "vpermi2b %[t1], %[t0], %[b]%{%[high1]%}"
            : [t0] "=&v"(t0), [t1] "=&v"(t1), [a] "+v"(out[0]), [b] "+v"(out[1])
            : [low0] "Yk"(~high0), [low1] "Yk"(~high1), [high0] "Yk"(high0), [high1] "Yk"(high1),
              [m0] "m"(t[0]), [m1] "m"(t[1]), [m2] "m"(t[2]), [m3] "m"(t[3]));
}

/* The address of a table in a register: as a part of every load it makes instructions longer. */
QB_INLINE const uint8_t *planes_table(const uint8_t *table)
{
    __asm__("" : "+r"(table));
    return table;
}

QB_INLINE void planes_look_up_512(const uint8_t *table, const struct planes_index *x, __m512i out[2])
{
    __m512i upper[2];
    planes_look_up_256(table, x, out);
    planes_look_up_256(table + 256, x, upper);
    out[0] = _mm512_mask_blend_epi8(x->bit8[0], out[0], upper[0]);
    out[1] = _mm512_mask_blend_epi8(x->bit8[1], out[1], upper[1]);
}

QB_INLINE void planes_look_up_1024(const uint8_t *table, const struct planes_index *x, __m512i out[2])
{
    __m512i upper[2];
    planes_look_up_512(table, x, out);
    planes_look_up_512(table + 512, x, upper);
    out[0] = select_bits(x->bit9[0], upper[0], out[0]);
    out[1] = select_bits(x->bit9[1], upper[1], out[1]);
}

QB_INLINE void planes_look_up_2048(const uint8_t *table, const struct planes_index *x, __m512i out[2])
{
    __m512i upper[2];
    planes_look_up_1024(table, x, out);
    planes_look_up_1024(table + 1024, x, upper);
    out[0] = select_bits(x->bit10[0], upper[0], out[0]);
    out[1] = select_bits(x->bit10[1], upper[1], out[1]);
}

/* Bytes of ones where `v` has bits of `bits`. */
QB_INLINE __m512i planes_ones(__m512i v, __m512i bits)
{
    return _mm512_movm_epi8(_mm512_test_epi8_mask(v, bits));
}

/*
 * The points of IQ1, halves of four numbers of two bits. high: bits 8 to 10 of the index in bits 4 to 6. The
 * second half needs no table of 2048 entries: codebook_planes.h.
 */
QB_INLINE void planes_points_1(const __m512i index[2], const __m512i high[2], __m512i first[2],
                               __m512i second[2])
{
    const uint8_t *t = planes_table(qb_iq1s_second.base);
    struct planes_index x;
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        const __m512i low4 = _mm512_set1_epi8(15);
        __m512i run = select_bits(low4, _mm512_srli_epi16(index[h], 4), high[h]);
        __m512i number = _mm512_permutex2var_epi8(_mm512_load_si512(t), run, _mm512_load_si512(t + 64));
        __m512i step = _mm512_permutex2var_epi8(_mm512_load_si512(t + 128), run, _mm512_load_si512(t + 192));
        __mmask64 next = _mm512_cmpge_epu8_mask(_mm512_and_si512(index[h], low4), step);
        number = _mm512_mask_add_epi8(number, next, number, _mm512_set1_epi8(1));
        second[h] = _mm512_permutex2var_epi8(_mm512_load_si512(t + 256), number, _mm512_load_si512(t + 320));
        x.byte[h] = index[h];
        x.bit8[h] = _mm512_test_epi8_mask(high[h], _mm512_set1_epi8(16));
        x.bit9[h] = planes_ones(high[h], _mm512_set1_epi8(32));
        x.bit10[h] = planes_ones(high[h], _mm512_set1_epi8(64));
    }
    planes_look_up_2048(planes_table(qb_plane_iq1s), &x, first);
}

/* The same byte eight times. */
QB_INLINE int64_t planes_times8(int byte)
{
    return (int64_t)((uint64_t)(byte & 255) * 0x0101010101010101);
}

/* Levels by the low six bits of a byte, 64 entries: of its number i (0, 1, 2) of two bits. */
QB_INLINE __m512i planes_levels_2(int i, int l0, int l1, int l2)
{
    int64_t a = planes_times8(l0), b = planes_times8(l1), c = planes_times8(l2);
    if (i == 0)
        return _mm512_set1_epi32((l0 & 255) | (l1 & 255) << 8 | (l2 & 255) << 16);
    if (i == 1)
        return _mm512_broadcast_i32x4(_mm_setr_epi32((int)a, (int)b, (int)c, 0));
    return _mm512_setr_epi64(a, a, b, b, c, c, 0, 0);
}

/* Four numbers of two bits to levels without signs. */
QB_INLINE void planes_expand_2(__m512i numbers, int l0, int l1, int l2, __m512i w[4])
{
    QB_UNROLL
    for (int i = 0; i < 3; i++)
        w[i] = _mm512_permutexvar_epi8(numbers, planes_levels_2(i, l0, l1, l2));
    w[3] = _mm512_permutexvar_epi8(_mm512_srli_epi16(numbers, 2), planes_levels_2(2, l0, l1, l2));
}

/*
 * A plane's code is looked up by six bits, one table register: its number, its sign in the place of bits of
 * other numbers, and what else is there. Two registers and seven bits would cost three times as much on Intel
 * (vpermi2b is three operations there). codebook_planes.h says where signs go.
 */
QB_INLINE __m512i planes_code(__m512i index, const uint8_t *table)
{
    return _mm512_permutexvar_epi8(index, _mm512_load_si512(table));
}

/* IQ2: the signs of planes p .. p + 3 at their bits. */
QB_INLINE __m512i planes_signs_iq2(__m512i signs, enum planes_signs kind, int p)
{
    static const int bit[4] = {QB_SIGN_IQ2_0, QB_SIGN_IQ2_1, QB_SIGN_IQ2_2, QB_SIGN_IQ2_3};
    uint64_t matrix = 0;
    QB_UNROLL
    for (int i = 0; i < 4; i++)
        matrix |= planes_sign_of(kind, p + i) << (8 * (7 - bit[i]));
    return planes_affine(signs, matrix);
}

/* IQ2: codes of four planes, by their numbers and signs; two planes have one index. */
QB_INLINE void planes_codes_2(__m512i numbers, __m512i signs, __m512i w[4])
{
    const __m512i low = _mm512_set1_epi8(1 << QB_SIGN_IQ2_0 | 1 << QB_SIGN_IQ2_1);
    const __m512i high = _mm512_set1_epi8(1 << QB_SIGN_IQ2_2 | 1 << QB_SIGN_IQ2_3);
    __m512i first = select_bits(low, signs, numbers);
    __m512i second = select_bits(high, signs, _mm512_srli_epi16(numbers, 2));
    w[0] = planes_code(first, qb_signed_iq2[0]);
    w[1] = planes_code(first, qb_signed_iq2[1]);
    w[2] = planes_code(second, qb_signed_iq2[2]);
    w[3] = planes_code(second, qb_signed_iq2[3]);
}

/* IQ2: codes of all planes, by what the look-ups of both halves gave and a byte of signs a group. */
QB_INLINE void planes_codes_iq2(__m512i half0, __m512i half1, __m512i signs, enum planes_signs kind,
                                __m512i w[8])
{
    planes_codes_2(half0, planes_signs_iq2(signs, kind, 0), w);
    planes_codes_2(half1, planes_signs_iq2(signs, kind, 4), w + 4);
}

/* IQ3: codes of two planes, by two numbers of three bits and their signs at their bits. */
QB_INLINE void planes_codes_3(__m512i numbers, __m512i signs, const uint8_t table[2][64], __m512i w[2])
{
    w[0] = planes_code(select_bits(_mm512_set1_epi8(1 << QB_SIGN_IQ3_0), signs, numbers), table[0]);
    w[1] = planes_code(select_bits(_mm512_set1_epi8(1 << QB_SIGN_IQ3_1), signs, numbers), table[1]);
}

/*
 * IQ3: codes of all planes. half[n][v] has the numbers of planes 2 n and 2 n + 1 of the first or last 16
 * weights, a dword of `signs` those of all 32.
 */
QB_INLINE void planes_codes_iq3(__m512i half[2][2], __m512i signs, const uint8_t table[2][64], __m512i w[8])
{
    QB_UNROLL
    for (int i = 0; i < 4; i++) {
        int v = i / 2, n = i % 2, at = 16 * v + 2 * n - QB_SIGN_IQ3_0;
        __m512i sign = planes_bits(signs, at, at + 4, at + 8, at + 12);
        planes_codes_3(half[n][v], sign, table, w + 4 * v + 2 * n);
    }
}

/* 2 s + 1 where `twice` holds 2 s in the bits of the mask. */
QB_INLINE __m512i planes_odd(__m512i twice, int mask)
{
    const int one = mask >> 16 ? 0x00010001 : 1;
    return _mm512_or_si512(_mm512_and_si512(twice, _mm512_set1_epi32(mask)), _mm512_set1_epi32(one));
}

/* 2 s + 1 by s in the lowest 4 bits, as a float. */
QB_INLINE __m512 planes_odd_ps(__m512i nibble)
{
    const __m512 odd = _mm512_setr_ps(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutexvar_ps(nibble, odd);
}

/* IQ2_XS, IQ2_S: two nibbles for 32 weights, in the chunks from offset o on. */
QB_INLINE void planes_nibble_scales(const uint8_t *block, int o, __m512 d, struct scales *sc)
{
    sc->d = _mm512_mul_ps(d, _mm512_set1_ps(0.125f));
    QB_UNROLL
    for (int k = 0; k < 8; k++) {
        __m512i bytes = planes_chunk(block, o + k / 4 * 4);
        int at = k % 4 * 8 - 1; /* doubled; the high bytes of the pairs are cleared */
        sc->odd[k] = planes_odd(planes_bits(bytes, at, at, at + 4, at + 4), 0x001e001e);
    }
}

/*
 * The activations of a block in the order of planes, [8 k][8 planes][cols][4 groups of `group`];
 * group 2: [8 k][4 groups of 8][2][cols][every second weight]. Two
 * 32-blocks of one column are a vector, one of two columns; three and four columns need two vectors for one.
 */
QB_INLINE void planes_order(const int8_t *q, int cols, int group, int8_t *x)
{
    const uint8_t *order = planes_order_of[group == 8 ? 0 : group == 4 ? 1 : 2][cols - 1];
    QB_UNROLL
    for (int k = 0; k < 8; k += cols == 1 ? 2 : 1) {
        const int8_t *from = q + k * 32 * cols;
        int8_t *to = x + k * 32 * cols;
        __m512i a = _mm512_loadu_si512(from), b = a;
        if (cols == 3)
            b = _mm512_castsi256_si512(_mm256_loadu_si256((const void *)(from + 64)));
        if (cols == 4)
            b = _mm512_loadu_si512(from + 64);
        __m512i low = _mm512_load_si512(order);
        __m512i high = _mm512_load_si512(order + 64);
        _mm512_storeu_si512(to, cols <= 2 ? _mm512_permutexvar_epi8(low, a)
                                          : _mm512_permutex2var_epi8(a, low, b));
        if (cols == 3)
            _mm256_storeu_si256((void *)(to + 64),
                                _mm512_castsi512_si256(_mm512_permutex2var_epi8(a, high, b)));
        if (cols == 4)
            _mm512_storeu_si512(to + 64, _mm512_permutex2var_epi8(a, high, b));
    }
    /* To memory: broadcasts from there cost no shuffle; gcc would take dwords out of the registers. */
    __asm__("" : "+m"(*(int8_t(*)[QB_GEMV_MAX_COLS * 256]) x));
}

/* Planes of groups of 8 or 4 to the order of a panel: vector t is [16 rows][weights 4 t .. 4 t + 3]. */
QB_INLINE void planes_to_rows(const __m512i w[8], int group, __m512i out[8])
{
    QB_UNROLL
    for (int h = 0; h < 2; h++) {
        const __m512i *v = w + 4 * h;
        __m512i pair[2][2]; /* [weights 0 and 1, 2 and 3][groups 0 and 1, 2 and 3] */
        QB_UNROLL
        for (int i = 0; i < 2; i++) {
            pair[i][0] = _mm512_permutex2var_epi8(v[2 * i], planes_by_row(0x41014000), v[2 * i + 1]);
            pair[i][1] = _mm512_permutex2var_epi8(v[2 * i], planes_by_row(0x43034202), v[2 * i + 1]);
        }
        QB_UNROLL
        for (int g = 0; g < 4; g++) {
            __m512i a = pair[0][g / 2], b = pair[1][g / 2];
            out[group == 8 ? 2 * g + h : 4 * h + g] =
                g % 2 ? _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(a, 16), b)
                      : _mm512_mask_blend_epi16(0xaaaaaaaa, a, _mm512_slli_epi32(b, 16));
        }
    }
}

/* acc += codes times four activations. The broadcast is part of the instruction, which compilers miss. */
QB_INLINE __m512i planes_dot4(__m512i acc, __m512i codes, const int8_t *x)
{
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(codes), "m"(*(const int32_t *)x));
    return acc;
}

/* What column i adds for offsets or minima: pairs of int16 of n vectors times the negated sums (npair,
 * npair16). */
QB_INLINE __m512i planes_scaled_sums(const __m512i *pair, int n, const int16_t *npair, int i, int cols)
{
    __m512i sum = _mm512_setzero_si512();
    QB_UNROLL
    for (int j = 0; j < n; j++)
        sum = _mm512_dpwssd_epi32(sum, pair[j],
                                  _mm512_set1_epi32(*(const int32_t *)(npair + (j * cols + i) * 2)));
    return sum;
}

/* IQ1_S: a block's sum in eighths of d; sum: points 0, 1, 2 times their scales times the activations. */
QB_INLINE __m512i iq1_s_total(__m512i sum, const struct scales *sc, const int16_t *npair, int i, int cols)
{
    __m512i n = planes_scaled_sums(sc->odd, 4, npair, i, cols);
    return _mm512_add_epi32(_mm512_slli_epi32(_mm512_add_epi32(sum, n), 3),
                            planes_scaled_sums(sc->down, 4, npair, i, cols));
}

#endif
