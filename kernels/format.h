/*
 * Weight formats ("Q4_0", "Q4_K", ...): names, sizes, traits and the exact decoder.
 */
#ifndef QB_KERNELS_FORMAT_H
#define QB_KERNELS_FORMAT_H

#include "base/err.h"
#include "base/rng.h"

enum qb_format_id {
#define QB_FORMAT(id, ...) QB_FORMAT_##id,
#include "kernels/formats.def"
#undef QB_FORMAT
    QB_FORMAT_COUNT
};

enum qb_act_kind {
    QB_ACT_F32,         /* as they are */
    QB_ACT_BF16,        /* rounded to bfloat16, or f32 where no kernel of the set multiplies bf16 */
    QB_ACT_Q8_32,       /* int8, one f32 scale per 32 */
    QB_ACT_Q8_STEPS,    /* int8, one scale per 32 that is a multiple of a step per 512 */
    QB_ACT_Q8_256,      /* int8, one f32 scale per 256 */
    QB_ACT_Q8_32_PAIRS, /* Q8_32 and Q8_256 with scales that keep sums of neighbours small */
    QB_ACT_Q8_256_PAIRS,
    QB_ACT_KIND_COUNT
};

enum qb_min_kind { QB_MIN_NONE, QB_MIN_F32, QB_MIN_I16, QB_MIN_I16_16 };
/* Integer minima: how many weights share one. */
static inline int qb_min_weights(enum qb_min_kind min)
{
    return min == QB_MIN_I16_16 ? 16 : 32;
}
static inline bool qb_min_is_integer(enum qb_min_kind min)
{
    return min == QB_MIN_I16 || min == QB_MIN_I16_16;
}

/* What a block's scale is. A weight is a code times it, so UE4M3 (4 significant bits) and E8M0 (a power of
 * two) leave weights of at most 8 significant bits, F16 has 11 itself. */
enum qb_scale_kind { QB_SCALE_NONE, QB_SCALE_F16, QB_SCALE_E8M0, QB_SCALE_UE4M3 };

#define QB_OFFSET_NONE (-1)

/* Largest block of any format. */
#define QB_MAX_BLOCK_ELEMS 256
#define QB_MAX_BLOCK_BYTES 292

/*
 * What a block says in integers: weight j = scale[j / sub] * (code[j] - offset) + min part, where offset is
 * 1 << offset_shift or 0, and the min part is
 *   QB_MIN_F32: + min_f32[j / 32]
 *   QB_MIN_I16: - min_scale * min_i16[j / 32]
 *   QB_MIN_I16_16: - min_scale * min_i16[j / 16]
 * This is the common ground of all integer kernels; scalar kernels use it directly.
 */
struct qb_codes {
    uint8_t code[QB_MAX_BLOCK_ELEMS];
    float scale[16];       /* one per sub-block: the product of all scale factors, rounded once */
    int16_t sub_scale[16]; /* K- and I-quants with sub-blocks: scale[i] = d * sub_scale[i], exactly */
    float d;
    float min_f32[8];
    int16_t min_i16[16];
    float min_scale;
};

struct qb_format {
    enum qb_format_id id;
    const char *name; /* "Q4_K" */
    int gguf_id;
    int block_elems;
    int block_bytes;
    enum qb_act_kind act;
    int sub;          /* weights per panel scale; 0 for float formats */
    int offset_shift; /* QB_OFFSET_NONE or log2 of the code offset */
    enum qb_min_kind min;
    enum qb_scale_kind scale;
    bool quantized;  /* not F32, F16, BF16 */
    bool magnitudes; /* a panel has signed weights and their magnitudes instead of codes (panel_forms.def) */
    bool int_scales; /* a panel has the integer scales of sub-blocks apart (panel_forms.def); then: */
    int cut;         /* low bits that the sum over a sub-block loses before it meets its scale */

    /* Decode n elements (a multiple of block_elems) to f32, bit-exact with the published decoders. */
    void (*decode)(const void *blocks, float *out, int64_t n);
    /* One block to integer codes; NULL for float formats. */
    void (*codes)(const void *block, struct qb_codes *out);
    /*
     * Fill a block with random codes whose decoded weights have mean about 0 and standard deviation about
     * `std` (model shapes without a file). Uses whole random words: runs at memory speed.
     */
    void (*synth)(void *block, float std, struct qb_rng *rng);
    /* Are all scales finite (reference/quant-formats.md section 8)? Index of the first bad block or -1. */
    int64_t (*check)(const void *blocks, int64_t n_blocks);
};

const struct qb_format *qb_format_get(enum qb_format_id id);
/* By ggml name (any case) or GGUF type id; NULL when it is none of ours. */
const struct qb_format *qb_format_by_name(const char *name);
const struct qb_format *qb_format_by_gguf_id(int gguf_id);
/* Bytes of n elements; n is a multiple of block_elems. */
static inline size_t qb_format_bytes(const struct qb_format *f, int64_t n)
{
    return (size_t)(n / f->block_elems) * (size_t)f->block_bytes;
}

#endif
