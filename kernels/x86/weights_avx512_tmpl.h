/*
 * Panel decoder and fused GEMV of one integer format, for AVX512-VNNI. Included once by each
 * weights_FORMAT_avx512vnni.c, which defines before:
 *
 *   W_FORMAT       QB_FORMAT_Q4_K, ...
 *   W_ELEMS, W_BYTES  of a block (checked against the format table by kernel_check)
 *   W_SUB          weights per scale: 16 or 32
 *   W_SHIFT        of the code offset, or QB_OFFSET_NONE
 *   W_MIN          enum qb_min_kind
 *   W_CHUNK        weights per chunk: 32 or 64
 *   void read_header(const struct rows16 *s, enum rows16_kind kind, struct header *h);
 *                  all scales (and minima) of the block
 *   void read_chunk(const struct rows16 *s, enum rows16_kind kind, int c, __m512i w[W_CHUNK / 4]);
 *                  the codes of chunk c, sub-block after sub-block, [16 rows][4 consecutive k] each
 *   int chunk_sub(int c, int j);  number of the j-th sub-block of chunk c inside the block
 *
 * struct header comes from weights_avx512.h. Everything is inlined for a constant source kind and column
 * count.
 */

#define W_SUBS       (W_ELEMS / W_SUB) /* sub-blocks in a block */
#define W_CHUNKS     (W_ELEMS / W_CHUNK)
#define W_CHUNK_SUBS (W_CHUNK / W_SUB)
#define W_SUB_VECS   (W_SUB / 4)
#define W_ACT        (W_ELEMS == 256 ? 256 : 32)

/* Decode 16 rows into half `half` of the panel. */
QB_INLINE void panel_half(const struct qb_matrix *m, int64_t row0, int64_t k0, int64_t n_k,
                          struct qb_panel *p, int half, enum rows16_kind kind)
{
    struct rows16 s;
    rows16_init(&s, m, row0, k0, kind);
    for (int64_t b = 0; b < n_k / W_ELEMS; b++, rows16_next(&s, W_BYTES, kind)) {
        struct header h;
        read_header(&s, kind, &h);
        header_store(&h, p, b, half, W_SUBS, W_MIN);
        uint8_t *code = p->code + b * W_ELEMS * QB_PANEL_ROWS + half * 64;
        QB_UNROLL
        for (int c = 0; c < W_CHUNKS; c++) {
            __m512i w[W_CHUNK / 4];
            read_chunk(&s, kind, c, w);
            QB_UNROLL
            for (int j = 0; j < W_CHUNK_SUBS; j++)
                QB_UNROLL
            for (int v = 0; v < W_SUB_VECS; v++)
                _mm512_store_si512(code + (chunk_sub(c, j) * W_SUB_VECS + v) * 128, w[j * W_SUB_VECS + v]);
        }
    }
}

static __attribute__((noinline)) void panel_tail(const struct qb_matrix *m, int64_t row0, int64_t k0,
                                                 int64_t n_k, struct qb_panel *p, int half)
{
    panel_half(m, row0, k0, n_k, p, half, ROWS16_TABLE);
}

QB_INLINE void decode_panel(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,
                            struct qb_panel *p, enum rows16_kind kind)
{
    p->offset_shift = W_SHIFT;
    for (int half = 0; half < 2; half++) {
        if (kind == ROWS16_STRIDED && n_rows < 16 * (half + 1))
            panel_tail(m, row0 + 16 * half, k0, n_k, p, half);
        else
            panel_half(m, row0 + 16 * half, k0, n_k, p, half, kind);
    }
    if (kind != ROWS16_STRIDED && n_rows < QB_PANEL_ROWS)
        qb_panel_repeat_last_row(p, m->format, n_rows, n_k);
}

/* Column sums of one block: acc[c] += what the block adds to 16 rows. */
QB_INLINE void gemv_block(struct rows16 *s, const struct qb_act *a, int64_t b, __m512 *acc, int cols,
                          enum rows16_kind kind)
{
    struct header h;
    read_header(s, kind, &h);
    const int8_t *q = a->q + b * W_ELEMS * cols;
    const float *x_scale = a->scale + b * (W_ELEMS / W_ACT) * cols;
    const int32_t *nsum = (W_SUB == 16 ? a->nsum16 : a->nsum32) + b * W_SUBS * cols;
    __m512 part[QB_GEMV_MAX_COLS] = {acc[0], acc[1], acc[2], acc[3]};
    QB_UNROLL
    for (int i = 0; i < cols; i++)
        part[i] = header_min(&h, a, b, i, cols, W_MIN);
    QB_UNROLL
    for (int c = 0; c < W_CHUNKS; c++) {
        __m512i w[W_CHUNK / 4];
        rows16_prefetch(s, 16 * W_BYTES / W_CHUNKS, kind);
        read_chunk(s, kind, c, w);
        QB_UNROLL
        for (int j = 0; j < W_CHUNK_SUBS; j++) {
            int sub = chunk_sub(c, j);
            QB_UNROLL
            for (int i = 0; i < cols; i++) {
                __m512i even = _mm512_setzero_si512(), odd = even;
                if (W_SHIFT != QB_OFFSET_NONE)
                    even = _mm512_slli_epi32(_mm512_set1_epi32(nsum[sub * cols + i]),
                                             W_SHIFT == QB_OFFSET_NONE ? 0 : W_SHIFT);
                QB_UNROLL
                for (int v = 0; v < W_SUB_VECS; v++) {
                    int32_t x4 = *(const int32_t *)(q + ((sub * W_SUB_VECS + v) * cols + i) * 4);
                    __m512i x = _mm512_set1_epi32(x4);
                    if (v % 2)
                        odd = _mm512_dpbusd_epi32(odd, w[j * W_SUB_VECS + v], x);
                    else
                        even = _mm512_dpbusd_epi32(even, w[j * W_SUB_VECS + v], x);
                }
                __m512 dot = _mm512_cvtepi32_ps(_mm512_add_epi32(even, odd));
                part[i] = _mm512_fmadd_ps(dot, h.scale[sub], part[i]);
            }
        }
    }
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        if (W_MIN == QB_MIN_F32) /* the minimum carries its activation scale in fsum */
            acc[i] = _mm512_fmadd_ps(h.min_f32, _mm512_set1_ps(a->fsum[b * cols + i]), acc[i]);
        acc[i] = _mm512_fmadd_ps(part[i], _mm512_set1_ps(x_scale[i]), acc[i]);
    }
}

QB_INLINE void gemv_rows16(const struct qb_matrix *m, int64_t row0, int64_t n, const struct qb_act *a,
                           const float *bias, bool accumulate, float *out, size_t ldo, int cols,
                           enum rows16_kind kind)
{
    struct rows16 s;
    rows16_init(&s, m, row0, 0, kind);
    __m512 acc[QB_GEMV_MAX_COLS] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                                    _mm512_setzero_ps()};
    __mmask16 valid = n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
    QB_UNROLL
    for (int i = 0; i < cols; i++) {
        acc[i] = bias ? _mm512_maskz_loadu_ps(valid, bias + row0) : _mm512_setzero_ps();
        if (accumulate)
            acc[i] = _mm512_add_ps(acc[i], _mm512_maskz_loadu_ps(valid, out + (size_t)i * ldo + row0));
    }
    for (int64_t b = 0; b < m->n_cols / W_ELEMS; b++, rows16_next(&s, W_BYTES, kind)) {
        gemv_block(&s, a, b, acc, cols, kind);
    }
    QB_UNROLL
    for (int i = 0; i < cols; i++)
        _mm512_mask_storeu_ps(out + (size_t)i * ldo + row0, valid, acc[i]);
}

/* The end of a plain matrix: rare, so one instance for any number of columns is enough. */
static __attribute__((noinline)) void gemv_tail(const struct qb_matrix *m, int64_t row0, int64_t n,
                                                const struct qb_act *a, const float *bias, bool accumulate,
                                                float *out, size_t ldo)
{
    gemv_rows16(m, row0, n, a, bias, accumulate, out, ldo, a->n_cols, ROWS16_TABLE);
}

QB_INLINE void gemv_cols(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                         const float *bias, bool accumulate, float *out, size_t ldo, int cols,
                         enum rows16_kind kind)
{
    int64_t tail = kind == ROWS16_STRIDED ? n_rows % 16 : 0, end = row0 + n_rows;
    for (int64_t r = row0; r < end - tail; r += 16)
        gemv_rows16(m, r, end - r, a, bias, accumulate, out, ldo, cols, kind);
    if (tail)
        gemv_tail(m, end - tail, tail, a, bias, accumulate, out, ldo);
}

QB_INLINE void gemv(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                    const float *bias, bool accumulate, float *out, size_t ldo, enum rows16_kind kind)
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

/* The two kernels of one layout: W_KERNELS(q4_k, r16, ROWS16_R16). */
#define W_KERNELS(format, layout, kind)                                                                      \
    void qb_decode_panel_##format##_##layout##_avx512vnni(                                                   \
        const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k, struct qb_panel *p)    \
    {                                                                                                        \
        decode_panel(m, row0, n_rows, k0, n_k, p, kind);                                                     \
    }                                                                                                        \
    void qb_gemv_##format##_##layout##_avx512vnni(const struct qb_matrix *m, int64_t row0, int64_t n_rows,   \
                                                  const struct qb_act *a, const float *bias,                 \
                                                  bool accumulate, float *out, size_t ldo)                   \
    {                                                                                                        \
        gemv(m, row0, n_rows, a, bias, accumulate, out, ldo, kind);                                          \
    }
