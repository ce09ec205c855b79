/*
 * Prototypes of every kernel of kernels.def, by expansion of its rows: each kernel file includes this, so a
 * symbol that does not match its signature does not compile.
 */
#ifndef QB_KERNELS_KERNEL_PROTOS_H
#define QB_KERNELS_KERNEL_PROTOS_H

#include "kernels/kernels.h"

/* The function type of each operation: QB_KERNEL_FN_<op>. */
#define QB_KERNEL_FN_DECODE_PANEL     qb_decode_panel_fn
#define QB_KERNEL_FN_GEMV             qb_gemv_fn
#define QB_KERNEL_FN_TILE             qb_tile_fn
#define QB_KERNEL_FN_ACT              qb_act_fn
#define QB_KERNEL_FN_SCALE_STEPS      qb_scale_steps_fn
#define QB_KERNEL_FN_FIX_SCALES       qb_fix_scales_fn
#define QB_KERNEL_FN_SPLIT_PANEL      qb_split_panel_fn
#define QB_KERNEL_FN_RMS_NORM         qb_rms_norm_fn
#define QB_KERNEL_FN_SILU_MUL         qb_silu_mul_fn
#define QB_KERNEL_FN_ROPE_NORM        qb_rope_fn
#define QB_KERNEL_FN_ROPE_NEOX        qb_rope_fn
#define QB_KERNEL_FN_K_STORE          qb_kv_store_fn
#define QB_KERNEL_FN_V_STORE          qb_kv_store_fn
#define QB_KERNEL_FN_ATTENTION        qb_attention_fn
#define QB_KERNEL_FN_ATTENTION_I16    qb_attention_fn
#define QB_KERNEL_FN_ATTENTION_PLANES qb_attention_fn
#define QB_KERNEL_FN_PACK             qb_pack_fn

#define QB_KERNEL(op, key, key2, isa, max_cols, symbol) QB_KERNEL_FN_##op symbol;
#include "kernels/kernels.def"
#undef QB_KERNEL

#endif
