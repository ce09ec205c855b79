/*
 * The registry: kernels.def as a table, and its keys in words.
 */
#include "kernels/kernel_protos.h"
#include <stdio.h>
#include <string.h>

/* Keys are written without prefix in kernels.def; the operation says what they name. */
#define KEY_DECODE_PANEL(k)     QB_FORMAT_##k
#define KEY_GEMV(k)             QB_FORMAT_##k
#define KEY_TILE(k)             QB_TILE_##k
#define KEY_ACT(k)              QB_ACT_##k
#define KEY_SCALE_STEPS(k)      k
#define KEY_FIX_SCALES(k)       k
#define KEY_SPLIT_PANEL(k)      QB_ACT_##k
#define KEY_RMS_NORM(k)         k
#define KEY_SILU_MUL(k)         k
#define KEY_ROPE_NORM(k)        k
#define KEY_ROPE_NEOX(k)        k
#define KEY_K_STORE(k)          QB_KV_##k
#define KEY_V_STORE(k)          QB_KV_##k
#define KEY_ATTENTION(k)        QB_KV_##k
#define KEY_ATTENTION_I16(k)    QB_KV_##k
#define KEY_ATTENTION_PLANES(k) QB_KV_##k
#define KEY_PACK(k)             k

#define KEY2_DECODE_PANEL(k)     QB_LAYOUT_##k
#define KEY2_GEMV(k)             QB_LAYOUT_##k
#define KEY2_TILE(k)             k
#define KEY2_ACT(k)              k
#define KEY2_SCALE_STEPS(k)      k
#define KEY2_FIX_SCALES(k)       k
#define KEY2_SPLIT_PANEL(k)      k
#define KEY2_RMS_NORM(k)         k
#define KEY2_SILU_MUL(k)         k
#define KEY2_ROPE_NORM(k)        k
#define KEY2_ROPE_NEOX(k)        k
#define KEY2_K_STORE(k)          k
#define KEY2_V_STORE(k)          k
#define KEY2_ATTENTION(k)        QB_KV_##k
#define KEY2_ATTENTION_I16(k)    QB_KV_##k
#define KEY2_ATTENTION_PLANES(k) QB_KV_##k
#define KEY2_PACK(k)             k

/* "qb_" is not part of the name. */
#define QB_KERNEL(op, key, key2, isa, max_cols, symbol)                                                      \
    {QB_OP_##op, KEY_##op(key), KEY2_##op(key2), QB_ISA_##isa, max_cols, &#symbol[3], (void (*)(void))symbol},
static const struct qb_kernel kernels[] = {
#include "kernels/kernels.def"
};
#undef QB_KERNEL

static const char *const op_names[] = {
#define QB_OP(id, name) name,
#include "kernels/ops.def"
#undef QB_OP
};

static const char *const tile_class_names[] = {
    [QB_TILE_S16_A32] = "s16_a32",
    [QB_TILE_S32_A32] = "s32_a32",
    [QB_TILE_S32_A32_WIDE] = "s32_a32_wide",
    [QB_TILE_M32_A32] = "m32_a32",
    [QB_TILE_S16_A256] = "s16_a256",
    [QB_TILE_S32_A256] = "s32_a256",
    [QB_TILE_S32_A256_WIDE] = "s32_a256_wide",
    [QB_TILE_M32_A256] = "m32_a256",
    [QB_TILE_S256_A256] = "s256_a256",
    [QB_TILE_S256_A256_WIDE] = "s256_a256_wide",
    [QB_TILE_S256_M16_A256] = "s256_m16_a256",
    [QB_TILE_S256_M32_A256] = "s256_m32_a256",
    [QB_TILE_F32] = "f32",
    [QB_TILE_BF16] = "bf16",
    [QB_TILE_PLANES_INT8] = "planes_int8",
    [QB_TILE_PLANES_BF16] = "planes_bf16",
};
_Static_assert(QB_ARRAY_LEN(tile_class_names) == QB_TILE_CLASS_COUNT, "one name per tile class");

static const char *const act_names[] = {
    [QB_ACT_F32] = "f32",
    [QB_ACT_BF16] = "bf16",
    [QB_ACT_Q8_32] = "q8_32",
    [QB_ACT_Q8_STEPS] = "q8_steps",
    [QB_ACT_Q8_256] = "q8_256",
    [QB_ACT_Q8_32_PAIRS] = "q8_32_pairs",
    [QB_ACT_Q8_256_PAIRS] = "q8_256_pairs",
};
_Static_assert(QB_ARRAY_LEN(act_names) == QB_ACT_KIND_COUNT, "one name per activation kind");

static const char *const kv_names[] = {[QB_KV_F32] = "f32", [QB_KV_F16] = "f16", [QB_KV_Q8_0] = "q8_0"};
_Static_assert(QB_ARRAY_LEN(kv_names) == QB_KV_TYPE_COUNT, "one name per KV type");

const struct qb_kernel *qb_kernels(size_t *n)
{
    *n = QB_ARRAY_LEN(kernels);
    return kernels;
}

const char *qb_op_name(enum qb_op op)
{
    return (unsigned)op < QB_OP_COUNT ? op_names[op] : "?";
}

const char *qb_tile_class_name(enum qb_tile_class c)
{
    return (unsigned)c < QB_TILE_CLASS_COUNT ? tile_class_names[c] : "?";
}

void qb_kernel_key_text(const struct qb_kernel *k, char *out, size_t size)
{
    switch (k->op) {
    case QB_OP_DECODE_PANEL:
    case QB_OP_GEMV:
        snprintf(out, size, "%s %s", qb_format_get((enum qb_format_id)k->key)->name,
                 qb_layout_name((enum qb_layout_id)k->key2));
        break;
    case QB_OP_TILE:
        snprintf(out, size, "%s", qb_tile_class_name((enum qb_tile_class)k->key));
        break;
    case QB_OP_ACT:
    case QB_OP_SPLIT_PANEL:
        snprintf(out, size, "%s", act_names[k->key]);
        break;
    case QB_OP_K_STORE:
    case QB_OP_V_STORE:
        snprintf(out, size, "%s", kv_names[k->key]);
        break;
    case QB_OP_ATTENTION:
    case QB_OP_ATTENTION_I16:
    case QB_OP_ATTENTION_PLANES:
        snprintf(out, size, "%s %s", kv_names[k->key], kv_names[k->key2]);
        break;
    default:
        snprintf(out, size, "-");
    }
}
