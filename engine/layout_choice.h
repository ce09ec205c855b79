/*
 * Choosing between r16 and x16, the layout with fewer bytes and the one with fewer operations: which is
 * faster depends on the CPU and on the bandwidth that a thread has.
 */
#ifndef QB_ENGINE_LAYOUT_CHOICE_H
#define QB_ENGINE_LAYOUT_CHOICE_H

#include "kernels/kernels.h"

/*
 * Nanoseconds a weight takes a thread in generation: its operations alone (from L2) and its bytes alone
 * overlap only in part, their root sum of squares meets what was measured (docs/performance.md).
 */
double qb_weight_ns(double operations_ns, double bytes, double thread_gbs);

/*
 * Would a format generate faster in x16 than in r16, by a margin for errors of the estimate? Times the GEMV
 * of both over a few rows in L2, a millisecond or two on the calling thread.
 * @param thread_gbs  GB/s that a thread reads while all do; 0 (not measured): no
 * No too where the format has no x16, or memory is short.
 */
bool qb_x16_is_faster(const struct qb_kernel_set *set, const struct qb_format *f, double thread_gbs);

#endif
