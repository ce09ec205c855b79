/*
 * The small operations of a transformer layer and attention: signatures and the KV cache layout.
 */
#ifndef QB_KERNELS_VECTOR_H
#define QB_KERNELS_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* y[i] = x[i] * g[i] / sqrt(mean(x^2) + eps). y may be x. Float class. */
typedef void qb_rms_norm_fn(const float *x, const float *g, float eps, int n, float *y);
/* y[i] = silu(gate[i]) * up[i], silu(x) = x / (1 + exp(-x)). y may be gate or up. Float class. */
typedef void qb_silu_mul_fn(const float *gate, const float *up, int n, float *y);
/*
 * Rotate n_head heads of head_dim values in place: pair i (< n_rot / 2) by (cs[2i], cs[2i + 1]) = (cos, sin).
 * rope_norm pairs elements (2i, 2i + 1), rope_neox (i, i + n_rot / 2). Elements >= n_rot stay. Float class.
 */
typedef void qb_rope_fn(float *x, const float *cs, int n_head, int head_dim, int n_rot);

enum qb_kv_type { QB_KV_F32, QB_KV_F16, QB_KV_Q8_0, QB_KV_TYPE_COUNT };

/*
 * KV cache of one layer, one sequence. P = capacity (a multiple of 16).
 *   K is kept transposed in blocks of 16 positions, so that one vector holds 16 positions of one dimension:
 *     F32, F16   [n_head_kv][P / 16][dim_k][16]
 *     Q8_0       int8 [n_head_kv][P / 16][dim_k][16], f16 scales k_scale [n_head_kv][P / 16][dim_k / 32][16]
 *   V is kept by position:
 *     F32, F16   [n_head_kv][P][dim_v]
 *     Q8_0       int8 [n_head_kv][P][dim_v], f16 scales v_scale [n_head_kv][P][dim_v / 32]
 * Q8_0 quantizes 32 consecutive dimensions of one position (dims are multiples of 32): scale = f16(max|x| /
 * 127), at most 65504; q = rint(x / scale), a division in f32, ties to even, clamped to +-127; 0 where the
 * scale is 0. x is finite.
 */
#define QB_KV_BLOCK 16
struct qb_kv {
    enum qb_kv_type type_k, type_v;
    int n_head_kv, dim_k, dim_v;
    int64_t capacity;
    void *k, *v;
    uint16_t *k_scale, *v_scale; /* Q8_0 only */
};
/* Store the n_head_kv * dim values of one token at position pos. Exact class (f16: round to nearest even). */
typedef void qb_kv_store_fn(struct qb_kv *kv, int64_t pos, const float *x);

/* Most columns (queries * heads of a group) in one attention call, and keys taken at a time: of
 * ATTENTION_PLANES, and of the others. */
#define QB_ATTN_MAX_COLS 256
#define QB_ATTN_MAX_KEYS 128
#define QB_ATTN_COLS     128
#define QB_ATTN_KEYS     64

struct qb_attn {
    const struct qb_kv *kv;
    int group;     /* query heads per KV head */
    float scale;   /* of q . k */
    float softcap; /* c * tanh(s / c); 0 = none */
    int64_t
        window; /* a key p is visible to a query at position P iff p <= P and P - p < window; 0 = no window */
};
/*
 * Attention of n_q consecutive tokens (positions pos0 .. pos0 + n_q - 1) for the `group` query heads of KV
 * head `head`, over keys [p0, p1) and the causal (and window) mask. n_q * group <= QB_ATTN_COLS. q + i *
 * ldq     the group * dim_k query values of token i (rotated) out + i * ldo   the group * dim_v results ml ==
 * NULL: out is the finished, normalised attention (every query sees at least one key). ml != NULL: one part
 * of a split over keys: out is the sum of exp(s - m) v, and ml[2 * (i * group + h)] = m (-INFINITY when no
 * key is visible; then out is 0), [.. + 1] = the sum of exp(s - m): qb_attn_combine joins the parts. scratch:
 * QB_ATTN_SCRATCH_BYTES(dim_k, dim_v), 64-byte aligned. Online softmax (Milakov and Gimelshein, 2018; Dao et
 * al., 2022). Float class.
 *
 * ATTENTION_I16 is the same on integers of 16 bits, for f16 and q8_0 caches: K, Q and V keep 13 bits and a
 * sign under a scale per key or column, weights exp(s - m) x max|v| at least 11 in sum over 64 keys.
 * ATTENTION_PLANES is the same on pairs of bf16, for these caches: K and V are f16 exactly, q8_0 to 16 bits;
 * elements of Q and weights exp(s - m) keep 8 bits, and the sum that is divided by has the weights as they
 * are.
 */
typedef void qb_attention_fn(const struct qb_attn *a, int head, const float *q, size_t ldq, int n_q,
                             int64_t pos0, int64_t p0, int64_t p1, float *out, size_t ldo, float *ml,
                             void *scratch);
#define QB_ATTN_SCRATCH_BYTES(dim_k, dim_v)                                                                  \
    (4u * ((QB_ATTN_MAX_COLS + 2u * QB_ATTN_MAX_KEYS) * ((size_t)(dim_k) + (size_t)(dim_v) + 80u) +          \
           QB_ATTN_MAX_COLS * QB_ATTN_MAX_KEYS))
/*
 * Join n_parts partial results for n_cols columns of dim values: part p lies at parts + p * part_stride
 * ([n_cols][dim]) and ml + p * n_cols * 2. Column c goes to out + (c / group) * ldo + (c % group) * dim.
 */
void qb_attn_combine(int n_parts, int n_cols, int group, int dim, const float *parts, size_t part_stride,
                     const float *ml, float *out, size_t ldo);

#endif
