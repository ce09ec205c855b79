/*
 * ISA levels from CPUID leaf 7 and XCR0: an instruction set counts only when the operating system saves its
 * registers (Intel SDM volume 1, 13 and 14.8; AMD APM volume 3, appendix E), and tiles only when Linux lets
 * the process have them (Documentation/arch/x86/xstate.rst).
 */
#include "kernels/cpu.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define LEVEL_NAMES "scalar", "avx2", "avxvnni", "avx512vnni", "avx512vbmi", "avx512bf16", "amx"

static const char *const isa_names[] = {LEVEL_NAMES, "", [QB_ISA_AUTO] = "auto"};
_Static_assert(QB_ARRAY_LEN(((const char *[]){LEVEL_NAMES})) == QB_ISA_COUNT, "a name for every level");

const char *const qb_isa_choices[] = {"auto", LEVEL_NAMES, NULL};

const char *qb_isa_name(enum qb_isa isa)
{
    return (size_t)isa < QB_ARRAY_LEN(isa_names) ? isa_names[isa] : "?";
}

bool qb_isa_parse(const char *name, enum qb_isa *out)
{
    for (size_t i = 0; i < QB_ARRAY_LEN(isa_names); i++) {
        if (i != QB_ISA_COUNT && strcasecmp(isa_names[i], name) == 0) {
            *out = (enum qb_isa)i;
            return true;
        }
    }
    return false;
}

#define OTHER_NEAR_BYTES 6144 /* measured on Zen 5 */

/* The last row is for all others. */
static const struct {
    const char *vendor;
    struct qb_cpu_stream stream;
} streams[] = {
    {"GenuineIntel", {.near_bytes = 2048, .far_bytes = 2048}},
    {"", {.near_bytes = OTHER_NEAR_BYTES}},
};

struct qb_cpu_stream qb_cpu_stream = {.near_bytes = OTHER_NEAR_BYTES};

struct qb_cpu_stream qb_cpu_stream_of(const char *vendor)
{
    size_t i = 0;
    while (i + 1 < QB_ARRAY_LEN(streams) && strcmp(streams[i].vendor, vendor) != 0)
        i++;
    return streams[i].stream;
}

#if defined(__x86_64__)

static uint64_t read_xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

struct cpuid_regs {
    unsigned a, b, c, d;
};

static struct cpuid_regs cpuid(unsigned leaf, unsigned sub)
{
    struct cpuid_regs r = {0, 0, 0, 0};
    if (!__get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d))
        return (struct cpuid_regs){0, 0, 0, 0};
    return r;
}

static bool has_bits(unsigned value, unsigned mask)
{
    return (value & mask) == mask;
}

#define XCR0_AVX    0x06u    /* xmm, ymm */
#define XCR0_AVX512 0xe6u    /* and mask registers, both halves of zmm */
#define XCR0_TILES  0x60000u /* their configuration, their data */
/* compilers name them differently: BF16, TILE, INT8 */
#define AMX_BITS    (1u << 22 | 1u << 24 | 1u << 25)
#define LEVEL(name) (1u << QB_ISA_##name)

static unsigned avx512_levels(const struct qb_cpuid *r)
{
    if ((r->xcr0 & XCR0_AVX512) != XCR0_AVX512 || !has_bits(r->leaf7_c, bit_AVX512VNNI) ||
        !has_bits(r->leaf7_b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL | bit_AVX512CD))
        return 0;
    /* Cooper Lake has bf16 without VBMI: levels are a line, not a tree. */
    if (!has_bits(r->leaf7_c, bit_AVX512VBMI | bit_GFNI))
        return LEVEL(AVX512VNNI);
    unsigned vbmi = LEVEL(AVX512VNNI) | LEVEL(AVX512VBMI);
    if (!has_bits(r->leaf7_1_a, bit_AVX512BF16))
        return vbmi;
    unsigned bf16 = vbmi | LEVEL(AVX512BF16);
    bool tiles = has_bits(r->leaf7_d, AMX_BITS) && (r->xcr0 & XCR0_TILES) == XCR0_TILES;
    return tiles && r->tile_permission ? bf16 | LEVEL(AMX) : bf16;
}

unsigned qb_cpu_levels(const struct qb_cpuid *r)
{
    if (!has_bits(r->leaf1_c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C) ||
        (r->xcr0 & XCR0_AVX) != XCR0_AVX || !has_bits(r->leaf7_b, bit_AVX2 | bit_BMI2))
        return LEVEL(SCALAR);
    unsigned avx2 = LEVEL(SCALAR) | LEVEL(AVX2);
    if (has_bits(r->leaf7_1_a, bit_AVXVNNI))
        avx2 |= LEVEL(AVXVNNI);
    return avx2 | avx512_levels(r);
}

/*
 * Linux gives the 8 KiB of tile data only to processes that ask for them; else the first use is a SIGILL. The
 * answer holds for the whole process: threads that are there and threads to come. It is no where the kernel
 * is older than 5.16, where a filter of system calls forbids the question, and where a thread has an
 * alternate signal stack on which the larger frame does not fit.
 */
#define ARCH_REQ_XCOMP_PERM 0x1023 /* asm/prctl.h, which older headers lack */
#define XFEATURE_XTILEDATA  18

static bool ask_for_tiles(void)
{
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static void detect_stream(void)
{
    struct cpuid_regs l0 = cpuid(0, 0);
    char vendor[13] = "";
    memcpy(vendor, (unsigned[]){l0.b, l0.d, l0.c}, 12);
    qb_cpu_stream = qb_cpu_stream_of(vendor);
}

static unsigned detect(void)
{
    detect_stream();
    struct cpuid_regs l1 = cpuid(1, 0), l7 = cpuid(7, 0), l7_1 = cpuid(7, 1);
    struct qb_cpuid r = {
        .leaf1_c = l1.c, .leaf7_b = l7.b, .leaf7_c = l7.c, .leaf7_d = l7.d, .leaf7_1_a = l7_1.a};
    if (has_bits(l1.c, bit_OSXSAVE))
        r.xcr0 = read_xcr0();
    if (has_bits(r.leaf7_d, AMX_BITS) && (r.xcr0 & XCR0_TILES) == XCR0_TILES)
        r.tile_permission = ask_for_tiles();
    return qb_cpu_levels(&r);
}

#else

unsigned qb_cpu_levels(const struct qb_cpuid *r)
{
    (void)r;
    return 1u << QB_ISA_SCALAR;
}

static unsigned detect(void)
{
    return 1u << QB_ISA_SCALAR;
}

#endif

/* CPUID leaves a virtual machine each time, for tens of microseconds: ask once. */
static unsigned known_levels;

static void ask_cpu(void)
{
    known_levels = detect();
}

static unsigned detected(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask_cpu);
    return known_levels;
}

static bool in_levels(unsigned levels, enum qb_isa isa)
{
    return (unsigned)isa < QB_ISA_COUNT && (levels >> isa & 1) != 0;
}

enum qb_isa qb_cpu_isa(void)
{
    enum qb_isa best = (enum qb_isa)(QB_ISA_COUNT - 1), cap;
    const char *env = getenv("QBENCH_ISA");
    if (env && qb_isa_parse(env, &cap) && cap < best)
        best = cap;
    while (!in_levels(detected(), best))
        best = (enum qb_isa)(best - 1);
    return best;
}

bool qb_cpu_runs(enum qb_isa isa)
{
    return isa <= qb_cpu_isa() && in_levels(detected(), isa);
}
