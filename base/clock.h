/*
 * Monotonic time.
 */
#ifndef QB_BASE_CLOCK_H
#define QB_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t qb_now_ns(void);
/* RFC 3339 UTC to the second ("2026-11-22T10:11:12Z"), as llama-bench writes test_time. out holds 21 bytes or
 * more. */
void qb_time_rfc3339(char *out, size_t size);

#endif
