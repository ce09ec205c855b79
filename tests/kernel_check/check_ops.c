/*
 * The check and benchmark of every operation.
 */
#include "tests/kernel_check/check.h"

const struct qb_check_op qb_check_ops[QB_OP_COUNT] = {
    [QB_OP_DECODE_PANEL] = {qb_check_decode_panel, qb_bench_decode_panel},
    [QB_OP_GEMV] = {qb_check_gemv, qb_bench_gemv},
    [QB_OP_TILE] = {qb_check_tile, qb_bench_tile},
    [QB_OP_ACT] = {qb_check_act, qb_bench_act},
    [QB_OP_SCALE_STEPS] = {qb_check_scale_steps, qb_bench_scale_steps},
    [QB_OP_FIX_SCALES] = {qb_check_fix_scales, qb_bench_fix_scales},
    [QB_OP_SPLIT_PANEL] = {qb_check_split_panel, qb_bench_split_panel},
    [QB_OP_RMS_NORM] = {qb_check_rms_norm, qb_bench_rms_norm},
    [QB_OP_SILU_MUL] = {qb_check_silu_mul, qb_bench_silu_mul},
    [QB_OP_ROPE_NORM] = {qb_check_rope_norm, qb_bench_rope},
    [QB_OP_ROPE_NEOX] = {qb_check_rope_neox, qb_bench_rope},
    [QB_OP_K_STORE] = {qb_check_kv_store, qb_bench_kv_store},
    [QB_OP_V_STORE] = {qb_check_kv_store, qb_bench_kv_store},
    [QB_OP_PACK] = {qb_check_pack, qb_bench_pack},
    [QB_OP_ATTENTION] = {qb_check_attention, qb_bench_attention},
    [QB_OP_ATTENTION_I16] = {qb_check_attention, qb_bench_attention},
    [QB_OP_ATTENTION_PLANES] = {qb_check_attention, qb_bench_attention},
};
