/*
 * What this CPU can run: composite ISA levels, gated by CPUID and by the state that the operating system
 * saves (XCR0: libcpuid does not look at it).
 */
#ifndef QB_KERNELS_CPU_H
#define QB_KERNELS_CPU_H

#include "base/err.h"

/*
 * Rising levels; each implies the ones above it in this list, but for one: CPUs with AVX512 may lack AVX-VNNI
 * (Cascade Lake, Ice Lake, Zen 4). qb_cpu_runs knows.
 */
enum qb_isa {
    QB_ISA_SCALAR,
    QB_ISA_AVX2,       /* AVX2 + FMA + F16C + BMI2 */
    QB_ISA_AVXVNNI,    /* the above + AVX-VNNI: 256-bit vpdpbusd without AVX512; Alder Lake, Zen 5 */
    QB_ISA_AVX512VNNI, /* AVX512 F BW DQ VL CD + VNNI */
    QB_ISA_AVX512VBMI, /* the above + VBMI and GFNI: Ice Lake, Zen 4; not Cascade Lake, not Cooper Lake */
    QB_ISA_AVX512BF16, /* the above + AVX512_BF16 */
    QB_ISA_AMX,        /* the above + AMX TILE INT8 BF16: Sapphire Rapids */
    QB_ISA_COUNT,
    QB_ISA_AUTO
};

/* "scalar", "avx2", "avxvnni", "avx512vnni", "avx512vbmi", "avx512bf16", "amx", "auto" */
const char *qb_isa_name(enum qb_isa isa);
bool qb_isa_parse(const char *name, enum qb_isa *out);
/* All names for an option table: "auto" first, NULL at the end. */
extern const char *const qb_isa_choices[];
/* The highest level this machine runs. Environment variable QBENCH_ISA lowers it (never raises it). */
enum qb_isa qb_cpu_isa(void);
/* Does this machine run kernels of a level? Not every level below the highest: see above. */
bool qb_cpu_runs(enum qb_isa isa);

/*
 * How kernels ask for a stream of weights before they load it. Prefetchers differ: Zen 5 wants lines in L1
 * early and finds the rest of the stream itself. Intel's work inside pages of 4 KiB, and a line asked for
 * into L1 holds one of 16 fill buffers until memory answers: two steps, the first one into L2 only
 * (docs/performance.md, fused GEMV).
 */
struct qb_cpu_stream {
    uint32_t near_bytes; /* this far ahead into L1 */
    uint32_t far_bytes;  /* and this much further into L2; 0: not at all */
};
/* This machine's, from the first call of qb_cpu_isa or qb_cpu_runs on. */
extern struct qb_cpu_stream qb_cpu_stream;
/* By the 12 bytes of the vendor in leaf 0. */
struct qb_cpu_stream qb_cpu_stream_of(const char *vendor);

/* What detection looks at, and its answer: a bit (1 << level) for every level. Apart for tests. */
struct qb_cpuid {
    uint32_t leaf1_c, leaf7_b, leaf7_c, leaf7_d, leaf7_1_a;
    uint64_t xcr0;
    bool tile_permission; /* the kernel lets this process use the tiles of AMX */
};
unsigned qb_cpu_levels(const struct qb_cpuid *r);

#endif
