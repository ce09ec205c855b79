/*
 * Which thread runs where: CPU masks, core kinds, hardware threads, NUMA policies and quotas.
 */
#include "engine/topology.h"

#include "base/mem.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Far above any machine: bounds what a mask can ask for. */
#define MAX_PU_INDEX 65535

/* ---- masks ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_has(const char *digits, size_t n, int pu)
{
    size_t nibble = (size_t)pu / 4;
    return nibble < n && (hex_digit(digits[n - 1 - nibble]) >> (pu % 4) & 1);
}

/* Parse "A" or "A-B" at *p and move behind it. */
static bool list_item(const char **p, long *first, long *last)
{
    char *end;
    if (**p < '0' || **p > '9')
        return false;
    *first = *last = strtol(*p, &end, 10);
    if (*end == '-') {
        if (end[1] < '0' || end[1] > '9')
            return false;
        *last = strtol(end + 1, &end, 10);
    }
    *p = end;
    return *first <= *last && *last <= MAX_PU_INDEX;
}

static bool list_valid(const char *text)
{
    long first, last;
    for (const char *p = text;; p++) {
        if (!list_item(&p, &first, &last))
            return false;
        if (*p == '\0')
            return true;
        if (*p != ',')
            return false;
    }
}

static bool list_has(const char *text, int pu)
{
    long first, last;
    for (const char *p = text; list_item(&p, &first, &last); p++) {
        if (pu >= first && pu <= last)
            return true;
        if (*p == '\0')
            break;
    }
    return false;
}

struct mask {
    const char *text; /* digits of the hex form, or the list; NULL = every PU */
    size_t n_hex;     /* 0 = list */
};

static enum qb_status mask_parse(struct mask *m, const char *text, struct qb_err *err)
{
    *m = (struct mask){0};
    if (!text)
        return QB_OK;
    if (text[0] == '0' && (text[1] | 0x20) == 'x') {
        const char *digits = text + 2;
        size_t n = strlen(digits), zeros = 0;
        for (size_t i = 0; i < n; i++) {
            if (hex_digit(digits[i]) < 0)
                return qb_fail(err, QB_ERR_USAGE, "not a hexadecimal CPU mask: '%s'", text);
            zeros += digits[i] == '0';
        }
        if (n == 0)
            return qb_fail(err, QB_ERR_USAGE, "not a hexadecimal CPU mask: '%s'", text);
        if (zeros < n)
            *m = (struct mask){digits, n};
        return QB_OK;
    }
    if (!list_valid(text))
        return qb_fail(err, QB_ERR_USAGE, "not a CPU mask (0xFF) or list (0-3,8): '%s'", text);
    m->text = text;
    return QB_OK;
}

static bool mask_has(const struct mask *m, int pu)
{
    if (!m->text)
        return true;
    return m->n_hex ? hex_has(m->text, m->n_hex, pu) : list_has(m->text, pu);
}

/* ---- candidates ---- */

struct candidate {
    const struct qb_pu *pu;
    int smt;     /* rank among the chosen PUs of its core */
    int in_node; /* rank among the chosen PUs of its NUMA node with the same smt rank */
    int key[5];  /* sort key, rising */
};

/* The NUMA node that the caller runs on; the first allowed PU's for another machine's topology. */
static int current_numa(const struct qb_topology *t)
{
    int cpu = sched_getcpu(), first = -1;
    for (int i = 0; i < qb_topology_n_pus(t); i++) {
        const struct qb_pu *pu = qb_topology_pu(t, i);
        if (!pu->allowed)
            continue;
        if (pu->os_index == cpu)
            return pu->numa;
        if (first < 0)
            first = pu->numa;
    }
    return first < 0 ? 0 : first;
}

static int choose(struct candidate *c, const struct qb_topology *t, const struct mask *m,
                  const struct qb_placement_options *o)
{
    int n = 0, node = o->numa == QB_NUMA_ISOLATE ? current_numa(t) : -1;
    for (int i = 0; i < qb_topology_n_pus(t); i++) {
        const struct qb_pu *pu = qb_topology_pu(t, i);
        if (!pu->allowed || !mask_has(m, pu->os_index) || (node >= 0 && pu->numa != node))
            continue;
        struct candidate *k = &c[n++];
        *k = (struct candidate){.pu = pu};
        if (n > 1 && k[-1].pu->core == pu->core)
            k->smt = k[-1].smt + 1;
        for (int j = 0; j < n - 1; j++)
            k->in_node += c[j].pu->numa == pu->numa && c[j].smt == k->smt;
    }
    return n;
}

static int compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    for (size_t i = 0; i < QB_ARRAY_LEN(x->key); i++)
        if (x->key[i] != y->key[i])
            return x->key[i] < y->key[i] ? -1 : 1;
    return 0;
}

/*
 * Order of preference. While one thread a core is enough, faster cores come first and siblings last; when
 * siblings are needed, those of the fast cores come before the slow cores.
 */
static void order(struct candidate *c, int n, bool siblings, enum qb_numa_policy numa)
{
    for (int i = 0; i < n; i++) {
        struct candidate *k = &c[i];
        int slow = -k->pu->efficiency;
        k->key[0] = siblings ? slow : k->smt;
        k->key[1] = siblings ? k->smt : slow;
        k->key[2] = numa == QB_NUMA_DISTRIBUTE ? k->in_node : k->pu->numa;
        k->key[3] = numa == QB_NUMA_DISTRIBUTE ? k->pu->numa : k->in_node;
        k->key[4] = i;
    }
    qsort(c, (size_t)n, sizeof *c, compare);
}

static int count_primary(const struct candidate *c, int n, int min_efficiency, bool smt)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += (smt || c[i].smt == 0) && c[i].pu->efficiency >= min_efficiency;
    return count;
}

static int default_threads(const struct candidate *c, int n, const struct qb_placement_options *o)
{
    int best = 0;
    for (int i = 0; i < n; i++)
        best = c[i].pu->efficiency > best ? c[i].pu->efficiency : best;
    int count = count_primary(c, n, best, o->smt);
    if (o->quota > 0 && count > ceil(o->quota))
        count = (int)ceil(o->quota);
    return count > 0 ? count : 1;
}

static int count_cores(const struct candidate *c, int n)
{
    int cores = 0;
    for (int i = 0; i < n; i++) {
        bool seen = false;
        for (int j = 0; j < i && !seen; j++)
            seen = c[j].pu->core == c[i].pu->core;
        cores += !seen;
    }
    return cores;
}

enum qb_status qb_placement_init(struct qb_placement *p, const struct qb_topology *t,
                                 const struct qb_placement_options *o, struct qb_err *err)
{
    *p = (struct qb_placement){0};
    struct mask mask;
    QB_TRY(mask_parse(&mask, o->cpu_mask, err));
    if (o->n_threads < 0 || o->n_threads > MAX_PU_INDEX)
        return qb_fail(err, QB_ERR_USAGE, "cannot run %d threads", o->n_threads);
    struct candidate *c = NULL;
    QB_TRY(qb_calloc((void **)&c, (size_t)qb_topology_n_pus(t), sizeof *c, "the thread placement", err));
    int n = choose(c, t, &mask, o);
    if (n == 0) {
        free(c);
        if (!o->cpu_mask)
            return qb_fail(err, QB_ERR_USAGE, "the affinity mask of the process holds no known CPU");
        return qb_fail(err, QB_ERR_USAGE, "CPU mask '%s' names no CPU that this process may use",
                       o->cpu_mask);
    }
    int n_threads = o->n_threads ? o->n_threads : default_threads(c, n, o);
    order(c, n, o->smt || n_threads > count_primary(c, n, 0, false), o->numa);
    enum qb_status st =
        qb_calloc((void **)&p->pu, (size_t)n_threads, sizeof *p->pu, "the thread placement", err);
    if (st == QB_OK) {
        for (int i = 0; i < n_threads; i++)
            p->pu[i] = c[i % n].pu->os_index;
        p->n_threads = n_threads;
        p->n_cores_used = count_cores(c, n_threads < n ? n_threads : n);
        p->oversubscribed = n_threads > n || (o->quota > 0 && n_threads > ceil(o->quota));
    }
    free(c);
    return st;
}

void qb_placement_release(struct qb_placement *p)
{
    free(p->pu);
    *p = (struct qb_placement){0};
}

void qb_placement_describe(const struct qb_placement *p, struct qb_buf *out)
{
    for (int i = 0; i < p->n_threads; i++)
        qb_buf_printf(out, "%s%d:%d", i ? " " : "", i, p->pu[i]);
}
