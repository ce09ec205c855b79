/*
 * The list values of options: strings, and integers with ranges (first-last, first-last+step,
 * first-last*factor, as llama-bench takes them).
 */
#include "base/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ITEMS 4096 /* a typing error such as 1-1000000000 must not fill the memory */

enum qb_status qb_str_list_add(struct qb_str_list *l, const char *s, struct qb_err *err)
{
    char *copy = strdup(s);
    char **items = copy ? realloc(l->items, (l->n + 1) * sizeof *items) : NULL;
    if (!items) {
        free(copy);
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for a list of %zu strings", l->n + 1);
    }
    items[l->n] = copy;
    l->items = items;
    l->n++;
    return QB_OK;
}

void qb_str_list_release(struct qb_str_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct qb_str_list){0};
}

/* One element: the values first, first + step, ... or first, first * factor, ... up to last. */
struct range {
    int64_t first, last, step, factor;
};

static bool read_int(const char **p, int64_t *out)
{
    char *end;
    if (**p != '-' && (**p < '0' || **p > '9'))
        return false;
    errno = 0;
    long long v = strtoll(*p, &end, 10);
    if (end == *p || errno)
        return false;
    *p = end;
    *out = v;
    return true;
}

static bool read_range(const char **p, struct range *r)
{
    if (!read_int(p, &r->first))
        return false;
    r->last = r->first;
    r->step = 1;
    r->factor = 1;
    if (**p != '-')
        return true;
    ++*p;
    if (!read_int(p, &r->last) || r->last < r->first)
        return false;
    if (**p == '+') {
        ++*p;
        return read_int(p, &r->step) && r->step >= 1;
    }
    if (**p == '*') {
        ++*p;
        return read_int(p, &r->factor) && r->factor >= 2 && r->first >= 1;
    }
    return true;
}

static enum qb_status append_int(struct qb_int_list *l, int64_t v, const char *option, double min, double max,
                                 struct qb_err *err)
{
    bool bounded = min != 0 || max != 0;
    if (bounded && ((double)v < min || (double)v > max))
        return qb_fail(err, QB_ERR_USAGE, "option '%s': %" PRId64 " is not between %.0f and %.0f", option, v,
                       min, max);
    if (l->n >= MAX_ITEMS)
        return qb_fail(err, QB_ERR_USAGE, "option '%s': more than %d values", option, MAX_ITEMS);
    int64_t *items = realloc(l->items, (l->n + 1) * sizeof *items);
    if (!items)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for a list of %zu integers", l->n + 1);
    items[l->n++] = v;
    l->items = items;
    return QB_OK;
}

static enum qb_status append_range(struct qb_int_list *l, const struct range *r, const char *option,
                                   double min, double max, struct qb_err *err)
{
    int64_t v = r->first;
    for (;;) {
        QB_TRY(append_int(l, v, option, min, max, err));
        int64_t next;
        bool overflow = r->factor > 1 ? __builtin_mul_overflow(v, r->factor, &next)
                                      : __builtin_add_overflow(v, r->step, &next);
        if (overflow || next > r->last)
            return QB_OK;
        v = next;
    }
}

enum qb_status qb_int_list_parse(struct qb_int_list *l, const char *text, const char *option, double min,
                                 double max, struct qb_err *err)
{
    size_t n_before = l->n;
    const char *p = text;
    for (;;) {
        struct range r;
        enum qb_status status = QB_OK;
        if (!read_range(&p, &r) || (*p != ',' && *p != '\0'))
            status = qb_fail(err, QB_ERR_USAGE,
                             "option '%s': '%s' is not a list of integers such as 1,2,4 or 8-16+4 or 1-64*2",
                             option, text);
        else
            status = append_range(l, &r, option, min, max, err);
        if (status != QB_OK) {
            l->n = n_before;
            return status;
        }
        if (*p++ == '\0')
            return QB_OK;
    }
}

void qb_int_list_release(struct qb_int_list *l)
{
    free(l->items);
    *l = (struct qb_int_list){0};
}
