/*
 * Float weights over the vectors of simd_*.h: panels, the f32 tile kernel, GEMV in plain and r16 rows. BF16
 * weights are widened to f32 here; float_avx512bf16.c keeps them. The including file defines QB_ISA_FN(name),
 * TILE_COLS (columns), TILE_VECS (row vectors of a tile pass) and R16_GROUPS(columns) (r16 row groups in
 * flight).
 */
#include "kernels/kernel_protos.h"
#include "kernels/simd.h"
#include "kernels/x86/gemv_float_tmpl.h"

/* The weight types, as constants that inlining folds. */
enum weight { W_F32, W_F16, W_BF16 };

INLINE size_t weight_bytes(enum weight t)
{
    return t == W_F32 ? 4 : 2;
}

INLINE vf load_weights(const uint8_t *p, enum weight t)
{
    if (t == W_F32)
        return vf_load((const float *)(const void *)p);
    return t == W_F16 ? vf_load_f16((const uint16_t *)(const void *)p)
                      : vf_load_bf16((const uint16_t *)(const void *)p);
}

INLINE vf load_weights_n(const uint8_t *p, int n, enum weight t)
{
    if (t == W_F32)
        return vf_load_n((const float *)(const void *)p, n);
    return t == W_F16 ? vf_load_f16_n((const uint16_t *)(const void *)p, n)
                      : vf_load_bf16_n((const uint16_t *)(const void *)p, n);
}

/* VF_N plain rows to columns r .. r + VF_N - 1 of the panel. */
INLINE void panel_rows(const uint8_t *const *row, int64_t n_k, float *out, enum weight t)
{
    for (int64_t k = 0; k < n_k; k += VF_N) {
        vf v[VF_N];
        int n = n_k - k < VF_N ? (int)(n_k - k) : VF_N;
        UNROLL
        for (int r = 0; r < VF_N; r++) {
            const uint8_t *p = row[r] + (size_t)k * weight_bytes(t);
            v[r] = n == VF_N ? load_weights(p, t) : load_weights_n(p, n, t);
        }
        vf_transpose(v);
        if (n == VF_N) {
            UNROLL
            for (int i = 0; i < VF_N; i++)
                vf_store(out + (k + i) * QB_PANEL_ROWS, v[i]);
        } else {
            for (int i = 0; i < n; i++)
                vf_store(out + (k + i) * QB_PANEL_ROWS, v[i]);
        }
    }
}

INLINE void decode_plain(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,
                         struct qb_panel *p, enum weight t)
{
    const uint8_t *row[QB_PANEL_ROWS];
    for (int r = 0; r < QB_PANEL_ROWS; r++)
        row[r] =
            m->data + (size_t)((row0 + (r < n_rows ? r : n_rows - 1)) * m->n_cols + k0) * weight_bytes(t);
    for (int r = 0; r < QB_PANEL_ROWS; r += VF_N)
        panel_rows(row + r, n_k, p->f32 + r, t);
    p->offset_shift = QB_OFFSET_NONE;
}

/* The weights of VF_N rows of a group at step k: row vector j of 16 / VF_N. */
INLINE vf load_r16(const uint8_t *group, int64_t k, int j, enum weight t)
{
    return load_weights(group + ((size_t)k * 16 + (size_t)j * VF_N) * weight_bytes(t), t);
}

/* Copies of row n_rows - 1 in the rows behind it. */
static void repeat_last_row(float *panel, int n_rows, int64_t n_k)
{
    for (int64_t k = 0; k < n_k; k++)
        for (int r = n_rows; r < QB_PANEL_ROWS; r++)
            panel[k * QB_PANEL_ROWS + r] = panel[k * QB_PANEL_ROWS + n_rows - 1];
}

INLINE void decode_r16(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,
                       struct qb_panel *p, enum weight t)
{
    for (int g = 0; g * 16 < n_rows; g++) {
        const uint8_t *w = m->data + (size_t)((row0 + g * 16) * m->n_cols + k0 * 16) * weight_bytes(t);
        float *out = p->f32 + g * 16;
        for (int64_t k = 0; k < n_k; k++, out += QB_PANEL_ROWS) {
            UNROLL
            for (int j = 0; j < 16 / VF_N; j++)
                vf_store(out + j * VF_N, load_r16(w, k, j, t));
        }
    }
    if (n_rows < QB_PANEL_ROWS)
        repeat_last_row(p->f32, n_rows, n_k);
    p->offset_shift = QB_OFFSET_NONE;
}

/* BF16 in r16 lies in pairs of weights (n_cols, k0 and n_k are even). */
INLINE void decode_r16_bf16(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,
                            struct qb_panel *p)
{
    for (int g = 0; g * 16 < n_rows; g++) {
        const uint8_t *w = m->data + (size_t)((row0 + g * 16) * m->n_cols + k0 * 16) * 2;
        float *out = p->f32 + g * 16;
        for (int64_t k = 0; k < n_k; k += 2, w += 64, out += 2 * QB_PANEL_ROWS) {
            UNROLL
            for (int j = 0; j < 16 / VF_N; j++) {
                vf a, b;
                vf_load_bf16_pairs((const uint16_t *)(const void *)(w + j * VF_N * 4), &a, &b);
                vf_store(out + j * VF_N, a);
                vf_store(out + QB_PANEL_ROWS + j * VF_N, b);
            }
        }
    }
    if (n_rows < QB_PANEL_ROWS)
        repeat_last_row(p->f32, n_rows, n_k);
    p->offset_shift = QB_OFFSET_NONE;
}

#define DECODE_FN(name, how, ...)                                                                            \
    void QB_ISA_FN(name)(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,       \
                         struct qb_panel *p)                                                                 \
    {                                                                                                        \
        how(m, row0, n_rows, k0, n_k, p, ##__VA_ARGS__);                                                     \
    }
DECODE_FN(decode_panel_f32_plain, decode_plain, W_F32)
DECODE_FN(decode_panel_f32_r16, decode_r16, W_F32)
DECODE_FN(decode_panel_f16_plain, decode_plain, W_F16)
DECODE_FN(decode_panel_f16_r16, decode_r16, W_F16)
DECODE_FN(decode_panel_bf16_plain, decode_plain, W_BF16)
DECODE_FN(decode_panel_bf16_r16, decode_r16_bf16)

/* w columns x TILE_VECS row vectors of the panel, from its row `row`. */
INLINE void tile_pass(const float *panel, const float *x, int w, int64_t n_k, const float *from, size_t ldf,
                      float *out, size_t ldo)
{
    vf acc[TILE_COLS][TILE_VECS];
    UNROLL
    for (int c = 0; c < w; c++) {
        UNROLL
        for (int j = 0; j < TILE_VECS; j++)
            acc[c][j] = vf_zero();
    }
    for (int64_t k = 0; k < n_k; k++, panel += QB_PANEL_ROWS, x += w) {
        vf a[TILE_VECS];
        UNROLL
        for (int j = 0; j < TILE_VECS; j++)
            a[j] = vf_load(panel + j * VF_N);
        UNROLL
        for (int c = 0; c < w; c++) {
            vf b = vf_set1(x[c]);
            UNROLL
            for (int j = 0; j < TILE_VECS; j++)
                acc[c][j] = vf_fmadd(a[j], b, acc[c][j]);
        }
    }
    UNROLL
    for (int c = 0; c < w; c++) {
        UNROLL
        for (int j = 0; j < TILE_VECS; j++) {
            vf start = from ? vf_load(from + (size_t)c * ldf + j * VF_N) : vf_zero();
            vf_store(out + (size_t)c * ldo + j * VF_N, vf_add(start, acc[c][j]));
        }
    }
}

INLINE void tile_f32(const struct qb_panel *p, const struct qb_act *a, int64_t c0, int w, int64_t k0,
                     int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)
{
    const float *x = a->f32 + c0 * a->n_k + k0 * w;
    for (int r = 0; r < QB_PANEL_ROWS; r += TILE_VECS * VF_N)
        tile_pass(p->f32 + r, x, w, n_k, qb_start_at(from, (size_t)r), ldf, out + r, ldo);
}

#define TILE_CASE(W)                                                                                         \
    case W:                                                                                                  \
        tile_f32(p, a, c0, W, k0, n_k, from, ldf, out, ldo);                                                 \
        break;

void QB_ISA_FN(tile_f32)(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,
                         int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo)
{
    for (int w; t0 < t1; t0++, out += (size_t)w * ldo) {
        int64_t c0 = qb_act_tile(a, t0, &w);
        switch (w) {
            TILE_CASES
        }
        from = qb_start_at(from, (size_t)w * ldf);
    }
}

/*
 * GEMV of plain rows: dot products along k. The rows are cut into DOT_ROWS(columns) runs that advance
 * together, so that each is one long stream. Several columns lie interleaved in the activations; they are
 * taken apart once, in slices that fit SPLIT_VALUES.
 */

/* sum[r][c]: the dot products of n_rows rows with w columns of n floats, `stride` apart. */
INLINE void dot_rows(const uint8_t *rows, size_t row_step, int n_rows, const float *x, size_t stride, int w,
                     int64_t n, enum weight t, float (*sum)[QB_GEMV_MAX_COLS])
{
    vf acc[MAX_ROWS][QB_GEMV_MAX_COLS];
    UNROLL
    for (int r = 0; r < n_rows; r++) {
        UNROLL
        for (int c = 0; c < w; c++)
            acc[r][c] = vf_zero();
    }
    int64_t k = 0;
    for (; k + VF_N <= n; k += VF_N) {
        vf b[QB_GEMV_MAX_COLS];
        UNROLL
        for (int c = 0; c < w; c++)
            b[c] = vf_load(x + (size_t)c * stride + k);
        UNROLL
        for (int r = 0; r < n_rows; r++) {
            const uint8_t *p = rows + (size_t)r * row_step + (size_t)k * weight_bytes(t);
            vf a = load_weights(p, t);
            __builtin_prefetch(p + PREFETCH_BYTES);
            UNROLL
            for (int c = 0; c < w; c++)
                acc[r][c] = vf_fmadd(a, b[c], acc[r][c]);
        }
    }
    int rest = (int)(n - k);
    UNROLL
    for (int r = 0; r < n_rows; r++) {
        vf a = rest ? load_weights_n(rows + (size_t)r * row_step + (size_t)k * weight_bytes(t), rest, t)
                    : vf_zero();
        UNROLL
        for (int c = 0; c < w; c++) {
            if (rest)
                acc[r][c] = vf_fmadd(a, vf_load_n(x + (size_t)c * stride + k, rest), acc[r][c]);
            sum[r][c] = vf_hsum(acc[r][c]);
        }
    }
}

INLINE void gemv_plain(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a, int w,
                       struct gemv_out o, enum weight t)
{
    float split[SPLIT_VALUES], sum[MAX_ROWS][QB_GEMV_MAX_COLS];
    size_t row_bytes = (size_t)m->n_cols * weight_bytes(t);
    int64_t slice = w == 1 ? m->n_cols : SPLIT_VALUES / w / VF_N * VF_N;
    for (int64_t k = 0; k < m->n_cols; k += slice) {
        int64_t n = m->n_cols - k < slice ? m->n_cols - k : slice;
        const float *x = split_columns(a->f32 + k * w, w, n, split);
        const uint8_t *rows = m->data + (size_t)row0 * row_bytes + (size_t)k * weight_bytes(t);
        int64_t run = n_rows / DOT_ROWS(w), r = 0;
        for (; r < run; r++) {
            dot_rows(rows + (size_t)r * row_bytes, (size_t)run * row_bytes, DOT_ROWS(w), x, (size_t)n, w, n,
                     t, sum);
            gemv_store(o, row0 + r, run, DOT_ROWS(w), w, sum);
        }
        for (r = run * DOT_ROWS(w); r < n_rows; r++) {
            dot_rows(rows + (size_t)r * row_bytes, 0, 1, x, (size_t)n, w, n, t, sum);
            gemv_store(o, row0 + r, 1, 1, w, sum);
        }
        o.accumulate = true;
        o.bias = NULL;
    }
}

/* GEMV of r16: R16_GROUPS row groups at a time, a broadcast a column and step, no horizontal sums. */
#define R16_VECS   (16 / VF_N)
#define MAX_GROUPS 4

INLINE void gemv_groups(const struct qb_matrix *m, int64_t row, int64_t end, int groups, const float *x,
                        int w, struct gemv_out o, enum weight t)
{
    size_t group_bytes = (size_t)m->n_cols * 16 * weight_bytes(t);
    const uint8_t *base = m->data + (size_t)(row / 16) * group_bytes;
    vf acc[MAX_GROUPS * R16_VECS][QB_GEMV_MAX_COLS];
    UNROLL
    for (int v = 0; v < groups * R16_VECS; v++) {
        UNROLL
        for (int c = 0; c < w; c++)
            acc[v][c] = vf_zero();
    }
    if (t == W_BF16) {
        for (int64_t k = 0; k < m->n_cols; k += 2) {
            UNROLL
            for (int v = 0; v < groups * R16_VECS; v++) {
                vf a, b;
                const uint8_t *p =
                    base + (size_t)(v / R16_VECS) * group_bytes + (size_t)k * 32 + v % R16_VECS * VF_N * 4;
                vf_load_bf16_pairs((const uint16_t *)(const void *)p, &a, &b);
                if (v % R16_VECS == 0)
                    __builtin_prefetch(p + PREFETCH_BYTES);
                UNROLL
                for (int c = 0; c < w; c++) {
                    acc[v][c] = vf_fmadd(a, vf_set1(x[k * w + c]), acc[v][c]);
                    acc[v][c] = vf_fmadd(b, vf_set1(x[k * w + w + c]), acc[v][c]);
                }
            }
        }
    } else {
        for (int64_t k = 0; k < m->n_cols; k++) {
            UNROLL
            for (int v = 0; v < groups * R16_VECS; v++) {
                const uint8_t *group = base + (size_t)(v / R16_VECS) * group_bytes;
                vf a = load_r16(group, k, v % R16_VECS, t);
                if (v % R16_VECS == 0)
                    __builtin_prefetch(group + (size_t)k * 16 * weight_bytes(t) + PREFETCH_BYTES);
                UNROLL
                for (int c = 0; c < w; c++)
                    acc[v][c] = vf_fmadd(a, vf_set1(x[k * w + c]), acc[v][c]);
            }
        }
    }
    UNROLL
    for (int v = 0; v < groups * R16_VECS; v++) {
        int64_t left = end - row - v * VF_N;
        UNROLL
        for (int c = 0; c < w; c++)
            if (left > 0)
                gemv_store_rows(o, row + v * VF_N, left < VF_N ? (int)left : VF_N, c, acc[v][c]);
    }
}

INLINE void gemv_r16(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a, int w,
                     struct gemv_out o, enum weight t)
{
    int64_t row = row0, end = row0 + n_rows;
    for (; row + 16 * R16_GROUPS(w) <= end; row += 16 * R16_GROUPS(w))
        gemv_groups(m, row, end, R16_GROUPS(w), a->f32, w, o, t);
    for (; row < end; row += 16)
        gemv_groups(m, row, end, 1, a->f32, w, o, t);
}

#define GEMV_COLS(n, how, t) how(m, row0, n_rows, a, n, o, t)
#define GEMV_FN(name, how, t)                                                                                \
    void QB_ISA_FN(name)(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,    \
                         const float *bias, bool accumulate, float *out, size_t ldo)                         \
    {                                                                                                        \
        struct gemv_out o = {bias, accumulate, out, ldo};                                                    \
        QB_SWITCH_COLS(a->n_cols, GEMV_COLS, how, t)                                                         \
    }
GEMV_FN(gemv_f32_plain, gemv_plain, W_F32)
GEMV_FN(gemv_f16_plain, gemv_plain, W_F16)
GEMV_FN(gemv_bf16_plain, gemv_plain, W_BF16)
GEMV_FN(gemv_f32_r16, gemv_r16, W_F32)
GEMV_FN(gemv_f16_r16, gemv_r16, W_F16)
GEMV_FN(gemv_bf16_r16, gemv_r16, W_BF16)
