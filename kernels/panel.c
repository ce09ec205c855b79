/*
 * Panel storage: every array at its largest, one after the other, so that one block of scratch serves all
 * formats.
 */
#include "kernels/kernels.h"

#define ROWS ((size_t)QB_PANEL_ROWS)
#define K    ((size_t)QB_PANEL_K)

/* Codes and float weights never live in the same panel, and share their place. */
#define WEIGHT_BYTES    (ROWS * K * sizeof(float))
#define SCALE_BYTES     (ROWS * (K / 16) * sizeof(float))
#define MIN_F32_BYTES   (ROWS * (K / 32) * sizeof(float))
#define MIN_PAIR_BYTES  (ROWS * (K / 32) * sizeof(int16_t))
#define MIN_SCALE_BYTES (ROWS * (K / 256) * sizeof(float))

size_t qb_panel_bytes(void)
{
    return WEIGHT_BYTES + SCALE_BYTES + MIN_F32_BYTES + MIN_PAIR_BYTES + MIN_SCALE_BYTES;
}

void qb_panel_init(struct qb_panel *p, void *storage)
{
    char *at = storage;
    p->code = storage;
    p->f32 = storage;
    p->bf16 = storage;
    p->scale = (float *)(void *)(at += WEIGHT_BYTES);
    p->min_f32 = (float *)(void *)(at += SCALE_BYTES);
    p->min_pair = (int16_t *)(void *)(at += MIN_F32_BYTES);
    p->min_scale = (float *)(void *)(at + MIN_PAIR_BYTES);
    p->offset_shift = QB_OFFSET_NONE;
}

_Static_assert(WEIGHT_BYTES % 64 == 0 && SCALE_BYTES % 64 == 0 && MIN_F32_BYTES % 64 == 0 &&
                   MIN_PAIR_BYTES % 64 == 0 && MIN_SCALE_BYTES % 64 == 0,
               "panel arrays are 64-byte aligned");
