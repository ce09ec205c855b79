/*
 * Tiles of AMX: a configuration, and the instructions as assembly over literal tile numbers. The intrinsics
 * are not used: that of gcc 12 for ldtilecfg says that 8 bytes are read, and the compiler then drops stores
 * to the others.
 *
 * A tile is 16 rows of 64 bytes at most. Numbers may be macros. Every kernel configures before its first use.
 * Nobody releases: the operating system does before a core rests, and saves tiles only of threads that have
 * them.
 */
#ifndef QB_KERNELS_SIMD_AMX_H
#define QB_KERNELS_SIMD_AMX_H

#include <stdint.h>
#include <string.h>

/* What ldtilecfg reads. Palette 1 is the only one; colsb: bytes of a row; tiles of no rows are not there. */
struct amx_config {
    uint8_t palette, start_row;
    uint8_t reserved[14];
    uint16_t colsb[16];
    uint8_t rows[16];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct amx_config) == 64, "ldtilecfg reads 64 bytes");

/* All 8 tiles with 16 rows of 64 bytes: an initializer. */
#define AMX_CONFIG_FULL                                                                                      \
    {                                                                                                        \
        .palette = 1, .colsb = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16},   \
    }

/* Shapes of all tiles; zeroes them. */
static inline __attribute__((always_inline)) void amx_configure(const struct amx_config *config)
{
    __asm__ volatile("ldtilecfg %0" : : "m"(*config));
}

/*
 * The same, unless the tiles are so already: storing the configuration costs nothing beside loading it, which
 * waits for all that came before (270 cycles). So kernels that are called one after the other leave it.
 */
static inline __attribute__((always_inline)) void amx_keep(const struct amx_config *config)
{
    struct amx_config now;
    __asm__ volatile("sttilecfg %0" : "=m"(now));
    if (memcmp(&now, config, sizeof now) != 0)
        amx_configure(config);
}

/* All 8 tiles full. */
static inline __attribute__((always_inline)) void amx_keep_full(void)
{
    static const struct amx_config full = AMX_CONFIG_FULL;
    amx_keep(&full);
}

/* Back to the initial state: no tile is in use. */
static inline __attribute__((always_inline)) void amx_release(void)
{
    __asm__ volatile("tilerelease");
}

#define AMX_TEXT(x)   AMX_TEXT_(x)
#define AMX_TEXT_(x)  #x
#define AMX_REG(tile) "%%tmm" AMX_TEXT(tile)

/* The rows of a tile from memory, and to memory: row i lies at base + i * stride bytes. Any alignment. */
#define AMX_LOAD(tile, base, stride)                                                                         \
    __asm__ volatile("tileloadd (%0,%1,1), " AMX_REG(tile) : : "r"(base), "r"((int64_t)(stride)) : "memory")
#define AMX_STORE(tile, base, stride)                                                                        \
    __asm__ volatile("tilestored " AMX_REG(tile) ", (%0,%1,1)"                                               \
                     :                                                                                       \
                     : "r"(base), "r"((int64_t)(stride))                                                     \
                     : "memory")
/* The same for what is used once in a while: it stays in L2 and leaves L1 to the panel. */
#define AMX_LOAD_ONCE(tile, base, stride)                                                                    \
    __asm__ volatile("tileloaddt1 (%0,%1,1), " AMX_REG(tile)                                                 \
                     :                                                                                       \
                     : "r"(base), "r"((int64_t)(stride))                                                     \
                     : "memor"                                                                               \
                       "y")
/* As AMX_LOAD, at a constant distance of `at` bytes from the base, which takes no register. */
#define AMX_LOAD_AT(tile, base, at, stride)                                                                  \
    __asm__ volatile("tileloadd %c2(%0,%1,1), " AMX_REG(tile)                                                \
                     :                                                                                       \
                     : "r"(base), "r"((int64_t)(stride)), "i"(at)                                            \
                     : "memory")
#define AMX_ZERO(tile) __asm__ volatile("tilezero " AMX_REG(tile) : :)

/* Ask for n rows of 64 bytes: loads of tiles from L2 wait for their lines, and no hardware follows from tile
 * to tile. */
static inline __attribute__((always_inline)) void amx_expect(const void *rows, int n)
{
#pragma GCC unroll 16
    for (int i = 0; i < n; i++)
        __builtin_prefetch((const char *)rows + 64 * i);
}

/*
 * Products: c[m][n] += sum over k and i < 4 of a[m][4 k + i] * b[k][4 n + i], c of int32, a and b of bytes.
 * The rows of b hold groups of 4 values along k, as vpdpbusd takes them. SU: a signed, b unsigned; SS: both
 * signed. Sums wrap.
 */
#define AMX_DOT_SU(c, a, b) __asm__ volatile("tdpbsud " AMX_REG(b) ", " AMX_REG(a) ", " AMX_REG(c) : :)
#define AMX_DOT_SS(c, a, b) __asm__ volatile("tdpbssd " AMX_REG(b) ", " AMX_REG(a) ", " AMX_REG(c) : :)
/* The same on pairs of bf16, c of float. Subnormal numbers are taken as zeros. */
#define AMX_DOT_BF16(c, a, b) __asm__ volatile("tdpbf16ps " AMX_REG(b) ", " AMX_REG(a) ", " AMX_REG(c) : :)

#endif
