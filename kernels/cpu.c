/*
 * ISA levels from CPUID leaf 7 and XCR0: an instruction set counts only when the operating system saves its
 * registers (Intel SDM volume 1, 13 and 14.8; AMD APM volume 3, appendix E).
 */
#include "kernels/cpu.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const isa_names[] = {
    [QB_ISA_SCALAR] = "scalar",
    [QB_ISA_AVX2] = "avx2",
    [QB_ISA_AVX512VNNI] = "avx512vnni",
    [QB_ISA_AVX512VBMI] = "avx512vbmi",
    [QB_ISA_AVX512BF16] = "avx512bf16",
    [QB_ISA_COUNT] = "",
    [QB_ISA_AUTO] = "auto",
};

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

#define XCR0_AVX    0x06u /* xmm, ymm */
#define XCR0_AVX512 0xe6u /* and mask registers, both halves of zmm */

static enum qb_isa detect(void)
{
    struct cpuid_regs l1 = cpuid(1, 0), l7 = cpuid(7, 0), l7_1 = cpuid(7, 1);
    if (!has_bits(l1.c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return QB_ISA_SCALAR;
    uint64_t xcr0 = read_xcr0();
    if ((xcr0 & XCR0_AVX) != XCR0_AVX || !has_bits(l7.b, bit_AVX2 | bit_BMI2))
        return QB_ISA_SCALAR;
    if ((xcr0 & XCR0_AVX512) != XCR0_AVX512 ||
        !has_bits(l7.b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL | bit_AVX512CD) ||
        !has_bits(l7.c, bit_AVX512VNNI))
        return QB_ISA_AVX2;
    /* Cooper Lake has bf16 without VBMI: levels are a line, not a tree. */
    if (!has_bits(l7.c, bit_AVX512VBMI))
        return QB_ISA_AVX512VNNI;
    return has_bits(l7_1.a, bit_AVX512BF16) ? QB_ISA_AVX512BF16 : QB_ISA_AVX512VBMI;
}

#else

static enum qb_isa detect(void)
{
    return QB_ISA_SCALAR;
}

#endif

/* CPUID leaves a virtual machine each time, for tens of microseconds: ask once. */
static enum qb_isa detected(void)
{
    static _Atomic int known = -1;
    if (known < 0)
        known = (int)detect();
    return (enum qb_isa)known;
}

enum qb_isa qb_cpu_isa(void)
{
    enum qb_isa best = detected(), cap;
    const char *env = getenv("QBENCH_ISA");
    if (env && qb_isa_parse(env, &cap) && cap < best)
        return cap;
    return best;
}
