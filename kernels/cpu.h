/*
 * What this CPU can run: composite ISA levels, gated by CPUID and by the state that the operating system
 * saves (XCR0: libcpuid does not look at it).
 */
#ifndef QB_KERNELS_CPU_H
#define QB_KERNELS_CPU_H

#include "base/err.h"

/* Rising levels; each implies the ones above it in this list. */
enum qb_isa {
    QB_ISA_SCALAR,
    QB_ISA_AVX2,       /* AVX2 + FMA + F16C + BMI2 */
    QB_ISA_AVX512VNNI, /* AVX512 F BW DQ VL CD + VNNI */
    QB_ISA_AVX512VBMI, /* the above + VBMI: Ice Lake, Zen 4; not Cascade Lake, not Cooper Lake */
    QB_ISA_AVX512BF16, /* the above + AVX512_BF16 */
    QB_ISA_COUNT,
    QB_ISA_AUTO
};

/* "scalar", "avx2", "avx512vnni", "avx512vbmi", "avx512bf16", "auto" */
const char *qb_isa_name(enum qb_isa isa);
bool qb_isa_parse(const char *name, enum qb_isa *out);
/* The highest level this machine runs. Environment variable QBENCH_ISA lowers it (never raises it). */
enum qb_isa qb_cpu_isa(void);

#endif
