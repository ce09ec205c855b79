/*
 * Peak loops of AMX: tdpbusd and tdpbf16ps.
 */
#include "kernels/peak.h"
#include "kernels/x86/simd_amx.h"

#define TILE_BYTES 1024
#define ROW_BYTES  64
#define N_OPERANDS 4 /* two a side */
#define PRODUCTS   4 /* of a step */

/*
 * Four sums from two operands a side, as the tile of a kernel has them: the unit accepts a product every 16
 * cycles. One asm statement, so that nothing comes between the products.
 *
 * The operands are pseudo-random, as codes of weights nearly are: bits that switch take power, and under a
 * limit of power the clock falls with them, so operands of zeros may show a peak that no kernel can reach
 * (2.4 instead of 3.0 TMAC/s a core were seen; in runs of 2 s with other load on the machine, by CPU time,
 * both make 3.1).
 */
#define PEAK_LOOP(dot, n)                                                                                    \
    do {                                                                                                     \
        uint64_t left_ = (n);                                                                                \
        __asm__ volatile("1:\n\t" dot " %%tmm6, %%tmm4, %%tmm0\n\t" dot " %%tmm7, %%tmm4, %%tmm1\n\t" dot    \
                         " %%tmm6, %%tmm5, %%tmm2\n\t" dot " %%tmm7, %%tmm5, %%tmm3\n\t"                     \
                         "dec %0\n\tjnz 1b"                                                                  \
                         : "+r"(left_)                                                                       \
                         :                                                                                   \
                         : "cc");                                                                            \
    } while (0)

qb_peak_fn qb_peak_int8_amx, qb_peak_bf16_amx;

/* Pseudo-random operands: the bits of `keep`, others from `set`. Some microseconds, once a call. */
static void load_operands(uint32_t keep, uint32_t set)
{
    static const struct amx_config config = AMX_CONFIG_FULL;
    uint32_t tiles[N_OPERANDS * TILE_BYTES / sizeof(uint32_t)] __attribute__((aligned(64)));
    uint32_t x = 0x9e3779b9u;
    for (size_t i = 0; i < QB_ARRAY_LEN(tiles); i++) {
        x ^= x << 13; /* xorshift32 */
        x ^= x >> 17;
        x ^= x << 5;
        tiles[i] = (x & keep) | set;
    }
    const uint8_t *base = (const uint8_t *)tiles;
    amx_configure(&config); /* zeroes the sums */
    AMX_LOAD(4, base, ROW_BYTES);
    AMX_LOAD(5, base + TILE_BYTES, ROW_BYTES);
    AMX_LOAD(6, base + 2 * TILE_BYTES, ROW_BYTES);
    AMX_LOAD(7, base + 3 * TILE_BYTES, ROW_BYTES);
}

uint64_t qb_peak_int8_amx(const void *data, uint64_t n)
{
    (void)data;
    load_operands(0xffffffffu, 0);
    PEAK_LOOP("tdpbusd", n);
    amx_release();
    return n * PRODUCTS * 16 * 16 * 64;
}

/* Of sizes from 0.5 to 2, either sign: sums grow by less than 128 a step and stay finite. */
uint64_t qb_peak_bf16_amx(const void *data, uint64_t n)
{
    (void)data;
    load_operands(0x80ff80ffu, 0x3f003f00u);
    PEAK_LOOP("tdpbf16ps", n);
    amx_release();
    return n * PRODUCTS * 16 * 16 * 32;
}
