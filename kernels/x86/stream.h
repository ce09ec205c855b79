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

/*
 * The same for the lines of [from, to); returns where it ended. A loop, because the hardware learns strides
 * by the address of an instruction: one that walks line by line shows it the stream, the loads of an unrolled
 * block do not.
 */
QB_INLINE const uint8_t *stream_walk(const uint8_t *from, const uint8_t *to)
{
    QB_NO_UNROLL
    for (; from < to; from += 64)
        stream_ask(from);
    return from;
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
