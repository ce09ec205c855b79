/*
 * Sizes in bytes as users write them.
 */
#include "bench/size_parse.h"
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

enum qb_status qb_size_parse(uint64_t *bytes, const char *text, const char *option, struct qb_err *err)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {{"", 1},
                 {"K", 1000},
                 {"M", 1000000},
                 {"G", 1000000000},
                 {"KB", 1000},
                 {"MB", 1000000},
                 {"GB", 1000000000},
                 {"KiB", UINT64_C(1) << 10},
                 {"MiB", UINT64_C(1) << 20},
                 {"GiB", UINT64_C(1) << 30}};
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    bool ok = !errno && end != text && text[0] != '-';
    for (size_t i = 0; ok && i < QB_ARRAY_LEN(units); i++)
        if (strcasecmp(end, units[i].name) == 0 && !__builtin_mul_overflow(v, units[i].factor, bytes))
            return QB_OK;
    return qb_fail(err, QB_ERR_USAGE, "option '%s': '%s' is no size (for example: 500M, 2G, 4GiB)", option,
                   text);
}
