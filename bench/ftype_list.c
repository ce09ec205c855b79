/*
 * Lists of file types.
 */
#include "bench/ftype_list.h"
#include "base/nearest.h"
#include <strings.h>

static enum qb_status add_all(struct qb_str_list *out, struct qb_err *err)
{
    size_t n;
    const struct qb_ftype *all = qb_ftypes(&n);
    for (size_t i = 0; i < n; i++)
        QB_TRY(qb_str_list_add(out, all[i].name, err));
    return QB_OK;
}

static enum qb_status add_card(struct qb_str_list *out, struct qb_err *err)
{
    size_t n;
    const struct qb_ftype *const *card = qb_ftype_card(&n);
    for (size_t i = 0; i < n; i++)
        QB_TRY(qb_str_list_add(out, card[i]->name, err));
    return QB_OK;
}

static enum qb_status add_expanded(struct qb_str_list *out, const char *name, struct qb_err *err)
{
    if (strcasecmp(name, "all") == 0)
        return add_all(out, err);
    if (strcasecmp(name, "card") == 0)
        return add_card(out, err);
    return qb_str_list_add(out, name, err);
}

enum qb_status qb_ftype_list_expand(struct qb_str_list *names, struct qb_err *err)
{
    struct qb_str_list out = {0};
    enum qb_status st = QB_OK;
    for (size_t i = 0; i < names->n && !st; i++)
        st = add_expanded(&out, names->items[i], err);
    if (st) {
        qb_str_list_release(&out);
        return st;
    }
    qb_str_list_release(names);
    *names = out;
    return QB_OK;
}

enum qb_status qb_ftype_parse(const struct qb_ftype **out, const char *name, struct qb_err *err)
{
    *out = qb_ftype_by_name(name);
    if (*out)
        return QB_OK;
    const char *nearest = qb_ftype_nearest(name)->name;
    if (!qb_name_is_near(name, nearest))
        return qb_fail(err, QB_ERR_USAGE, "unknown file type '%.40s'", name);
    return qb_fail(err, QB_ERR_USAGE, "unknown file type '%.40s'; did you mean '%s'?", name, nearest);
}
