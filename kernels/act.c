/*
 * Storage and tile geometry of quantized activations.
 */
#include "kernels/act.h"
#include "base/mem.h"

#define ALIGN 64

/* One array of the storage: which kinds have it, and its bytes for every n_per weights. */
enum part {
    PART_Q,
    PART_SCALE,
    PART_FSUM,
    PART_STEP,
    PART_STEPS,
    PART_FIXED,
    PART_START,
    PART_SSUM,
    PART_NSUM16,
    PART_NSUM32,
    PART_NSUM256,
    PART_NPAIR,
    PART_NPAIR16,
    PART_NSUM_BF16,
    PART_F32,
    PART_BF16,
    PART_COUNT
};

static size_t part_bytes(enum qb_act_kind kind, enum part p, size_t n_cols, int64_t n_k)
{
    size_t n = n_cols * (size_t)n_k, block = (size_t)qb_act_block(kind);
    bool b32 = block == 32, b256 = block == 256, steps = kind == QB_ACT_Q8_STEPS,
         fixed = kind == QB_ACT_Q8_32;
    switch (p) {
    case PART_Q:
        return block ? n : 0;
    case PART_SCALE:
        return block ? n / block * sizeof(float) : 0;
    case PART_FSUM:
        return b32 ? n / 32 * sizeof(float) : 0;
    case PART_STEP:
        return steps || fixed ? n_cols * (size_t)qb_act_step_count(n_k) * sizeof(float) : 0;
    case PART_STEPS:
        return steps ? n / 32 : 0;
    case PART_FIXED:
    case PART_START:
        return fixed ? n_cols * (size_t)qb_act_pair_count(n_k) * 2 * sizeof(int16_t) : 0;
    case PART_SSUM:
        return steps ? n / 32 * sizeof(float) : 0;
    case PART_NSUM32:
        return block ? n / 32 * sizeof(int32_t) : 0;
    case PART_NSUM16:
        return block ? n / 16 * sizeof(int32_t) : 0;
    case PART_NSUM256:
        return b256 ? n / 256 * sizeof(int32_t) : 0;
    case PART_NPAIR:
        return b256 ? n / 32 * sizeof(int16_t) : 0;
    case PART_NPAIR16:
        return b256 ? n / 16 * sizeof(int16_t) : 0;
    case PART_NSUM_BF16:
        /* room for tiles that are by column */
        return b256 && n_cols > QB_GEMV_MAX_COLS ? n / 256 * 2 * QB_ACT_BLOCK_NSUM * sizeof(uint16_t) : 0;
    case PART_F32:
        return kind == QB_ACT_F32 ? n * sizeof(float) : 0;
    case PART_BF16:
        /* room for either order, and for reading a narrow tile as a full one */
        return kind == QB_ACT_BF16
                   ? (n_cols * qb_align_up((size_t)n_k, QB_ACT_COLUMN_BF16) + QB_ACT_BEHIND_BF16) *
                         sizeof(uint16_t)
                   : 0;
    default:
        return 0;
    }
}

size_t qb_act_bytes(enum qb_act_kind kind, int n_cols, int64_t n_k)
{
    size_t sum = 0;
    for (int p = 0; p < PART_COUNT; p++)
        sum += qb_align_up(part_bytes(kind, (enum part)p, (size_t)n_cols, n_k), ALIGN);
    return sum;
}

static bool has_wide_tiles(enum qb_act_kind kind)
{
    return kind == QB_ACT_BF16 || qb_act_block(kind) == 256;
}

void qb_act_init(struct qb_act *a, enum qb_act_kind kind, int n_cols, int64_t n_k, int tile_cols,
                 void *storage)
{
    int n_tiles = n_cols <= QB_GEMV_MAX_COLS ? 1 : (n_cols + tile_cols - 1) / tile_cols;
    if (tile_cols > QB_MAX_TILE_COLS || (tile_cols > QB_MAX_VECTOR_COLS && !has_wide_tiles(kind)))
        QB_BUG("tiles of %d columns of kind %d", tile_cols, (int)kind);
    void *part[PART_COUNT];
    char *at = storage;
    for (int p = 0; p < PART_COUNT; p++) {
        size_t bytes = part_bytes(kind, (enum part)p, (size_t)n_cols, n_k);
        part[p] = bytes > 0 ? at : NULL;
        at += qb_align_up(bytes, ALIGN);
    }
    bool by_column = tile_cols > QB_MAX_VECTOR_COLS && n_cols > QB_GEMV_MAX_COLS;
    *a = (struct qb_act){.kind = kind,
                         .tile_cols = tile_cols,
                         .n_cols = n_cols,
                         .n_k = n_k,
                         .by_column = by_column,
                         .n_tiles = n_tiles,
                         .tile_base = n_cols / n_tiles,
                         .n_wide = n_cols % n_tiles,
                         .q = part[PART_Q],
                         .scale = part[PART_SCALE],
                         .fsum = part[PART_FSUM],
                         .step = part[PART_STEP],
                         .steps = part[PART_STEPS],
                         .fixed = part[PART_FIXED],
                         .start = part[PART_START],
                         .ssum = part[PART_SSUM],
                         .nsum16 = part[PART_NSUM16],
                         .nsum32 = part[PART_NSUM32],
                         .nsum256 = part[PART_NSUM256],
                         .npair = part[PART_NPAIR],
                         .npair16 = part[PART_NPAIR16],
                         .nsum_bf16 = by_column ? part[PART_NSUM_BF16] : NULL,
                         .f32 = part[PART_F32],
                         .bf16 = part[PART_BF16]};
}
