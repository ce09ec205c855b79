/*
 * Panel storage: every array at its largest, one after the other, so that one block of scratch serves all
 * formats.
 */
#include "kernels/kernels.h"

#include <string.h>

#define ROWS ((size_t)QB_PANEL_ROWS)
#define K    ((size_t)QB_PANEL_K)

/* Codes and float weights never live in the same panel, and share their place. */
#define WEIGHT_BYTES    (ROWS * K * sizeof(float))
#define SCALE_BYTES     (ROWS * (K / 16) * sizeof(float))
#define STEPS_BYTES     (SCALE_BYTES * QB_ACT_MAX_STEPS)
#define UNIT_BYTES      (ROWS * sizeof(float))
#define MIN_F32_BYTES   (ROWS * (K / 32) * sizeof(float))
#define MIN_PAIR_BYTES  (ROWS * (K / 16) * sizeof(int16_t))
#define MIN_SCALE_BYTES (ROWS * (K / 256) * sizeof(float))
#define PAIR_BYTES      (ROWS * (K / 16) * sizeof(int16_t))
#define ROUND_BYTES     (ROWS * (K / 256) * sizeof(int32_t))
#define MIN_PLANE_BYTES (K / 256 * QB_MIN_PLANE * sizeof(uint16_t))
#define PLANES_BYTES    (ROWS * K * sizeof(uint16_t) * 3)

size_t qb_panel_bytes(void)
{
    return WEIGHT_BYTES + SCALE_BYTES + STEPS_BYTES + UNIT_BYTES + MIN_F32_BYTES + MIN_PAIR_BYTES +
           MIN_SCALE_BYTES + PAIR_BYTES + ROUND_BYTES + MIN_PLANE_BYTES + PLANES_BYTES;
}

void qb_panel_init(struct qb_panel *p, void *storage)
{
    char *at = storage;
    p->code = storage;
    p->f32 = storage;
    p->bf16 = storage;
    p->scale = (float *)(void *)(at += WEIGHT_BYTES);
    p->scale_steps = (float *)(void *)(at += SCALE_BYTES);
    p->unit = (float *)(void *)(at += STEPS_BYTES);
    p->min_f32 = (float *)(void *)(at += UNIT_BYTES);
    p->min_pair = (int16_t *)(void *)(at += MIN_F32_BYTES);
    p->min_scale = (float *)(void *)(at += MIN_PAIR_BYTES);
    p->scale_pair = (int16_t *)(void *)(at += MIN_SCALE_BYTES);
    p->round = (int32_t *)(void *)(at += PAIR_BYTES);
    p->min_plane = (uint16_t *)(void *)(at += ROUND_BYTES);
    p->plane = (uint8_t *)(at + MIN_PLANE_BYTES);
    p->n_planes = 0;
    p->plane_codes = false;
    p->offset_shift = QB_OFFSET_NONE;
    p->int_scales = false;
    p->stepped = false;
    p->fixed = false;
}
_Static_assert(QB_PANEL_K == QB_ACT_STEP_K,
               "one step of the activations for all of a stepped or fixed panel");

_Static_assert(WEIGHT_BYTES % 64 == 0 && UNIT_BYTES % 64 == 0 && SCALE_BYTES % 64 == 0 &&
                   MIN_F32_BYTES % 64 == 0 && MIN_PAIR_BYTES % 64 == 0 && MIN_SCALE_BYTES % 64 == 0 &&
                   PAIR_BYTES % 64 == 0 && ROUND_BYTES % 64 == 0,
               "panel arrays are 64-byte aligned");

/* Copy element n - 1 of every group of QB_PANEL_ROWS elements over the ones after it. */
static void repeat_last(void *array, int64_t groups, int n, size_t size)
{
    for (int64_t g = 0; g < groups; g++) {
        uint8_t *row = (uint8_t *)array + (size_t)g * QB_PANEL_ROWS * size;
        for (int r = n; r < QB_PANEL_ROWS; r++)
            memcpy(row + (size_t)r * size, row + (size_t)(n - 1) * size, size);
    }
}

void qb_panel_repeat_last_row(struct qb_panel *p, const struct qb_format *f, int n_rows, int64_t n_k)
{
    repeat_last(p->code, f->magnitudes ? n_k / 2 : n_k / 4, n_rows, 4);
    repeat_last(p->scale, n_k / (f->int_scales ? 256 : f->sub), n_rows, sizeof(float));
    if (f->int_scales) {
        repeat_last(p->scale_pair, n_k / (2 * f->sub), n_rows, 2 * sizeof(int16_t));
        repeat_last(p->round, n_k / 256, n_rows, sizeof(int32_t));
    }
    if (f->min == QB_MIN_F32)
        repeat_last(p->min_f32, n_k / 32, n_rows, sizeof(float));
    if (qb_min_is_integer(f->min)) {
        repeat_last(p->min_pair, n_k / (2 * qb_min_weights(f->min)), n_rows, 2 * sizeof(int16_t));
        repeat_last(p->min_scale, n_k / 256, n_rows, sizeof(float));
    }
}
