/*
 * Panel decoder and fused GEMV of one integer format, for AVX2. Included once by each weights_FORMAT_avx2.c,
 * which defines before:
 *
 *   W_ELEMS, W_BYTES  of a block (checked against the format table by kernel_check)
 *   W_SUB          weights per scale: 16 or 32
 *   W_SHIFT        of the code offset, or QB_OFFSET_NONE
 *   W_MIN          enum qb_min_kind
 *   W_CHUNK        weights per chunk
 *   W_DEPTH        products (vpmaddubsw) that fit into int16: floor(32767 / (254 * largest code)); 0 for
 * signed codes of 8 bits (WIDE), where the magnitude meets activations of the weight's sign void
 * image_plain(const uint8_t *const p[8], size_t at, uint8_t *image); the plain blocks at `at` of 8 rows, in
 * the order of r16 with 8 rows void read_header(struct block8 b, struct header8 h); all scales (and minima)
 * of the block
 *   __m256i read_code(struct block8 b, int c, int j, int i);
 *                  weights 4i .. 4i + 3 of the j-th sub-block of chunk c, [8 rows][4]: codes, signed if
 * W_DEPTH is 0 int chunk_sub(int c, int j);  number of the j-th sub-block of chunk c inside the block
 *
 * Everything is inlined for a constant source kind and column count. Products have the codes as the unsigned
 * operand; the offset is paid by starting from the negated activation sums.
 */

#define W_SUBS       (W_ELEMS / W_SUB) /* sub-blocks in a block */
#define W_CHUNKS     (W_ELEMS / W_CHUNK)
#define W_CHUNK_SUBS (W_CHUNK / W_SUB)
#define W_SUB_VECS   (W_SUB / 4)
#define W_WIDE       (W_DEPTH == 0)
#ifndef W_FLIP
#define W_FLIP 0 /* of the codes in the historical layouts */
#endif
#ifndef W_NEGATABLE
#define W_NEGATABLE 0 /* 1: signed weights of which none is -128 */
#endif

/* Block number `block` of 8 rows; `image` has room for 8 blocks. */
QB_INLINE struct block8 load_block(const struct rows8 *s, int64_t block, uint8_t *image, enum rows8_kind kind)
{
    if (kind == ROWS8_R16) {
        int64_t at = block * (16 * W_BYTES);
        return (struct block8){s->p[0] + at, s->p[1] + at, 16};
    }
    if (kind == ROWS8_PLAIN)
        image_plain(s->p, (size_t)block * W_BYTES, image);
    else
        rows8_image_interleaved(s, block, W_BYTES, W_FLIP, image, kind);
    return (struct block8){image, image, 8};
}

/* Decode 8 rows to the panel's rows r .. r + 7. */
QB_INLINE void panel_rows8(const struct rows8 *s, int64_t n_k, struct qb_panel *p, int r,
                           enum rows8_kind kind)
{
    uint8_t image[8 * W_BYTES] __attribute__((aligned(32)));
    for (int64_t n = 0; n < n_k / W_ELEMS; n++) {
        struct block8 b = load_block(s, n, image, kind);
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
                _mm256_store_si256((void *)(code + (chunk_sub(c, j) * W_SUB_VECS + i) * QB_PANEL_ROWS * 4),
                                   w);
            }
        }
    }
}

QB_INLINE void decode_panel(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,
                            struct qb_panel *p, enum rows8_kind kind)
{
    p->offset_shift = W_SHIFT;
    for (int r = 0; r < QB_PANEL_ROWS; r += 8) {
        struct rows8 s;
        rows8_init(&s, m, row0 + r, row0 + n_rows - 1, k0, kind);
        panel_rows8(&s, n_k, p, r, kind);
    }
    if (kind != ROWS8_PLAIN && n_rows < QB_PANEL_ROWS)
        qb_panel_repeat_last_row(p, m->format, n_rows, n_k);
}

/* GEMV takes 16 rows at a time, two vectors: whole cache lines of r16, and two chains for every column. */
#define W_VECS 2
#define W_ROWS (8 * W_VECS)

struct gemv_header {
    float scale[W_SUBS * W_ROWS], min_f32[W_ROWS], min_scale[W_ROWS];
    int16_t min_pair[4 * W_ROWS * 2];
};

struct gemv_acc {
    __m256 v[W_VECS][QB_GEMV_MAX_COLS];
};

QB_INLINE __m256i gemv_x4(const int8_t *q)
{
    int32_t x;
    memcpy(&x, q, sizeof x);
    return _mm256_set1_epi32(x);
}

/* Integer sums over sub-block j of chunk c; q are its activations. */
QB_INLINE void gemv_dot(const struct block8 *b, int c, int j, const int8_t *q, int cols,
                        __m256i sum[W_VECS][QB_GEMV_MAX_COLS])
{
    const __m256i ones = _mm256_set1_epi16(1);
    const int depth = W_WIDE ? 1 : W_DEPTH;
    __m256i part[W_VECS][QB_GEMV_MAX_COLS];
    QB_UNROLL
    for (int i = 0; i < W_SUB_VECS; i++) {
        __m256i w[W_VECS], a[W_VECS];
        QB_UNROLL
        for (int v = 0; v < W_VECS; v++) {
            w[v] = read_code(b[v], c, j, i);
            a[v] = W_WIDE ? _mm256_abs_epi8(w[v]) : w[v];
        }
        QB_UNROLL
        for (int x = 0; x < cols * W_VECS; x++) {
            const int n = x / W_VECS, v = x % W_VECS;
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
    for (int x = 0; x < cols * W_VECS; x++) {
        const int n = x / W_VECS, v = x % W_VECS;
        __m256i sum = _mm256_setzero_si256();
        QB_UNROLL
        for (int i = 0; i < 4; i++) {
            int32_t pair;
            memcpy(&pair, npair + (i * cols + n) * 2, sizeof pair);
            __m256i m = _mm256_loadu_si256((const void *)(h->min_pair + (i * W_ROWS + 8 * v) * 2));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(m, _mm256_set1_epi32(pair)));
        }
        acc->v[v][n] =
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(h->min_scale + 8 * v), acc->v[v][n]);
    }
}

/* The prefetches of a block are spread over its chunks: many at once would wait for each other. */
#define AHEAD_STEP (W_ROWS * W_BYTES / W_CHUNKS)

/* acc += block number n. */
QB_INLINE void gemv_block(const struct block8 *b, const struct qb_act *a, int64_t n, int cols,
                          struct gemv_acc *acc, const uint8_t *ahead, enum rows8_kind kind)
{
    struct gemv_header h;
    QB_UNROLL
    for (int v = 0; v < W_VECS; v++)
        read_header(b[v], (struct header8){h.scale + 8 * v, h.min_f32 + 8 * v, h.min_scale + 8 * v,
                                           h.min_pair + 16 * v, W_ROWS});
    const int8_t *q = a->q + n * W_ELEMS * cols;
    const int32_t *nsum = (W_SUB == 16 ? a->nsum16 : a->nsum32) + n * W_SUBS * cols;
    struct gemv_acc part;
    QB_UNROLL
    for (int x = 0; x < cols * W_VECS; x++)
        part.v[x % W_VECS][x / W_VECS] = _mm256_setzero_ps();
    if (W_MIN == QB_MIN_I16)
        gemv_min_i16(&h, a->npair + n * 8 * cols, cols, &part);
    for (int c = 0; c < W_CHUNKS; c++) {
        rows8_prefetch(ahead + c * AHEAD_STEP, AHEAD_STEP, kind);
        QB_UNROLL
        for (int j = 0; j < W_CHUNK_SUBS; j++) {
            const int sub = chunk_sub(c, j);
            __m256i sum[W_VECS][QB_GEMV_MAX_COLS];
            gemv_dot(b, c, j, q + sub * W_SUB * cols, cols, sum);
            QB_UNROLL
            for (int x = 0; x < cols * W_VECS; x++) {
                const int i = x / W_VECS, v = x % W_VECS;
                if (W_SHIFT != QB_OFFSET_NONE && !W_WIDE)
                    sum[v][i] = _mm256_add_epi32(
                        sum[v][i], _mm256_set1_epi32(nsum[sub * cols + i] * (1 << (W_SHIFT & 7))));
                part.v[v][i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[v][i]),
                                               _mm256_loadu_ps(h.scale + sub * W_ROWS + 8 * v), part.v[v][i]);
            }
        }
    }
    QB_UNROLL
    for (int x = 0; x < cols * W_VECS; x++) {
        const int i = x / W_VECS, v = x % W_VECS;
        if (W_MIN == QB_MIN_F32) /* the minimum carries its activation scale in fsum */
            acc->v[v][i] = _mm256_fmadd_ps(_mm256_loadu_ps(h.min_f32 + 8 * v),
                                           _mm256_set1_ps(a->fsum[n * cols + i]), acc->v[v][i]);
        acc->v[v][i] = _mm256_fmadd_ps(part.v[v][i], _mm256_set1_ps(a->scale[n * cols + i]), acc->v[v][i]);
    }
}

/* out (+)= bias + sum for the first n_rows of 16 rows. */
QB_INLINE void gemv_store(const __m256 sum[W_VECS], int n_rows, const float *bias, bool accumulate,
                          float *out)
{
    for (int v = 0; v < W_VECS && 8 * v < n_rows; v++) {
        __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        __m256i valid = _mm256_cmpgt_epi32(_mm256_set1_epi32(n_rows - 8 * v), lane);
        __m256 y = sum[v];
        if (bias)
            y = _mm256_add_ps(y, _mm256_maskload_ps(bias + 8 * v, valid));
        if (accumulate)
            y = _mm256_add_ps(y, _mm256_maskload_ps(out + 8 * v, valid));
        _mm256_maskstore_ps(out + 8 * v, valid, y);
    }
}

QB_INLINE void gemv_cols(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                         const float *bias, bool accumulate, float *out, size_t ldo, int cols,
                         enum rows8_kind kind)
{
    for (int64_t r = row0; r < row0 + n_rows; r += W_ROWS) {
        uint8_t image[W_VECS][8 * W_BYTES] __attribute__((aligned(32)));
        struct rows8 s[W_VECS];
        struct gemv_acc acc;
        QB_UNROLL
        for (int v = 0; v < W_VECS; v++)
            rows8_init(&s[v], m, r + 8 * v, row0 + n_rows - 1, 0, kind);
        QB_UNROLL
        for (int x = 0; x < cols * W_VECS; x++)
            acc.v[x % W_VECS][x / W_VECS] = _mm256_setzero_ps();
        const uint8_t *ahead = rows8_ahead(m, r, kind);
        for (int64_t n = 0; n < m->n_cols / W_ELEMS; n++) {
            struct block8 b[W_VECS];
            QB_UNROLL
            for (int v = 0; v < W_VECS; v++)
                b[v] = load_block(&s[v], n, image[v], kind);
            gemv_block(b, a, n, cols, &acc, ahead + n * (W_ROWS * W_BYTES), kind);
        }
        int64_t left = row0 + n_rows - r;
        QB_UNROLL
        for (int i = 0; i < cols; i++) {
            const __m256 sum[W_VECS] = {acc.v[0][i], acc.v[1][i]};
            gemv_store(sum, (int)(left < W_ROWS ? left : W_ROWS), bias ? bias + r : NULL, accumulate,
                       out + (size_t)i * ldo + r);
        }
    }
}

QB_INLINE void gemv(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                    const float *bias, bool accumulate, float *out, size_t ldo, enum rows8_kind kind)
{
    switch (a->n_cols) {
    case 1:
        gemv_cols(m, row0, n_rows, a, bias, accumulate, out, ldo, 1, kind);
        break;
    case 2:
        gemv_cols(m, row0, n_rows, a, bias, accumulate, out, ldo, 2, kind);
        break;
    case 3:
        gemv_cols(m, row0, n_rows, a, bias, accumulate, out, ldo, 3, kind);
        break;
    case 4:
        gemv_cols(m, row0, n_rows, a, bias, accumulate, out, ldo, 4, kind);
        break;
    }
}

/* The two kernels of one layout: W_KERNELS(q4_k, r16, ROWS8_R16). */
#define W_KERNELS(format, layout, kind)                                                                      \
    void qb_decode_panel_##format##_##layout##_avx2(const struct qb_matrix *m, int64_t row0, int n_rows,     \
                                                    int64_t k0, int64_t n_k, struct qb_panel *p)             \
    {                                                                                                        \
        decode_panel(m, row0, n_rows, k0, n_k, p, kind);                                                     \
    }                                                                                                        \
    void qb_gemv_##format##_##layout##_avx2(const struct qb_matrix *m, int64_t row0, int64_t n_rows,         \
                                            const struct qb_act *a, const float *bias, bool accumulate,      \
                                            float *out, size_t ldo)                                          \
    {                                                                                                        \
        gemv(m, row0, n_rows, a, bias, accumulate, out, ldo, kind);                                          \
    }
