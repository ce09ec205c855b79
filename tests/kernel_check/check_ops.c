/*
 * The check and benchmark of every operation.
 */
#include "tests/kernel_check/check.h"

const struct qb_check_op qb_check_ops[QB_OP_COUNT] = {
    [QB_OP_DECODE_PANEL] = {qb_check_decode_panel, qb_bench_decode_panel},
    [QB_OP_GEMV] = {qb_check_gemv, qb_bench_gemv},
    [QB_OP_TILE] = {qb_check_tile, qb_bench_tile},
    [QB_OP_ACT] = {qb_check_act, qb_bench_act},
};
