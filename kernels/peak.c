/*
 * The table of peak loops.
 */
#include "kernels/peak.h"
#include <stdint.h>

#define QB_PEAK(cls, isa, symbol) qb_peak_fn qb_##symbol;
#include "kernels/peak.def"
#undef QB_PEAK

static const struct qb_peak peaks[] = {
#define QB_PEAK(cls, isa, symbol) {QB_PEAK_##cls, QB_ISA_##isa, #symbol, qb_##symbol},
#include "kernels/peak.def"
#undef QB_PEAK
};

const struct qb_peak *qb_peaks(size_t *n)
{
    *n = QB_ARRAY_LEN(peaks);
    return peaks;
}

const struct qb_peak *qb_peak_select(enum qb_peak_class cls, enum qb_isa isa)
{
    const struct qb_peak *best = NULL;
    for (size_t i = 0; i < QB_ARRAY_LEN(peaks); i++)
        if (peaks[i].cls == cls && peaks[i].isa <= isa && (!best || peaks[i].isa > best->isa))
            best = &peaks[i];
    return best;
}

const char *qb_peak_class_name(enum qb_peak_class cls)
{
    static const char *const names[] = {"int8", "bf16", "f32", "read"};
    return names[cls];
}
