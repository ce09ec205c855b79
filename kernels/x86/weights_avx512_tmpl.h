/*
 * Panel decoder and fused GEMV of one integer format, for AVX512-VNNI. Included once by each
 * weights_FORMAT_avx512vnni.c, which defines before:
 *
 *   W_FORMAT       QB_FORMAT_Q4_K, ...
 *   W_ELEMS, W_BYTES  of a block (checked against the format table by kernel_check)
 *   W_SUB          weights per scale: 16, 32 or 256
 *   W_RUN          weights side by side in a chunk; W_SUB unless that is 256
 *   W_SHIFT        of the code offset, or QB_OFFSET_NONE
 *   W_MIN          enum qb_min_kind
 *   W_CHUNK        weights per chunk; 32 in blocks of 64 and 128
 *   W_CUT          for panels of integer scales (all blocks of 256 with sub-blocks): qb_format.cut of
 *                  kernels/panel_forms.def
 *   void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h);
 *                  all scales (and minima) of the block
 *   void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[W_CHUNK / 4]);
 *                  the codes of chunk c, run after run, [16 rows][4 consecutive k] each
 *   int chunk_sub(int c, int j);  number of the j-th run of chunk c inside the block
 *
 * and, with W_SUB 256 only, perhaps W_OWN_SUMS and a way of its own to the integer sums of the GEMV:
 *
 *   void block_sums(struct rows16 *s, enum rows16_kind kind, const struct header *h, const struct qb_act *a,
 *                   int64_t b, int cols, __m512i *sum);
 *                  sum (zeros before) becomes the sum over block b of (code - offset) times activation,
 * exact; prefetches the block ahead
 *
 * W_ISA where the symbols end with another level than avx512vnni.
 *
 * struct header comes from weights_avx512.h. Everything is inlined for a constant source kind and column
 * count.
 */

#ifndef W_CUT
#define W_CUT NO_INT_SCALES
#endif
#ifndef W_RUN
#define W_RUN W_SUB
#endif
#define W_SUBS       (W_ELEMS / W_SUB) /* sub-blocks in a block */
#define W_CHUNKS     (W_ELEMS / W_CHUNK)
#define W_CHUNK_RUNS (W_CHUNK / W_RUN)
#define W_RUN_VECS   (W_RUN / 4)
#define W_ACT        (W_ELEMS == 256 ? 256 : 32)
_Static_assert(W_ACT == 256 || W_CHUNK == 32, "one activation scale a chunk");

/* Decode 16 rows into half `half` of the panel. */
QB_INLINE void panel_half(const struct qb_matrix *m, int64_t row0, int64_t k0, int64_t n_k,
                          struct qb_panel *p, int half, enum rows16_kind kind)
{
    struct rows16 s;
    rows16_init(&s, m, row0, k0, kind);
    for (int64_t b = 0; b < n_k / W_ELEMS; b++, rows16_next(&s, W_BYTES, kind)) {
        struct header h;
        read_header(&s, kind, &h);
        header_store(&h, p, b, half, W_SUBS, W_MIN, W_CUT);
        uint8_t *code = p->code + b * W_ELEMS * QB_PANEL_ROWS + half * 64;
        QB_UNROLL
        for (int c = 0; c < W_CHUNKS; c++) {
            __m512i w[W_CHUNK / 4];
            rows16_prefetch(&s, 16 * W_BYTES / W_CHUNKS, kind);
            read_chunk(&s, kind, c, w);
            QB_UNROLL
            for (int v = 0; v < W_CHUNK / 4; v++) {
                int run = chunk_sub(c, v / W_RUN_VECS);
                _mm512_store_si512(code + (run * W_RUN_VECS + v % W_RUN_VECS) * 128, w[v]);
            }
        }
    }
}

/* What an offset of 2^W_SHIFT adds to a sum of codes; nsum: minus the sum of the activations. */
QB_INLINE __m512i gemv_offset(const int32_t *nsum)
{
    if (W_SHIFT == QB_OFFSET_NONE)
        return _mm512_setzero_si512();
    return _mm512_slli_epi32(_mm512_set1_epi32(*nsum), W_SHIFT == QB_OFFSET_NONE ? 0 : W_SHIFT);
}

#if W_SUB == 256 && !defined(W_OWN_SUMS)
/* Blocks of one scale: the codes as they stand in a panel. */
QB_INLINE void block_sums(struct rows16 *s, enum rows16_kind kind, const struct header *h,
                          const struct qb_act *a, int64_t b, int cols, __m512i *sum)
{
    (void)h;
    const int8_t *q = a->q + b * W_ELEMS * cols;
    QB_UNROLL
    for (int i = 0; i < cols; i++)
        sum[i] = gemv_offset(a->nsum256 + b * cols + i);
    QB_UNROLL
    for (int c = 0; c < W_CHUNKS; c++) {
        __m512i w[W_CHUNK / 4];
        rows16_prefetch(s, 16 * W_BYTES / W_CHUNKS, kind);
        read_chunk(s, kind, c, w);
        QB_UNROLL
        for (int j = 0; j < W_CHUNK_RUNS; j++) {
            QB_UNROLL
            for (int i = 0; i < cols; i++) {
                __m512i dot = run_dot(_mm512_setzero_si512(), w + j * W_RUN_VECS, W_RUN_VECS,
                                      q + chunk_sub(c, j) * W_RUN * cols, i, cols);
                sum[i] = _mm512_add_epi32(sum[i], dot);
            }
        }
    }
}
#endif

#if W_SUB == 256
/* acc[c] += what one block adds to 16 rows: one scale. */
QB_INLINE void gemv_block(struct rows16 *s, const struct qb_act *a, int64_t b, __m512 *acc, int cols,
                          enum rows16_kind kind)
{
    struct header h;
    const __m512i zero = _mm512_setzero_si512();
    __m512i sum[QB_GEMV_MAX_COLS] = {zero, zero, zero, zero};
    read_header(s, kind, &h);
    block_sums(s, kind, &h, a, b, cols, sum);
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512 part = header_min(&h, a, b, i, cols, W_MIN);
        part = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i]), h.scale[0], part);
        acc[i] = _mm512_fmadd_ps(part, _mm512_set1_ps(a->scale[b * cols + i]), acc[i]);
    }
}
#else
/* part[c] += run number `sub` of a block; q, nsum: of the block. */
QB_INLINE void add_run(__m512 *part, const __m512i *w, const __m512 *scale, int sub, const int8_t *q,
                       const int32_t *nsum, int cols)
{
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512i start = gemv_offset(nsum + sub * cols + i);
        __m512i dot = run_dot(start, w, W_RUN_VECS, q + sub * W_RUN * cols, i, cols);
        part[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), scale[sub], part[i]);
    }
}

/* The same for all runs of chunk c, which is read and asked for ahead. */
QB_INLINE void add_chunk(__m512 *part, struct rows16 *s, enum rows16_kind kind, int c, const __m512 *scale,
                         const int8_t *q, const int32_t *nsum, int cols)
{
    __m512i w[W_CHUNK / 4];
    rows16_prefetch(s, 16 * W_BYTES / W_CHUNKS, kind);
    read_chunk(s, kind, c, w);
    QB_UNROLL
    for (int j = 0; j < W_CHUNK_RUNS; j++)
        add_run(part, w + j * W_RUN_VECS, scale, chunk_sub(c, j), q, nsum, cols);
}

#if W_ACT == 256
/* acc[c] += what one block adds to 16 rows; sub-blocks meet integers, all of them what multiplies these. */
QB_INLINE void gemv_block(struct rows16 *s, const struct qb_act *a, int64_t b, __m512 *acc, int cols,
                          enum rows16_kind kind)
{
    struct header h;
    const int8_t *q = a->q + b * W_ELEMS * cols;
    const int32_t *nsum = (W_SUB == 16 ? a->nsum16 : a->nsum32) + b * W_SUBS * cols;
    __m512 part[QB_GEMV_MAX_COLS];
    read_header(s, kind, &h);
    QB_UNROLL
    for (int i = 0; i < cols; i++)
        part[i] = _mm512_setzero_ps();
    QB_UNROLL
    for (int c = 0; c < W_CHUNKS; c++)
        add_chunk(part, s, kind, c, h.scale, q, nsum, cols);
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        __m512 x_scale = _mm512_set1_ps(a->scale[b * cols + i]);
        if (W_MIN != QB_MIN_NONE)
            acc[i] = _mm512_fmadd_ps(header_min(&h, a, b, i, cols, W_MIN), x_scale, acc[i]);
        acc[i] = _mm512_fmadd_ps(part[i], _mm512_mul_ps(h.d, x_scale), acc[i]);
    }
}
#else
/* acc[c] += what one block adds to 16 rows; blocks of 32, or of several of them. */
QB_INLINE void gemv_block(struct rows16 *s, const struct qb_act *a, int64_t b, __m512 *acc, int cols,
                          enum rows16_kind kind)
{
    struct header h;
    read_header(s, kind, &h);
    const int8_t *q = a->q + b * W_ELEMS * cols;
    const float *x_scale = a->scale + b * W_CHUNKS * cols;
    const int32_t *nsum = (W_SUB == 16 ? a->nsum16 : a->nsum32) + b * W_SUBS * cols;
    QB_UNROLL
    for (int c = 0; c < W_CHUNKS; c++) {
        __m512 part[QB_GEMV_MAX_COLS];
        QB_UNROLL
        for (int i = 0; i < cols; i++)
            part[i] = _mm512_setzero_ps();
        add_chunk(part, s, kind, c, h.scale, q, nsum, cols);
        QB_UNROLL
        for (int i = 0; i < cols; i++)
            acc[i] = _mm512_fmadd_ps(part[i], _mm512_set1_ps(x_scale[c * cols + i]), acc[i]);
    }
    QB_UNROLL
    for (int i = 0; i < cols; i++)
        if (W_MIN == QB_MIN_F32) /* the minimum carries its activation scale in fsum */
            acc[i] = _mm512_fmadd_ps(h.min_f32, _mm512_set1_ps(a->fsum[b * cols + i]), acc[i]);
}
#endif
#endif

#ifndef W_ISA
#define W_ISA avx512vnni
#endif
#include "kernels/x86/weights_avx512_calls_tmpl.h"
