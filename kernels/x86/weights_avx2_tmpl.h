/*
 * Panel decoder and fused GEMV of one integer format, for AVX2. Included once by each weights_FORMAT_avx2.c,
 * which defines before:
 *
 *   W_ELEMS, W_BYTES  of a block (checked against the format table by kernel_check)
 *   W_SUB    weights per scale: 16 or 32
 *   W_SHIFT  of the code offset, or QB_OFFSET_NONE
 *   W_MIN    enum qb_min_kind
 *   W_CHUNK  weights per chunk
 *   W_DEPTH  products (vpmaddubsw) that fit into int16: floor(32767 / (254 * largest code)); 0 for
 *            signed codes of 8 bits (WIDE), where the magnitude meets activations of the weight's sign
 *   W_QUANTS where the quants stand, if the format has layouts of llama.cpp: .at = 2, .bytes = 16 (struct rows8_quants)
 *
 *   void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image);
 *            the plain blocks at `at` of 8 rows, in the order of r16 with 8 rows
 *
 *   void read_header(struct block8 b, struct header8 h);
 *            all scales (and minima) of the block
 *
 *   __m256i read_code(struct block8 b, int c, int j, int i);
 *            weights 4i .. 4i + 3 of the j-th sub-block of chunk c, [8 rows][4]: codes, signed if W_DEPTH
 *            is 0
 *
 *   int chunk_sub(int c, int j);
 *            number of the j-th sub-block of chunk c inside the block
 *
 * The loops over blocks and rows are those of weights_frame_avx2_tmpl.h. Products have the codes as the
 * unsigned operand; the offset is paid by starting from the negated activation sums.
 */

#define W_SUBS       (W_ELEMS / W_SUB) /* sub-blocks in a block */
#define W_CHUNKS     (W_ELEMS / W_CHUNK)
#define W_CHUNK_SUBS (W_CHUNK / W_SUB)
#define W_SUB_VECS   (W_SUB / 4)
#define W_WIDE       (W_DEPTH == 0)
#ifndef W_NEGATABLE
#define W_NEGATABLE 0 /* 1: signed weights of which none is -128 */
#endif

/* Decode block number n of 8 rows to the panel's rows r .. r + 7. */
QB_INLINE void panel_block(struct block8 b, int64_t n, struct qb_panel *p, int r)
{
    read_header(b, (struct header8){.scale = p->scale + n * W_SUBS * QB_PANEL_ROWS + r,
                                    .min_f32 = p->min_f32 + n * W_SUBS * QB_PANEL_ROWS + r,
                                    .min_scale = p->min_scale + n * QB_PANEL_ROWS + r,
                                    .min_pair = p->min_pair + (n * 4 * QB_PANEL_ROWS + r) * 2,
                                    .rows = QB_PANEL_ROWS});
    uint8_t *code = p->code + n * W_ELEMS * QB_PANEL_ROWS + r * 4;
    for (int c = 0; c < W_CHUNKS; c++) {
        QB_UNROLL
        for (int x = 0; x < W_CHUNK / 4; x++) {
            int j = x / W_SUB_VECS, i = x % W_SUB_VECS;
            __m256i w = read_code(b, c, j, i);
            if (W_WIDE)
                w = _mm256_xor_si256(w, _mm256_set1_epi8((char)0x80));
            _mm256_store_si256((void *)(code + (chunk_sub(c, j) * W_SUB_VECS + i) * QB_PANEL_ROWS * 4), w);
        }
    }
}

struct gemv_header {
    float scale[W_SUBS * GEMV_ROWS], min_f32[GEMV_ROWS], min_scale[GEMV_ROWS];
    int16_t min_pair[4 * GEMV_ROWS * 2];
};

QB_INLINE __m256i gemv_x4(const int8_t *q)
{
    int32_t x;
    memcpy(&x, q, sizeof x);
    return _mm256_set1_epi32(x);
}

/* Integer sums over sub-block j of chunk c; q are its activations. */
QB_INLINE void gemv_dot(const struct block8 *b, int c, int j, const int8_t *q, int cols,
                        __m256i sum[GEMV_VECS][QB_GEMV_MAX_COLS])
{
    const __m256i ones = _mm256_set1_epi16(1);
    const int depth = W_WIDE ? 1 : W_DEPTH;
    __m256i part[GEMV_VECS][QB_GEMV_MAX_COLS];
    QB_UNROLL
    for (int i = 0; i < W_SUB_VECS; i++) {
        __m256i w[GEMV_VECS], a[GEMV_VECS];
        QB_UNROLL
        for (int v = 0; v < GEMV_VECS; v++) {
            w[v] = read_code(b[v], c, j, i);
            a[v] = W_WIDE ? _mm256_abs_epi8(w[v]) : w[v];
        }
        QB_UNROLL
        for (int x = 0; x < cols * GEMV_VECS; x++) {
            const int n = x / GEMV_VECS, v = x % GEMV_VECS;
            __m256i x4 = gemv_x4(q + (i * cols + n) * 4);
            __m256i t;
            if (W_NEGATABLE && cols == 1) /* the magnitudes of the activations serve both vectors */
                t = _mm256_maddubs_epi16(_mm256_abs_epi8(x4), _mm256_sign_epi8(w[v], x4));
            else
                t = _mm256_maddubs_epi16(a[v], W_WIDE ? _mm256_sign_epi8(x4, w[v]) : x4);
            part[v][n] = i % depth == 0 ? t : _mm256_add_epi16(part[v][n], t);
            QB_IN_ORDER(part[v][n]);
            if ((i + 1) % depth == 0 || i + 1 == W_SUB_VECS) {
                t = _mm256_madd_epi16(part[v][n], ones);
                sum[v][n] = i < depth ? t : _mm256_add_epi32(sum[v][n], t);
                QB_IN_ORDER(sum[v][n]);
            }
        }
    }
}

/* acc += what the minima of a block add; npair, fsum: the activations' sums of the block. */
QB_INLINE void gemv_min_i16(const struct gemv_header *h, const int16_t *npair, int cols, struct gemv_acc *acc)
{
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int n = x / GEMV_VECS, v = x % GEMV_VECS;
        __m256i sum = _mm256_setzero_si256();
        QB_UNROLL
        for (int i = 0; i < 4; i++) {
            int32_t pair;
            memcpy(&pair, npair + (i * cols + n) * 2, sizeof pair);
            __m256i m = _mm256_loadu_si256((const void *)(h->min_pair + (i * GEMV_ROWS + 8 * v) * 2));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(m, _mm256_set1_epi32(pair)));
        }
        acc->v[v][n] =
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(h->min_scale + 8 * v), acc->v[v][n]);
    }
}

/* The prefetches of a block are spread over its chunks: many at once would wait for each other. */
#define AHEAD_STEP (GEMV_ROWS * W_BYTES / W_CHUNKS)

/* acc += block number n. */
QB_INLINE void gemv_block(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_acc *acc, const uint8_t *ahead, enum rows8_kind kind)
{
    struct gemv_header h;
    QB_UNROLL
    for (int v = 0; v < GEMV_VECS; v++)
        read_header(b[v], (struct header8){h.scale + 8 * v, h.min_f32 + 8 * v, h.min_scale + 8 * v,
                                           h.min_pair + 16 * v, GEMV_ROWS});
    const int8_t *q = a->q + n * W_ELEMS * cols;
    const int32_t *nsum = (W_SUB == 16 ? a->nsum16 : a->nsum32) + n * W_SUBS * cols;
    struct gemv_acc part;
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++)
        part.v[x % GEMV_VECS][x / GEMV_VECS] = _mm256_setzero_ps();
    if (W_MIN == QB_MIN_I16)
        gemv_min_i16(&h, a->npair + n * 8 * cols, cols, &part);
    for (int c = 0; c < W_CHUNKS; c++) {
        rows8_prefetch(ahead + c * AHEAD_STEP, AHEAD_STEP, kind);
        QB_UNROLL
        for (int j = 0; j < W_CHUNK_SUBS; j++) {
            const int sub = chunk_sub(c, j);
            __m256i sum[GEMV_VECS][QB_GEMV_MAX_COLS];
            gemv_dot(b, c, j, q + sub * W_SUB * cols, cols, sum);
            QB_UNROLL
            for (int x = 0; x < cols * GEMV_VECS; x++) {
                const int i = x / GEMV_VECS, v = x % GEMV_VECS;
                if (W_SHIFT != QB_OFFSET_NONE && !W_WIDE)
                    sum[v][i] = _mm256_add_epi32(
                        sum[v][i], _mm256_set1_epi32(nsum[sub * cols + i] * (1 << (W_SHIFT & 7))));
                part.v[v][i] =
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[v][i]),
                                    _mm256_loadu_ps(h.scale + sub * GEMV_ROWS + 8 * v), part.v[v][i]);
            }
        }
    }
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int i = x / GEMV_VECS, v = x % GEMV_VECS;
        if (W_MIN == QB_MIN_F32) /* the minimum carries its activation scale in fsum */
            acc->v[v][i] = _mm256_fmadd_ps(_mm256_loadu_ps(h.min_f32 + 8 * v),
                                           _mm256_set1_ps(a->fsum[n * cols + i]), acc->v[v][i]);
        acc->v[v][i] = _mm256_fmadd_ps(part.v[v][i], _mm256_set1_ps(a->scale[n * cols + i]), acc->v[v][i]);
    }
}

#include "kernels/x86/weights_frame_avx2_tmpl.h"
