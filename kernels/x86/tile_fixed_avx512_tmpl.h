/*
 * Tiles for panels of fixed-point scales (qb_panel.fixed), AVX512-VNNI, behind tile_pairs_avx512_tmpl.h: the
 * sums of two neighbouring blocks of 32 become a pair of int16, and one vpdpwssd multiplies both by the
 * products of the scales of weights and activations, made by vpmulhrsw. Floats take two multiplications for
 * each sum. Two products of 15 by 15 bits fill an int32, so every pair is converted and added to a float: on
 * other ports than those of the dot products. Why and how fast: docs/performance.md.
 *
 * Registers: 12 float sums, 12 of blocks for three columns at a time, 4 vectors of codes or what comes after
 * them, a broadcast, the 1 that makes up for a cut.
 */

/* Where two blocks of the panel and of the activations lie. */
struct fixed_at {
    const uint8_t *code;
    const int16_t *scale;
    const int8_t *q;
    const int16_t *start, *fixed;
};

QB_INLINE struct fixed_at fixed_from_column(struct fixed_at at, int c)
{
    at.q += c * 4;
    at.start += c * 2;
    at.fixed += c * 2;
    return at;
}

QB_INLINE void fixed_next(struct fixed_at *at, int cols)
{
    at->code += 64 * QB_PANEL_ROWS;
    at->scale += 2 * QB_PANEL_ROWS;
    at->q += 64 * cols;
    at->start += 2 * cols;
    at->fixed += 2 * cols;
}

/* sum += pair . (scale * x), the product as int16. */
QB_INLINE vf fixed_scaled(vf sum, __m512i pair, __m512i scale, __m512i x)
{
    __m512i both = add_pairs(fresh_zero(), pair, _mm512_mulhrs_epi16(scale, x));
    return _mm512_add_ps(sum, _mm512_cvtepi32_ps(both));
}

/* sum += two blocks under their scales, for n columns. */
QB_INLINE void fixed_add(const struct fixed_at *at, int n, struct tile_shape s, vf (*sum)[2])
{
    struct pair_sums dot;
    __m512i pair[PAIRS_COLS][2];
    pairs_dot(at->code, at->q, n, s, &dot);
    QB_UNROLL
    for (int c = 0; c < n; c++) {
        __m512i start = broadcast4(at->start + c * 2);
        if (s.cut > 0)
            start = _mm512_add_epi16(start, _mm512_set1_epi32(1 << 16));
        pair[c][0] = pairs_cut(dot.v[c][0][0], dot.v[c][0][1], s.cut);
        pair[c][1] = pairs_cut(dot.v[c][1][0], dot.v[c][1][1], s.cut);
        pair[c][0] = _mm512_add_epi16(pair[c][0], start);
        pair[c][1] = _mm512_add_epi16(pair[c][1], start);
    }
    __m512i scale0 = load_here(at->scale), scale1 = load_here(at->scale + 32);
    QB_UNROLL
    for (int c = 0; c < n; c++) {
        __m512i x = broadcast4(at->fixed + c * 2);
        sum[c][0] = fixed_scaled(sum[c][0], pair[c][0], scale0, x);
        sum[c][1] = fixed_scaled(sum[c][1], pair[c][1], scale1, x);
    }
}

QB_INLINE struct fixed_at fixed_begin(const struct qb_panel *p, const struct qb_act *a, int64_t c0,
                                      int64_t k0, int cols)
{
    int64_t pair = 2 * (c0 * qb_act_pair_count(a->n_k) + k0 / 64 * cols);
    return (struct fixed_at){.code = p->code,
                             .scale = p->scale_pair,
                             .q = a->q + c0 * a->n_k + k0 * cols,
                             .start = a->start + pair,
                             .fixed = a->fixed + pair};
}

/* One tile over the whole slice. */
QB_INLINE void fixed_run(const struct qb_panel *p, const struct qb_act *act, int tile, int64_t k0,
                         int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo,
                         struct tile_shape s)
{
    int width;
    int64_t c0 = qb_act_tile(act, tile, &width);
    struct fixed_at at = fixed_begin(p, act, c0, k0, s.cols);
    const float *step = act->step + c0 * qb_act_step_count(act->n_k) + k0 / QB_ACT_STEP_K * s.cols;
    const int first = pairs_first(s.cols);
    struct tile_sum f;
    s.group = s.cols;
    QB_UNROLL
    for (int c = 0; c < s.cols; c++)
        f.v[c][0] = f.v[c][1] = vf_zero();
    for (int64_t k = 0; k < n_k; k += 64) {
        fixed_add(&at, first, s, f.v);
        if (first < s.cols) {
            const struct fixed_at others = fixed_from_column(at, first);
            fixed_add(&others, s.cols - first, s, f.v + first);
        }
        fixed_next(&at, s.cols);
    }
    const vf lost = vf_set1((float)(1 << (15 + s.cut))); /* the bits of products and sums */
    const vf unit0 = vf_mul(vf_load(p->unit), lost), unit1 = vf_mul(vf_load(p->unit + VF_N), lost);
    QB_UNROLL
    for (int c = 0; c < s.cols; c++) {
        f.v[c][0] = vf_mul(f.v[c][0], unit0);
        f.v[c][1] = vf_mul(f.v[c][1], unit1);
    }
    if (!from) {
        from = tile_zeros;
        ldf = 0;
    }
    tile_store(s, &f, step, from, ldf, out, ldo);
}

/* An instance: order of struct tile_shape. */
#define FIXED_FN(name, shift)                                                                                \
    TILE_RUN_FN(fixed_run, static, name, 32, 32, shift, QB_MIN_NONE, false, 0, qb_panel_fixed_cut(shift))

/* ---- scales ---- */

/* 16 rows of qb_fix_scales_fn. */
QB_INLINE bool fix_rows(const float *scale, int64_t n, int16_t *pair, float *unit)
{
    vf top = vf_zero();
    for (int64_t i = 0; i < n; i++)
        top = vf_max(top, vf_abs(vf_load(scale + i * QB_PANEL_ROWS)));
    __mmask16 some = _mm512_cmp_ps_mask(top, vf_zero(), _CMP_NEQ_OQ);
    vf exponent = _mm512_maskz_sub_ps(some, _mm512_getexp_ps(top), vf_set1(14.0f));
    vf per = _mm512_scalef_ps(vf_set1(1.0f), vf_sub(vf_zero(), exponent));
    vf_store(unit, _mm512_scalef_ps(vf_set1(1.0f), exponent));
    __mmask16 rounded = 0;
    for (int64_t i = 0; i < n; i += 2, scale += 2 * QB_PANEL_ROWS, pair += 2 * QB_PANEL_ROWS) {
        vf x = vf_mul(vf_load(scale), per), y = vf_mul(vf_load(scale + QB_PANEL_ROWS), per);
        __m512i first = _mm512_cvtps_epi32(x), second = _mm512_cvtps_epi32(y);
        rounded |= _mm512_cmp_ps_mask(_mm512_cvtepi32_ps(first), x, _CMP_NEQ_OQ);
        rounded |= _mm512_cmp_ps_mask(_mm512_cvtepi32_ps(second), y, _CMP_NEQ_OQ);
        _mm512_store_si512(pair, pairs_cut(first, second, 0));
    }
    return rounded == 0;
}

bool qb_fix_scales_avx512vnni(const float *scale, int64_t n, int16_t *pair, float *unit)
{
    bool low = fix_rows(scale, n, pair, unit);
    return fix_rows(scale + VF_N, n, pair + 2 * VF_N, unit + VF_N) && low;
}
