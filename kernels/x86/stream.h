/*
 * Asking for a stream of weights before it is loaded, as this CPU wants it (qb_cpu_stream). Included by the
 * kernel files only.
 */
#ifndef QB_KERNELS_STREAM_H
#define QB_KERNELS_STREAM_H

#include <immintrin.h>

#include "kernels/cpu.h"
#include "kernels/simd.h"

/* Ask for the line at p. Prefetches past the end of the mapping do nothing. */
QB_INLINE void stream_ask(const void *p)
{
    const size_t far_bytes = qb_cpu_stream.far_bytes;
    _mm_prefetch((const char *)p, _MM_HINT_T0);
    if (far_bytes != 0)
        _mm_prefetch((const char *)p + far_bytes, _MM_HINT_T1);
}

/* The same for a few lines, unrolled. */
QB_INLINE void stream_ask_run(const uint8_t *p, int bytes)
{
    const size_t far_bytes = qb_cpu_stream.far_bytes;
    QB_UNROLL
    for (int i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)p + i, _MM_HINT_T0);
    if (far_bytes == 0)
        return;
    QB_UNROLL
    for (int i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)p + i + far_bytes, _MM_HINT_T1);
}

#endif
