/*
 * Kernel signatures, the registry and the kernel set.
 *
 * Every kernel variant in the binary is one row of kernels.def: listed by `qbench kernels list`, checked
 * against the oracle by kernel_check, chosen by qb_kernel_set_select under an ISA limit and then called
 * through an immutable struct qb_kernel_set. There are no globals: two sets can be timed in one process.
 *
 * Contract of all kernels: no allocation, no failure, no state, deterministic; inputs and outputs do not
 * overlap unless said; pointers into activations and panels are 64-byte aligned at their start, weights have
 * any alignment; nothing outside the stated ranges is read or written.
 */
#ifndef QB_KERNELS_KERNELS_H
#define QB_KERNELS_KERNELS_H

#include "kernels/act.h"
#include "kernels/cpu.h"
#include "kernels/format.h"
#include "kernels/layout.h"
#include "kernels/vector.h"

/* A weight matrix: y = W x, n_rows = outputs, n_cols = inputs (the contiguous direction). Borrowed view. */
struct qb_matrix {
    const struct qb_format *format;
    enum qb_layout_id layout;
    int64_t n_rows, n_cols;
    const uint8_t *data; /* n_rows * row bytes */
};
/* Of the first k weights of a row, a multiple of a block. */
static inline size_t qb_matrix_bytes_to(const struct qb_matrix *m, int64_t k)
{
    return qb_layout_bytes(m->layout, m->format, k);
}
static inline size_t qb_matrix_row_bytes(const struct qb_matrix *m)
{
    return qb_matrix_bytes_to(m, m->n_cols);
}

/*
 * A panel: QB_PANEL_ROWS rows x n_k weights decoded for the tile kernels, all arrays 64-byte aligned.
 *   code       u8   [n_k / 4][32][4]       codes, unsigned (qb_codes)
 *                   [n_k / 4][2][32][4]    weights, signed, and their magnitudes (qb_format.magnitudes)
 *   scale      f32  [n_k / sub][32]        or, with `int_scales`:
 *                   [n_k / 256][32]        2^cut times what multiplies the integers of 256 weights
 *   scale_pair i16  [n_k / (2 sub)][32][2] the integers of two neighbouring sub-blocks
 *                                          or, with `fixed`, scale / unit of two neighbouring sub-blocks
 *   unit       f32  [32]                   with `fixed`
 *   round      i32  [n_k / 256][32]        what the cut takes on average, below
 *   scale_steps f32 [n_k / sub][16][32]    scale times 1 to 16, if `stepped`: then tile kernels multiply
 *                                          under steps and step of the activations (QB_ACT_Q8_STEPS) instead
 *                                          of their scales
 *   min_f32    f32  [n_k / 32][32]         QB_MIN_F32
 *   min_pair   i16  [n_k / 64][32][2]      QB_MIN_I16: minima of two neighbouring 32s
 *                   [n_k / 32][32][2]      QB_MIN_I16_16: of two neighbouring 16s
 *   min_scale  f32  [n_k / 256][32]        QB_MIN_I16, QB_MIN_I16_16
 *   f32        f32  [n_k][32]              float formats under QB_ACT_F32
 *   bf16       u16  [n_k / 2][32][2]       BF16 under QB_ACT_BF16
 *   plane      what matrix units multiply in place of codes and scales, n_planes of them, one of two forms:
 *              [n_k / 4][32][4]  int8, QB_TILE_PLANES_INT8: code less offset, times the integer scale where
 *                                sub-blocks have one. Two planes: the upper byte, signed, then the lower one,
 *                                unsigned
 *              [N][16][32][2]    bf16, QB_TILE_PLANES_BF16: weights whose sum over the planes is the f32
 *                                weight; N = n_k / 32, rounded up, filled up with zeros. With `plane_codes`
 *                                one plane of codes less offset: 32 weights meet `scale`
 *   min_plane  bf16 [n_k / 256][16][32][2]  with planes of int8: the minima of the 16s in pairs, twice, as
 *                                nsum_bf16 of the activations wants them
 *
 * Integer scales s: 256 weights give scale times (round + sum of s * (sum of a sub-block >> cut)), times the
 * scale of the activations. Sums are those of (code - offset) times q, `>>` rounds down, and round is
 * (sum of s) * (2^cut - 1) >> (cut + 1): a sub-block gains or loses half of 2^cut at most, nothing on
 * average; the rounding of q alone is worth ten times as much (docs/performance.md).
 *
 * Fixed: a row's float scales are integers times its unit, and tile kernels take the products of these and of
 * fixed of the activations (QB_ACT_Q8_32), as int16: 32 weights give unit times step times 2^(15 + cut) times
 * (scale * fixed + 2^14 >> 15) * (sum >> cut), where cut = offset shift - 3 lets the sum fit into an int16.
 * If there is a cut, the second sum of a pair has 1 more, which gives back what both lose on average. For
 * sub-blocks of 32 without minima.
 *
 * Rows past the end of the matrix hold copies of its last row (their results are thrown away).
 */
#define QB_PANEL_ROWS 32
#define QB_PANEL_K    512 /* most weights of a row in one panel; a multiple of 256 */
#define QB_PLANES_K   256 /* the same in planes, which are larger and want to stay in L1 */
#define QB_MIN_PLANE  (16 * QB_PANEL_ROWS * 2) /* numbers of min_plane for 256 weights */
struct qb_panel {
    uint8_t *code;
    float *scale, *scale_steps, *unit, *min_f32, *min_scale;
    int16_t *min_pair, *scale_pair;
    int32_t *round;
    float *f32;
    uint16_t *bf16;
    uint8_t *plane;
    int n_planes;
    bool plane_codes; /* qb_panel_keeps_codes */
    uint16_t *min_plane;
    bool has_min; /* with planes of int8: do minima go with them? */
    int offset_shift;
    bool stepped, fixed, int_scales;
    int cut; /* with int_scales: low bits that the sum over a sub-block loses before it meets its scale */
};

/* What a decoder of an integer format says of the panel, by the traits of its form. */
static inline void qb_panel_set_form(struct qb_panel *p, int offset_shift, bool int_scales, int cut)
{
    p->offset_shift = offset_shift;
    p->int_scales = int_scales;
    p->cut = cut;
}
/* Fixed panels: low bits that a sum of 32 products loses, 32 * 2^shift * 127 being less than 2^(15 + cut). */
static inline int qb_panel_fixed_cut(int offset_shift)
{
    return offset_shift - 3;
}
/* Do planes of bf16 hold codes and not weights? Where there are no minima and weights would take two planes
 * or three. */
static inline bool qb_panel_keeps_codes(const struct qb_format *f)
{
    return f->sub == 32 && f->min == QB_MIN_NONE && f->scale == QB_SCALE_F16 && qb_act_block(f->act) == 32;
}
/* Is it one plane of bf16? As codes, or because weights have no more significant bits. */
static inline bool qb_panel_is_one_plane(const struct qb_format *f)
{
    return qb_panel_keeps_codes(f) || f->scale == QB_SCALE_E8M0 || f->scale == QB_SCALE_UE4M3;
}
size_t qb_panel_bytes(void);                           /* storage for any format at QB_PANEL_K */
void qb_panel_init(struct qb_panel *p, void *storage); /* 64-byte aligned */
/* Fill the rows from n_rows on with copies of row n_rows - 1: the end of an interleaved integer matrix. */
void qb_panel_repeat_last_row(struct qb_panel *p, const struct qb_format *f, int n_rows, int64_t n_k);

/*
 * Which tile kernel a panel needs: weights under a scale, minima, activations under a scale. WIDE: codes over
 * 127, which AVX2 must not pair in 16 bits. A class takes every code offset of its formats
 * (qb_panel.offset_shift).
 */
enum qb_tile_class {
    QB_TILE_S16_A32,        /* NVFP4 */
    QB_TILE_S32_A32,        /* Q4_0 Q5_0 MXFP4 Q1_0 Q2_0 */
    QB_TILE_S32_A32_WIDE,   /* Q8_0 IQ4_NL */
    QB_TILE_M32_A32,        /* scale and float minimum per 32: Q4_1 Q5_1 */
    QB_TILE_S16_A256,       /* Q6_K IQ2_XS IQ2_S IQ1_M */
    QB_TILE_S32_A256,       /* IQ2_XXS IQ3_XXS IQ3_S */
    QB_TILE_S32_A256_WIDE,  /* IQ4_XS */
    QB_TILE_M32_A256,       /* scale and integer minimum per 32: Q4_K Q5_K */
    QB_TILE_S256_A256,      /* sub-scales are in the codes: TQ1_0 TQ2_0 */
    QB_TILE_S256_A256_WIDE, /* Q3_K */
    QB_TILE_S256_M16_A256,  /* and integer minima per 16: Q2_K */
    QB_TILE_S256_M32_A256,  /* and integer minima per 32: IQ1_S */
    QB_TILE_F32,
    QB_TILE_BF16,
    /* Matrix units, at levels that have them (qb_kernel_set.planes), for the formats of all classes above: */
    QB_TILE_PLANES_INT8, /* activations per 256 */
    QB_TILE_PLANES_BF16, /* the others but F32, F16 */
    QB_TILE_CLASS_COUNT
};
const char *qb_tile_class_name(enum qb_tile_class c); /* "s32_a32", ... */

/*
 * Decode rows [row0, row0 + n_rows) (1 <= n_rows <= 32, row0 a multiple of 32), k in [k0, k0 + n_k)
 * (multiples of the block size; of 32 for float formats where n_cols allows, the tail may be shorter) into a
 * panel. Exact class: all ISAs write equal bytes of the same form (kernels/panel_form.h).
 */
typedef void qb_decode_panel_fn(const struct qb_matrix *m, int64_t row0, int n_rows, int64_t k0, int64_t n_k,
                                struct qb_panel *p);
/*
 * Multiply a panel (32 rows, slice [k0, k0 + n_k)) with tiles [t0, t1) of the activations:
 *   out[c * ldo + r] = from[c * ldf + r] + sum over the slice, c = column from tile t0's first on, r = 0..31.
 * `from` may be NULL (0) or `out`; ldf = 0 starts every column with the same values (a bias). Stepped panels,
 * at the levels that have scale_steps, and fixed ones, where there is fix_scales: k0 is a multiple of
 * QB_ACT_STEP_K, n_k at most that; fixed: a multiple of 64. Float class.
 */
typedef void qb_tile_fn(const struct qb_panel *p, const struct qb_act *a, int t0, int t1, int64_t k0,
                        int64_t n_k, const float *from, size_t ldf, float *out, size_t ldo);
/* Start values n further on. */
static inline const float *qb_start_at(const float *from, size_t n)
{
    return from ? from + n : NULL;
}
/*
 * Fused product for 1..QB_GEMV_MAX_COLS columns (all in one tile) and rows [row0, row0 + n_rows), row0 a
 * multiple of 16: out[c * ldo + r] (+)= bias[r] + sum over k, r = the row in the matrix. bias may be NULL =
 * 0. Float class.
 */
typedef void qb_gemv_fn(const struct qb_matrix *m, int64_t row0, int64_t n_rows, const struct qb_act *a,
                        const float *bias, bool accumulate, float *out, size_t ldo);
/* steps[i][t - 1][r] = t * scale[i][r] for i < n, t = 1 to QB_ACT_MAX_STEPS, r < 32. Exact class. */
typedef void qb_scale_steps_fn(const float *scale, int64_t n, float *steps);
/*
 * Scales of n sub-blocks (even) as a fixed panel wants them: unit[r] is the power of two that makes the
 * largest scale of row r 2^14 to 2^15 (1 for a row of zeros), pair[i / 2][r][i % 2] = scale[i][r] / unit[r].
 * @return are all quotients integers? If not, what was written means nothing. Exact class.
 */
typedef bool qb_fix_scales_fn(const float *scale, int64_t n, int16_t *pair, float *unit);
/*
 * Make the planes of a decoded panel of n_k weights a row, for the tile kernels that take activations of the
 * key. Q8_256: sub-blocks of 16 or 32 have integer scales (qb_panel.int_scales). BF16: weights of f32 and of
 * bf16 panels too; as many planes as these weights need, 1 to 3, or one of codes. Exact class.
 */
typedef void qb_split_panel_fn(const struct qb_format *f, int64_t n_k, struct qb_panel *p);
/* Quantize (or copy) columns [c0, c1) of the batch: column c is the n_k floats at x + c * ldx. Exact class.
 */
typedef void qb_act_fn(const float *x, size_t ldx, int c0, int c1, struct qb_act *a);
/* qb_layout_pack, any layout of any format: one row group. Exact class. */
typedef void qb_pack_fn(enum qb_layout_id layout, const struct qb_format *f, int64_t n_cols,
                        const uint8_t *src, size_t stride, uint8_t *dst);

enum qb_op {
#define QB_OP(id, name) QB_OP_##id,
#include "kernels/ops.def"
#undef QB_OP
    QB_OP_COUNT
};

/* One row of kernels.def. */
struct qb_kernel {
    enum qb_op op;
    int key;  /* see ops.def */
    int key2; /* see ops.def */
    enum qb_isa isa;
    int max_cols;     /* TILE: widest tile it takes; else 0 */
    const char *name; /* the symbol without "qb_" */
    void (*fn)(void);
};
const struct qb_kernel *qb_kernels(size_t *n);
const char *qb_op_name(enum qb_op op);
/* The key(s) in words: "Q4_K r16", "s32_a256", "f16 f16", "-". */
void qb_kernel_key_text(const struct qb_kernel *k, char *out, size_t size);

/*
 * The chosen kernels; immutable once selected, shared by const pointer. After a successful select no entry is
 * NULL but decode_panel and gemv of a (format, layout) that does not exist, tile classes PLANES_*,
 * split_panel, scale_steps, fix_scales, attention_i16 and attention_planes.
 */
struct qb_kernel_set {
    enum qb_isa isa; /* the limit it was selected under, resolved */
    bool bf16;       /* BF16 weights are multiplied as bf16 */
    bool planes;     /* batches go to matrix units: tile classes PLANES_* */
    bool reference;  /* the reference path: weights decoded to f32, f32 throughout; no gemv */
    qb_decode_panel_fn *decode_panel[QB_FORMAT_COUNT][QB_LAYOUT_COUNT];
    qb_gemv_fn *gemv[QB_FORMAT_COUNT][QB_LAYOUT_COUNT];
    qb_tile_fn *tile[QB_TILE_CLASS_COUNT];
    qb_act_fn *act[QB_ACT_KIND_COUNT];
    int tile_cols[QB_ACT_KIND_COUNT]; /* activation tile width that all tile kernels for the kind take, */
    int planes_cols;                  /* and those for planes */
    qb_split_panel_fn *split_panel[QB_ACT_KIND_COUNT]; /* NULL: no matrix unit takes the kind */
    qb_scale_steps_fn *scale_steps; /* NULL: tile kernels of this level take no stepped panels */
    qb_fix_scales_fn *fix_scales;   /* NULL: ... no fixed ones */
    qb_rms_norm_fn *rms_norm;
    qb_silu_mul_fn *silu_mul;
    qb_rope_fn *rope_norm, *rope_neox;
    qb_kv_store_fn *k_store[QB_KV_TYPE_COUNT], *v_store[QB_KV_TYPE_COUNT];
    qb_attention_fn *attention[QB_KV_TYPE_COUNT][QB_KV_TYPE_COUNT];
    /* For many columns; NULL where there is none, and throughout in the reference path. */
    qb_attention_fn *attention_i16[QB_KV_TYPE_COUNT][QB_KV_TYPE_COUNT];
    qb_attention_fn *attention_planes[QB_KV_TYPE_COUNT][QB_KV_TYPE_COUNT];
    qb_pack_fn *pack;
};

/*
 * Choose for every op and key the kernel of the highest ISA level that is <= limit and supported by the CPU.
 * @param limit  QB_ISA_AUTO = the best of this CPU; a level that the CPU lacks fails with QB_ERR_UNSUPPORTED
 */
enum qb_status qb_kernel_set_select(struct qb_kernel_set *set, enum qb_isa limit, struct qb_err *err);
/* As select, then every product goes through weights decoded to f32 and the f32 tile kernel. */
enum qb_status qb_kernel_set_select_reference(struct qb_kernel_set *set, enum qb_isa limit,
                                              struct qb_err *err);
/* The registry row behind a slot of the set (for reports and `kernels list`), NULL when the slot is empty. */
const struct qb_kernel *qb_kernel_set_row(const struct qb_kernel_set *set, enum qb_op op, int key, int key2);
/* The layout of no more bytes that is fastest for a format under this set (what @auto means, but for x16:
 * engine/layout_choice.h), given the row count. */
enum qb_layout_id qb_kernel_set_auto_layout(const struct qb_kernel_set *set, const struct qb_format *f,
                                            int64_t n_rows);
/*
 * Batches of so many columns go to matrix units, where a set has them: with fewer, splitting panels costs
 * more than it saves (docs/performance.md). Planes of int8, one plane of bf16, two and more; BF16 is not
 * split and takes any batch there.
 */
#define QB_PLANES_INT8_COLS 24
#define QB_ONE_PLANE_COLS   64
#define QB_PLANES_BF16_COLS 96
/* A number of columns that is a batch in every sense, for who asks without one. */
#define QB_MANY_COLS 512

/* What products of n_cols columns with this format take under this set: the kind of activations, the width of
 * their tiles, and the tile class, if they are more than QB_GEMV_MAX_COLS. */
enum qb_act_kind qb_kernel_set_act(const struct qb_kernel_set *set, const struct qb_format *f, int n_cols);
int qb_kernel_set_tile_cols(const struct qb_kernel_set *set, enum qb_act_kind kind, int n_cols);
enum qb_tile_class qb_kernel_set_tile_class(const struct qb_kernel_set *set, const struct qb_format *f,
                                            int n_cols);

/* One row of a matrix in any layout as f32 (embedding lookup, tests): exact. */
void qb_matrix_decode_row(const struct qb_matrix *m, int64_t row, float *out);

#endif
