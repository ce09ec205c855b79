/*
 * The roofline's roof: register-only multiply-add loops and a streaming read, per ISA level.
 */
#ifndef QB_KERNELS_PEAK_H
#define QB_KERNELS_PEAK_H

#include "kernels/cpu.h"
#include <stddef.h>

enum qb_peak_class { QB_PEAK_INT8, QB_PEAK_BF16, QB_PEAK_F32, QB_PEAK_READ, QB_PEAK_CLASS_COUNT };

/*
 * Compute classes: run n steps on registers (data = NULL). READ: read n bytes (a multiple of 4096) at data,
 * 64-byte aligned. Returns the multiply-adds, or bytes, that were done.
 */
typedef uint64_t qb_peak_fn(const void *data, uint64_t n);

struct qb_peak {
    enum qb_peak_class cls;
    enum qb_isa isa;
    const char *name;
    qb_peak_fn *fn;
};
const struct qb_peak *qb_peaks(size_t *n);
/* The loop of the highest level <= isa, NULL when the class does not exist there (bf16). */
const struct qb_peak *qb_peak_select(enum qb_peak_class cls, enum qb_isa isa);
const char *qb_peak_class_name(enum qb_peak_class cls); /* "int8", "bf16", "f32", "read" */

#endif
