/*
 * Panel decoder and fused GEMV of one integer format, for AVX2 and AVX-VNNI. Included once by each
 * weights_FORMAT_avx2.c and weights_FORMAT_avxvnni.c, which define before:
 *
 *   W_ELEMS, W_BYTES  of a block (checked against the format table by kernel_check)
 *   W_SUB    weights per scale: 16, 32 or 256
 *   W_RUN    weights side by side in a chunk; W_SUB unless that is 256
 *   W_SHIFT  of the code offset, or QB_OFFSET_NONE
 *   W_MIN    enum qb_min_kind
 *   W_CHUNK  weights per chunk; 32 in blocks of 64 and 128
 *   W_DEPTH  products (vpmaddubsw) that fit into int16: floor(32767 / (254 * largest code)); 0 for
 *            signed codes of 8 bits (WIDE), where the magnitude meets activations of the weight's sign
 *   W_QUANTS where the quants stand, if the format has layouts of llama.cpp: .at = 2, .bytes = 16 (struct
 * rows8_quants)
 *
 *   void image_plain(const uint8_t *const p[8], size_t at, uint8_t *image);
 *            the plain blocks at `at` of 8 rows, in the order of r16 with 8 rows
 *
 *   void read_header(struct block8 b, struct header8 h);
 *            all scales (and minima) of the block
 *
 *   __m256i read_code(struct block8 b, int c, int j, int i);
 *            weights 4i .. 4i + 3 of the j-th run of chunk c, [8 rows][4]: codes, signed if W_DEPTH is 0
 *
 *   int chunk_sub(int c, int j);
 *            number of the j-th run of chunk c inside the block
 *
 * and with W_SUB 256 (where W_OWN_RUN may say that it has read_run, all codes of a run, instead of read_code)
 *
 *   void block_sums(const struct block8 *b, const struct qb_act *a, int64_t n, int cols, struct gemv_sums
 * *sum, const uint8_t *ahead); sums over block n of (code - offset) times activation,
 * exact; prefetches as gemv_block
 *
 * With W_OWN_CODE the GEMV has codes of its own, with W_OWN_ORDER also another order of weights in a run than
 * a panel has:
 *
 *   __m256i gemv_code(struct block8 b, int c, int j, int i);
 *   __m256i gemv_x(const int8_t *q, int i, int col, int cols);
 *            four codes for each row, and the activations of column `col` for them; q: those of the run
 *
 * W_VNNI: for AVX-VNNI. The GEMV takes unsigned codes whatever W_DEPTH is, and sums them by vpdpbusd.
 *
 * The loops over blocks and rows are those of weights_frame_avx2_tmpl.h. Products have the codes as the
 * unsigned operand; the offset is paid by starting from the negated activation sums.
 */

#ifndef W_RUN
#define W_RUN W_SUB
#endif
#define W_SUBS       (W_ELEMS / W_SUB) /* sub-blocks in a block */
#define W_CHUNKS     (W_ELEMS / W_CHUNK)
#define W_CHUNK_RUNS (W_CHUNK / W_RUN)
#define W_RUN_VECS   (W_RUN / 4)
#define W_ACT        (W_ELEMS == 256 ? 256 : 32)
#define W_MIN_PAIRS  (256 / qb_min_weights(W_MIN) / 2)
#define W_WIDE       (W_DEPTH == 0)
#ifndef W_MAGNITUDES
#define W_MAGNITUDES 0 /* qb_format.magnitudes (kernels/panel_forms.def) */
#endif
_Static_assert(W_ACT == 256 || W_CHUNK == 32, "one activation scale a chunk");
#ifndef W_NEGATABLE
#define W_NEGATABLE 0 /* 1: signed weights of which none is -128 */
#endif

#ifndef W_OWN_RUN
QB_INLINE void read_run(struct block8 b, int c, int j, __m256i w[W_RUN_VECS])
{
    QB_UNROLL
    for (int i = 0; i < W_RUN_VECS; i++)
        w[i] = read_code(b, c, j, i);
}
#endif

/* Decode block number n of 8 rows to the panel's rows r .. r + 7. */
QB_INLINE void panel_block(struct block8 b, int64_t n, struct qb_panel *p, int r)
{
    read_header(b, (struct header8){.scale = p->scale + n * W_SUBS * QB_PANEL_ROWS + r,
                                    .min_f32 = p->min_f32 + n * W_SUBS * QB_PANEL_ROWS + r,
                                    .min_scale = p->min_scale + n * QB_PANEL_ROWS + r,
                                    .min_pair = p->min_pair + (n * W_MIN_PAIRS * QB_PANEL_ROWS + r) * 2,
                                    .rows = QB_PANEL_ROWS});
    uint8_t *code = p->code + (n * W_ELEMS * QB_PANEL_ROWS << W_MAGNITUDES) + r * 4;
    for (int c = 0; c < W_CHUNKS; c++) {
        QB_UNROLL
        for (int j = 0; j < W_CHUNK_RUNS; j++) {
            __m256i w[W_RUN_VECS];
            read_run(b, c, j, w);
            QB_UNROLL
            for (int i = 0; i < W_RUN_VECS; i++) {
                uint8_t *to = code + ((chunk_sub(c, j) * W_RUN_VECS + i) * QB_PANEL_ROWS * 4 << W_MAGNITUDES);
                if (W_MAGNITUDES)
                    _mm256_store_si256((void *)(to + QB_PANEL_ROWS * 4), _mm256_abs_epi8(w[i]));
                else if (W_WIDE)
                    w[i] = _mm256_xor_si256(w[i], _mm256_set1_epi8((char)0x80));
                _mm256_store_si256((void *)to, w[i]);
            }
        }
    }
}

struct gemv_header {
    float scale[W_SUBS * GEMV_ROWS], min_f32[GEMV_ROWS], min_scale[GEMV_ROWS];
    int16_t min_pair[8 * GEMV_ROWS * 2];
};

/* acc += what the integer minima of a block add; npair: pairs of the activations' sums in the block. */
QB_INLINE void gemv_min_i16(const struct gemv_header *h, const int16_t *npair, int cols, struct gemv_acc *acc)
{
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int n = x / GEMV_VECS, v = x % GEMV_VECS;
        __m256i sum = _mm256_setzero_si256();
        QB_UNROLL
        for (int i = 0; i < W_MIN_PAIRS; i++) {
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

/* Scales and minima of both vectors of rows, and sums that start with the minima. */
QB_INLINE void gemv_start(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_header *h, struct gemv_acc *part)
{
    QB_UNROLL
    for (int v = 0; v < GEMV_VECS; v++)
        read_header(b[v], (struct header8){h->scale + 8 * v, h->min_f32 + 8 * v, h->min_scale + 8 * v,
                                           h->min_pair + 16 * v, GEMV_ROWS});
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++)
        part->v[x % GEMV_VECS][x / GEMV_VECS] = _mm256_setzero_ps();
    if (W_MIN == QB_MIN_I16)
        gemv_min_i16(h, a->npair + n * 8 * cols, cols, part);
    if (W_MIN == QB_MIN_I16_16)
        gemv_min_i16(h, a->npair16 + n * 16 * cols, cols, part);
}

#if W_SUB == 256
/* acc += block number n, all of it under one scale. */
QB_INLINE void gemv_block(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_acc *acc, const uint8_t *ahead)
{
    struct gemv_header h;
    struct gemv_acc part;
    struct gemv_sums sum;
    gemv_start(b, a, n, cols, &h, &part);
    block_sums(b, a, n, cols, &sum, ahead);
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int i = x / GEMV_VECS, v = x % GEMV_VECS;
        __m256 dot = _mm256_cvtepi32_ps(sum.v[v][i]);
        part.v[v][i] = _mm256_fmadd_ps(dot, _mm256_loadu_ps(h.scale + 8 * v), part.v[v][i]);
        acc->v[v][i] = _mm256_fmadd_ps(part.v[v][i], _mm256_set1_ps(a->scale[n * cols + i]), acc->v[v][i]);
    }
}
#else
#ifndef W_OWN_CODE
QB_INLINE __m256i gemv_code(struct block8 b, int c, int j, int i)
{
    return read_code(b, c, j, i);
}
#endif

#ifndef W_OWN_ORDER
QB_INLINE __m256i gemv_x(const int8_t *q, int i, int col, int cols)
{
    return gemv_x4(q + (i * cols + col) * 4);
}
#endif

#ifdef W_VNNI
/* Sums over sub-block j of chunk c of (code - offset) times activation; q, nsum: its activations and their
 * negated sums. */
QB_INLINE void gemv_dot(const struct block8 *b, int c, int j, const int8_t *q, const int32_t *nsum, int cols,
                        struct gemv_sums *sum)
{
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int n = x / GEMV_VECS, start = W_SHIFT == QB_OFFSET_NONE ? 0 : nsum[n] * (1 << (W_SHIFT & 7));
        sum->v[x % GEMV_VECS][n] = _mm256_set1_epi32(start);
    }
    QB_UNROLL
    for (int i = 0; i < W_RUN_VECS; i++) {
        __m256i w[GEMV_VECS];
        QB_UNROLL
        for (int v = 0; v < GEMV_VECS; v++)
            w[v] = gemv_code(b[v], c, j, i);
        QB_UNROLL
        for (int x = 0; x < cols * GEMV_VECS; x++) {
            const int n = x / GEMV_VECS, v = x % GEMV_VECS;
            sum->v[v][n] = _mm256_dpbusd_avx_epi32(sum->v[v][n], w[v], gemv_x(q, i, n, cols));
            QB_IN_ORDER(sum->v[v][n]);
        }
    }
}
#else
QB_INLINE void gemv_dot(const struct block8 *b, int c, int j, const int8_t *q, const int32_t *nsum, int cols,
                        struct gemv_sums *sum)
{
    const __m256i ones = _mm256_set1_epi16(1);
    const int depth = W_WIDE ? 1 : W_DEPTH;
    __m256i part[GEMV_VECS][QB_GEMV_MAX_COLS];
    QB_UNROLL
    for (int i = 0; i < W_RUN_VECS; i++) {
        __m256i w[GEMV_VECS], a[GEMV_VECS];
        QB_UNROLL
        for (int v = 0; v < GEMV_VECS; v++) {
            w[v] = gemv_code(b[v], c, j, i);
            a[v] = W_WIDE ? _mm256_abs_epi8(w[v]) : w[v];
        }
        QB_UNROLL
        for (int x = 0; x < cols * GEMV_VECS; x++) {
            const int n = x / GEMV_VECS, v = x % GEMV_VECS;
            __m256i x4 = gemv_x(q, i, n, cols);
            __m256i t;
            if (W_NEGATABLE && cols == 1) /* the magnitudes of the activations serve both vectors */
                t = _mm256_maddubs_epi16(_mm256_abs_epi8(x4), _mm256_sign_epi8(w[v], x4));
            else
                t = _mm256_maddubs_epi16(a[v], W_WIDE ? _mm256_sign_epi8(x4, w[v]) : x4);
            part[v][n] = i % depth == 0 ? t : _mm256_add_epi16(part[v][n], t);
            QB_IN_ORDER(part[v][n]);
            if ((i + 1) % depth == 0 || i + 1 == W_RUN_VECS) {
                t = _mm256_madd_epi16(part[v][n], ones);
                sum->v[v][n] = i < depth ? t : _mm256_add_epi32(sum->v[v][n], t);
                QB_IN_ORDER(sum->v[v][n]);
            }
        }
    }
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS && W_SHIFT != QB_OFFSET_NONE && !W_WIDE; x++) {
        const int n = x / GEMV_VECS, v = x % GEMV_VECS;
        __m256i offset = _mm256_set1_epi32(nsum[n] * (1 << (W_SHIFT & 7)));
        sum->v[v][n] = _mm256_add_epi32(sum->v[v][n], offset);
    }
}
#endif

/* part += run j of chunk c of block n. */
QB_INLINE void gemv_run(const struct block8 *b, const struct gemv_header *h, const struct qb_act *a,
                        int64_t n, int c, int j, int cols, struct gemv_acc *part)
{
    const int sub = chunk_sub(c, j);
    const int32_t *nsum = (W_SUB == 16 ? a->nsum16 : a->nsum32) + (n * W_SUBS + sub) * cols;
    struct gemv_sums sum;
    gemv_dot(b, c, j, a->q + (n * W_ELEMS + sub * W_SUB) * cols, nsum, cols, &sum);
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int i = x / GEMV_VECS, v = x % GEMV_VECS;
        part->v[v][i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum.v[v][i]),
                                        _mm256_loadu_ps(h->scale + sub * GEMV_ROWS + 8 * v), part->v[v][i]);
    }
}

/* acc += part under the activations' scale, and part = 0. */
QB_INLINE void gemv_fold(struct gemv_acc *acc, struct gemv_acc *part, const float *x_scale, int cols)
{
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS; x++) {
        const int i = x / GEMV_VECS, v = x % GEMV_VECS;
        acc->v[v][i] = _mm256_fmadd_ps(part->v[v][i], _mm256_set1_ps(x_scale[i]), acc->v[v][i]);
        part->v[v][i] = _mm256_setzero_ps();
    }
}

/* acc += block number n. */
QB_INLINE void gemv_block(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_acc *acc, const uint8_t *ahead)
{
    struct gemv_header h;
    struct gemv_acc part;
    const float *x_scale = a->scale + n * (W_ELEMS / W_ACT) * cols;
    gemv_start(b, a, n, cols, &h, &part);
    for (int c = 0; c < W_CHUNKS; c++) {
        stream_ask_run(ahead + c * AHEAD_STEP, AHEAD_STEP);
        QB_UNROLL
        for (int j = 0; j < W_CHUNK_RUNS; j++)
            gemv_run(b, &h, a, n, c, j, cols, &part);
        if (W_ACT == 32)
            gemv_fold(acc, &part, x_scale + c * cols, cols);
    }
    if (W_ACT == 256)
        gemv_fold(acc, &part, x_scale, cols);
    QB_UNROLL
    for (int x = 0; x < cols * GEMV_VECS && W_MIN == QB_MIN_F32; x++) {
        const int i = x / GEMV_VECS, v = x % GEMV_VECS; /* the minimum carries its activation scale in fsum */
        acc->v[v][i] = _mm256_fmadd_ps(_mm256_loadu_ps(h.min_f32 + 8 * v),
                                       _mm256_set1_ps(a->fsum[n * cols + i]), acc->v[v][i]);
    }
}
#endif

#include "kernels/x86/weights_frame_avx2_tmpl.h"
