/*
 * Monotonic and calendar time.
 */
#include "base/clock.h"

#include <time.h>

uint64_t qb_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void qb_time_rfc3339(char *out, size_t size)
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    if (strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0 && size)
        out[0] = '\0';
}
