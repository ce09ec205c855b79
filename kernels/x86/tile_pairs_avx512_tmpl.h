/*
 * Tiles for panels of integer scales (qb_panel.int_scales), AVX512-VNNI, behind tile_vnni_tmpl.h: the sums of
 * two neighbouring sub-blocks, less the bits that must go, become a pair of int16, and one vpdpwssd
 * multiplies both by their scales and adds them to the sum over 256 weights. Floats take a multiplication for
 * each, on the two ports that the dot products need. Sums start at zero, the offset of the codes is added to
 * the pair, on another port.
 *
 * Registers: 12 sums of blocks; 12 of sub-blocks, for three columns at a time, which take turns two by two
 * sub-blocks, so that activations come into L1 at an even pace; 4 vectors of codes and a broadcast. Models of
 * the loop and other ways: docs/performance.md.
 */
#define PAIRS_COLS 3 /* columns that take turns */

/* A load here and now. The compiler would keep the codes of all columns in registers, or load them for each.
 */
QB_INLINE __m512i load_here(const void *p)
{
    __m512i v;
    __asm__ volatile("vmovdqa64 %1, %0" : "=v"(v) : "m"(*(const __m512i *)p));
    return v;
}

/* Zero by the idiom that costs nothing; compilers copy one zero, which does, unless each is volatile. */
QB_INLINE __m512i fresh_zero(void)
{
    __m512i v;
    __asm__ volatile("vpxord %0, %0, %0" : "=v"(v));
    return v;
}

/* sum + pairs . pairs. gcc 12 copies the sum to and fro around the intrinsic. */
QB_INLINE __m512i add_pairs(__m512i sum, __m512i a, __m512i b)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

/* Columns of the first of two turns; all where one will do. */
QB_INLINE int pairs_first(int cols)
{
    return cols > PAIRS_COLS ? (cols + 1) / 2 : cols;
}

/* [column][vector of rows][sub-block] */
struct pair_sums {
    __m512i v[PAIRS_COLS][2][2];
};

/* Two sub-blocks times n columns; w, q: their codes and activations. */
QB_INLINE void pairs_dot(const uint8_t *w, const int8_t *q, int n, struct tile_shape s, struct pair_sums *sum)
{
    QB_UNROLL
    for (int c = 0; c < n; c++) {
        QB_UNROLL
        for (int i = 0; i < 4; i++)
            sum->v[c][i / 2][i % 2] = fresh_zero();
    }
    QB_UNROLL
    for (int k = 0; k < s.sub / 4; k++) {
        const uint8_t *even = w + k * 4 * QB_PANEL_ROWS, *odd = even + s.sub * QB_PANEL_ROWS;
        __m512i even0 = load_here(even), even1 = load_here(even + 64);
        __m512i odd0 = load_here(odd), odd1 = load_here(odd + 64);
        QB_UNROLL
        for (int c = 0; c < n; c++) {
            __m512i x = broadcast4(q + (k * s.cols + c) * 4);
            sum->v[c][0][0] = _mm512_dpbusd_epi32(sum->v[c][0][0], even0, x);
            sum->v[c][1][0] = _mm512_dpbusd_epi32(sum->v[c][1][0], even1, x);
            x = broadcast4(q + s.sub * s.cols + (k * s.cols + c) * 4);
            sum->v[c][0][1] = _mm512_dpbusd_epi32(sum->v[c][0][1], odd0, x);
            sum->v[c][1][1] = _mm512_dpbusd_epi32(sum->v[c][1][1], odd1, x);
        }
    }
}

/* Bits cut .. cut + 15 of two sums, side by side. */
QB_INLINE __m512i pairs_cut(__m512i even, __m512i odd, int cut)
{
    even = cut > 0 ? _mm512_srli_epi32(even, (unsigned)cut) : even;
    return _mm512_mask_blend_epi16(0xaaaaaaaau, even, _mm512_slli_epi32(odd, 16u - (unsigned)cut));
}

/* Pairs of sums without the offset of the codes: 2^(shift - cut) times the negated sums of the activations
 * are added. Either may have left int16, the result does not (kernels/panel_forms.def). */
QB_INLINE void pairs_take_offset(const int16_t *npair, int n, struct tile_shape s,
                                 __m512i pair[PAIRS_COLS][2])
{
    QB_UNROLL
    for (int c = 0; c < n; c++) {
        __m512i x = _mm512_slli_epi16(broadcast4(npair + c * 2), (unsigned)(s.shift - s.cut));
        pair[c][0] = _mm512_add_epi16(pair[c][0], x);
        pair[c][1] = _mm512_add_epi16(pair[c][1], x);
    }
}

/* sum += two sub-blocks under their scales, for n columns. */
QB_INLINE void pairs_add(const uint8_t *w, const int16_t *scale, const int8_t *q, const int16_t *npair, int n,
                         struct tile_shape s, __m512i (*sum)[2])
{
    struct pair_sums dot;
    __m512i pair[PAIRS_COLS][2];
    pairs_dot(w, q, n, s, &dot);
    QB_UNROLL
    for (int c = 0; c < n; c++) {
        pair[c][0] = pairs_cut(dot.v[c][0][0], dot.v[c][0][1], s.cut);
        pair[c][1] = pairs_cut(dot.v[c][1][0], dot.v[c][1][1], s.cut);
    }
    if (s.shift != QB_OFFSET_NONE)
        pairs_take_offset(npair, n, s, pair);
    __m512i scale0 = load_here(scale), scale1 = load_here(scale + 32);
    QB_UNROLL
    for (int c = 0; c < n; c++) {
        sum[c][0] = add_pairs(sum[c][0], pair[c][0], scale0);
        sum[c][1] = add_pairs(sum[c][1], pair[c][1], scale1);
    }
}

/* f = the 256 weights at k under their scales. */
QB_INLINE void pairs_block(const struct qb_panel *p, const struct tile_act *a, int64_t k, struct tile_shape s,
                           struct tile_sum *f)
{
    const uint8_t *w = p->code + k * QB_PANEL_ROWS;
    const int16_t *scale = p->scale_pair + k / s.sub * QB_PANEL_ROWS;
    const int8_t *q = a->q + k * s.cols;
    const int16_t *npair = a->npair + k / s.sub * s.cols;
    const int32_t *round = p->round + k / 256 * QB_PANEL_ROWS;
    const float *factor = p->scale + k / 256 * QB_PANEL_ROWS;
    const int first = pairs_first(s.cols);
    __m512i sum[TILE_COLS][2], round0 = load_here(round), round1 = load_here(round + 16);
    QB_UNROLL
    for (int c = 0; c < s.cols; c++) {
        sum[c][0] = round0;
        sum[c][1] = round1;
    }
    for (int i = 0; i < 128 / s.sub; i++) {
        pairs_add(w, scale, q, npair, first, s, sum);
        if (first < s.cols)
            pairs_add(w, scale, q + first * 4, npair + first * 2, s.cols - first, s, sum + first);
        w += 2 * s.sub * QB_PANEL_ROWS;
        scale += 2 * QB_PANEL_ROWS;
        q += 2 * s.sub * s.cols;
        npair += 2 * s.cols;
    }
    QB_UNROLL
    for (int c = 0; c < s.cols; c++) {
        f->v[c][0] = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c][0]), _mm512_load_ps(factor));
        f->v[c][1] = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c][1]), _mm512_load_ps(factor + 16));
    }
}

/* One tile over the whole slice: a store every 256 weights. */
QB_INLINE void pairs_run(const struct qb_panel *p, const struct qb_act *act, int tile, int64_t k0,
                         int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo,
                         struct tile_shape s)
{
    struct tile_act a = tile_act_at(act, tile, k0, s);
    const int16_t *npair = s.sub == 16 ? act->npair16 : act->npair;
    int width;
    a.npair = npair + (qb_act_tile(act, tile, &width) * act->n_k + k0 * s.cols) / s.sub;
    s.group = s.cols;
    if (!from) {
        from = tile_zeros;
        ldf = 0;
    }
    for (int64_t k = 0; k < n_k; k += 256) {
        struct tile_sum f;
        pairs_block(p, &a, k, s, &f);
        tile_min_i16(p, &a, k / 256, s, &f);
        tile_store(s, &f, a.scale + k / 256 * s.cols, from, ldf, out, ldo);
        from = out;
        ldf = ldo;
    }
}

/* An instance: order of struct tile_shape. */
#define PAIRS_FN(name, sub, shift, min, cut)                                                                 \
    TILE_RUN_FN(pairs_run, static, name, sub, 256, shift, min, false, 0, cut)
