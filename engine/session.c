/*
 * Sessions: the memory plan, micro-batches, positions.
 */
#include "engine/session.h"

#include "base/clock.h"
#include "engine/arch.h"
#include "engine/forward.h"
#include "engine/matmul.h"

#include <stdlib.h>

#define CTX_UNIT 256
#define MAX_CTX  ((int64_t)1 << 31)
/* Partial results of attention split over keys: tasks x parts, per worker. */
#define PART_SLOTS_PER_WORKER 4

static const char *const phase_names[] = {
    "embed", "prepare", "qkv", "rope", "attention", "attn_output", "gate_up", "down", "head",
};
_Static_assert(QB_ARRAY_LEN(phase_names) == QB_PHASE_COUNT, "one name per phase");

const char *qb_phase_name(enum qb_phase phase)
{
    return (unsigned)phase < QB_PHASE_COUNT ? phase_names[phase] : "?";
}

/* ---- memory plan ---- */

/* Hands out parts of a block; with base NULL it only counts. An overflow sticks. */
struct cursor {
    char *base;
    size_t used;
    bool overflow;
};

static void *take(struct cursor *c, size_t n, size_t size, size_t align)
{
    size_t bytes, end, start = qb_align_up(c->used, align);
    if (!qb_size_mul(n, size, &bytes) || start < c->used || !qb_size_add(start, bytes, &end) ||
        end > SIZE_MAX / 2) {
        c->overflow = true;
        return NULL;
    }
    c->used = end;
    return c->base ? c->base + start : NULL;
}

static void *take_floats(struct cursor *c, size_t rows, size_t width)
{
    size_t n;
    if (!qb_size_mul(rows, width, &n)) {
        c->overflow = true;
        return NULL;
    }
    return take(c, n, sizeof(float), 64);
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

static void need_act(struct qb_session *s, const struct qb_matrix *m)
{
    const int n_cols[] = {1, s->n_ubatch}; /* few columns may take another kind than many */
    for (size_t i = 0; i < QB_ARRAY_LEN(n_cols); i++) {
        int64_t *widest = &s->widths.act[qb_kernel_set_act(s->set, m->format, n_cols[i])];
        *widest = *widest > m->n_cols ? *widest : m->n_cols;
    }
}

/* Do gate and up want different activations, whether columns are few or many? */
static bool mixed_gate_up(const struct qb_session *s, const struct qb_layer *l)
{
    const struct qb_format *gate = l->gate.format, *up = l->up.format;
    return qb_kernel_set_act(s->set, gate, 1) != qb_kernel_set_act(s->set, up, 1) ||
           qb_kernel_set_act(s->set, gate, s->n_ubatch) != qb_kernel_set_act(s->set, up, s->n_ubatch);
}

static void measure(struct qb_session *s)
{
    const struct qb_hparams *hp = &s->model->hp;
    struct qb_widths *w = &s->widths;
    for (int i = 0; i < hp->n_layer; i++) {
        const struct qb_layer *l = &s->model->layers[i];
        const struct qb_matrix *all[] = {&l->wq, &l->wk, &l->wv, &l->wo, &l->gate, &l->up, &l->down};
        for (size_t j = 0; j < QB_ARRAY_LEN(all); j++)
            need_act(s, all[j]);
        w->q = max_int(w->q, hp->n_head[i] * hp->head_dim_k);
        w->k = max_int(w->k, hp->n_head_kv[i] * hp->head_dim_k);
        w->v = max_int(w->v, hp->n_head_kv[i] * hp->head_dim_v);
        w->att = max_int(w->att, hp->n_head[i] * hp->head_dim_v);
        w->ff = max_int(w->ff, hp->n_ff[i]);
        w->mixed_gate_up |= mixed_gate_up(s, l);
    }
    need_act(s, &s->model->output);
}

static void lay_rows(struct qb_session *s, struct cursor *c)
{
    const struct qb_hparams *hp = &s->model->hp;
    const struct qb_widths *w = &s->widths;
    struct qb_buffers *b = &s->buf;
    size_t n = (size_t)s->n_ubatch;
    b->x = take_floats(c, n, (size_t)hp->n_embd);
    b->h = take_floats(c, n, (size_t)hp->n_embd);
    b->q = take_floats(c, n, (size_t)w->q);
    b->k = take_floats(c, n, (size_t)w->k);
    b->v = take_floats(c, n, (size_t)w->v);
    b->att = take_floats(c, n, (size_t)w->att);
    b->ff = take_floats(c, n, (size_t)w->ff);
    b->ff_up = w->mixed_gate_up ? take_floats(c, n, (size_t)w->ff) : NULL;
    b->logits = take_floats(c, 1, (size_t)hp->n_vocab);
    b->rope = take_floats(c, n, (size_t)hp->n_rot);
    b->rope_freq = take(c, (size_t)hp->n_rot / 2, sizeof(double), 64);
    for (int k = 0; k < QB_ACT_KIND_COUNT; k++)
        if (w->act[k])
            b->act[k] = take(c, qb_act_bytes((enum qb_act_kind)k, s->n_ubatch, w->act[k]), 1, 64);
}

/* Memory of each worker starts on its own page, so that it lies near the thread that touches it first. */
static void lay_workers(struct qb_session *s, struct cursor *c)
{
    const struct qb_hparams *hp = &s->model->hp;
    s->buf.worker = take(c, (size_t)s->n_workers, sizeof *s->buf.worker, 64);
    for (int i = 0; i < s->n_workers; i++) {
        struct qb_worker_scratch w = {0};
        w.matmul = take(c, qb_matmul_scratch_bytes(s->n_ubatch), 1, 4096);
        w.attention = take(c, QB_ATTN_SCRATCH_BYTES(hp->head_dim_k, hp->head_dim_v), 1, 64);
        w.row = take_floats(c, 1, (size_t)hp->n_embd);
        for (int k = 0; k < QB_ACT_KIND_COUNT; k++)
            if (s->widths.act[k])
                w.act[k] = take(c, qb_act_bytes((enum qb_act_kind)k, 1, s->widths.act[k]), 1, 64);
        if (s->buf.worker)
            s->buf.worker[i] = w;
    }
    s->n_part_slots = PART_SLOTS_PER_WORKER * s->n_workers;
    s->buf.parts = take_floats(c, (size_t)s->n_part_slots * QB_ATTN_MAX_COLS, (size_t)hp->head_dim_v);
    s->buf.parts_ml = take_floats(c, (size_t)s->n_part_slots, 2 * QB_ATTN_MAX_COLS);
}

static void lay_cache(struct qb_session *s, struct cursor *c)
{
    const struct qb_hparams *hp = &s->model->hp;
    s->buf.kv = take(c, (size_t)hp->n_layer, sizeof *s->buf.kv, 64);
    for (int i = 0; i < hp->n_layer; i++) {
        size_t rows, limit;
        /* values of one position times positions must fit before qb_kv_bytes multiplies them */
        if (!qb_size_mul((size_t)hp->n_head_kv[i] * (size_t)(hp->head_dim_k + hp->head_dim_v),
                         (size_t)s->n_ctx, &rows) ||
            !qb_size_mul(rows, 8, &limit)) {
            c->overflow = true;
            return;
        }
        size_t bytes =
            qb_kv_bytes(s->type_k, s->type_v, hp->n_head_kv[i], hp->head_dim_k, hp->head_dim_v, s->n_ctx);
        void *memory = take(c, bytes, 1, 4096);
        if (memory)
            qb_kv_init(&s->buf.kv[i], s->type_k, s->type_v, hp->n_head_kv[i], hp->head_dim_k, hp->head_dim_v,
                       s->n_ctx, memory);
    }
}

/* Lay everything out from base; NULL counts. Returns the bytes, SIZE_MAX on overflow. */
static size_t lay(struct qb_session *s, void *base)
{
    struct cursor c = {.base = base};
    lay_rows(s, &c);
    lay_workers(s, &c);
    lay_cache(s, &c);
    return c.overflow ? SIZE_MAX : c.used;
}

/* ---- life ---- */

static void configure(struct qb_session *s, const struct qb_model *m, const struct qb_session_options *o)
{
    s->model = m;
    s->set = o->set;
    s->pool = o->pool;
    s->pool_gen = o->pool_gen ? o->pool_gen : o->pool;
    s->n_workers = max_int(qb_pool_n_threads(s->pool), qb_pool_n_threads(s->pool_gen));
    int64_t n_ctx = o->n_ctx < 1 ? 1 : o->n_ctx > MAX_CTX ? MAX_CTX : o->n_ctx;
    s->n_ctx = (n_ctx + CTX_UNIT - 1) / CTX_UNIT * CTX_UNIT;
    int64_t n_batch = o->n_batch < 1 ? 1 : o->n_batch;
    n_batch = n_batch < s->n_ctx ? n_batch : s->n_ctx;
    int64_t n_ubatch = o->n_ubatch < 1 ? 1 : o->n_ubatch;
    s->n_ubatch = (int)(n_ubatch < n_batch ? n_ubatch : n_batch);
    s->type_k = o->type_k;
    s->type_v = o->type_v;
    measure(s);
}

uint64_t qb_session_bytes(const struct qb_model *m, const struct qb_session_options *o)
{
    struct qb_session s = {0};
    configure(&s, m, o);
    return lay(&s, NULL);
}

static enum qb_status check(const struct qb_model *m, const struct qb_session_options *o, struct qb_err *err)
{
    const struct qb_hparams *hp = &m->hp;
    if (o->n_ctx > MAX_CTX)
        return qb_fail(err, QB_ERR_USAGE, "a context of %lld positions is too long", (long long)o->n_ctx);
    if ((o->type_k == QB_KV_Q8_0 && hp->head_dim_k % 32) || (o->type_v == QB_KV_Q8_0 && hp->head_dim_v % 32))
        return qb_fail(err, QB_ERR_UNSUPPORTED,
                       "a q8_0 cache needs heads of a multiple of 32 values, not %d and %d", hp->head_dim_k,
                       hp->head_dim_v);
    for (int i = 0; i < hp->n_layer; i++)
        if (hp->n_head_kv[i] < 1 || hp->n_head[i] % hp->n_head_kv[i] ||
            hp->n_head[i] / hp->n_head_kv[i] > QB_ATTN_COLS)
            return qb_fail(err, QB_ERR_UNSUPPORTED, "layer %d has %d heads on %d key heads", i, hp->n_head[i],
                           hp->n_head_kv[i]);
    return QB_OK;
}

enum qb_status qb_session_create(struct qb_session **out, const struct qb_model *m,
                                 const struct qb_session_options *o, struct qb_err *err)
{
    QB_TRY(check(m, o, err));
    struct qb_session *s = NULL;
    QB_TRY(qb_calloc((void **)&s, 1, sizeof *s, "the session", err));
    configure(s, m, o);
    size_t bytes = lay(s, NULL);
    enum qb_status st =
        bytes == SIZE_MAX
            ? qb_fail(err, QB_ERR_MEMORY, "a context of %lld positions does not fit in any memory",
                      (long long)s->n_ctx)
            : qb_block_init(&s->block, bytes, true, "the KV cache and scratch memory", err);
    if (st != QB_OK) {
        free(s);
        return st;
    }
    lay(s, s->block.data);
    qb_forward_rope_init(s);
    *out = s;
    return QB_OK;
}

void qb_session_free(struct qb_session *s)
{
    if (!s)
        return;
    qb_block_release(&s->block);
    free(s);
}

void qb_session_clear(struct qb_session *s)
{
    s->pos = 0;
}

int64_t qb_session_pos(const struct qb_session *s)
{
    return s->pos;
}

void qb_session_rewind(struct qb_session *s, int64_t pos)
{
    if (pos < s->pos)
        s->pos = pos < 0 ? 0 : pos;
}

void qb_session_observe(struct qb_session *s, qb_observe_fn *fn, void *arg)
{
    s->observe = fn;
    s->observe_arg = arg;
}

void qb_session_profile(struct qb_session *s, uint64_t *phase_ns)
{
    s->phase_ns = phase_ns;
}

const float *qb_session_logits(const struct qb_session *s)
{
    return s->last_logits;
}

/* ---- evaluation ---- */

struct micro_batch {
    struct qb_session *s;
    const int32_t *tokens;
    int n, n_outputs;
    float *logits;
};

static void run_micro_batch(struct qb_worker *w, void *arg)
{
    const struct micro_batch *m = arg;
    struct qb_session *s = m->s;
    struct qb_forward f = {
        .w = w,
        .s = s,
        .model = s->model,
        .set = s->set,
        .tokens = m->tokens,
        .pos = s->pos,
        .n = m->n,
        .n_outputs = m->n_outputs,
        .x = s->buf.x,
        .q = s->buf.q,
        .att = s->buf.att,
        .logits = m->logits,
        .mark_ns = s->phase_ns ? qb_now_ns() : 0,
    };
    qb_forward_embed(&f);
    for (int i = 0; i < s->model->hp.n_layer; i++)
        s->model->arch->layer(&f, i);
    qb_forward_head(&f);
}

static enum qb_status check_tokens(const struct qb_session *s, const int32_t *tokens, int64_t n,
                                   struct qb_err *err)
{
    if (n < 1)
        return qb_fail(err, QB_ERR_USAGE, "no tokens to evaluate");
    if (n > s->n_ctx - s->pos)
        return qb_fail(err, QB_ERR_USAGE, "%lld tokens after %lld do not fit in a context of %lld",
                       (long long)n, (long long)s->pos, (long long)s->n_ctx);
    for (int64_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= s->model->hp.n_vocab)
            return qb_fail(err, QB_ERR_USAGE, "token %lld is %d, outside a vocabulary of %d", (long long)i,
                           (int)tokens[i], s->model->hp.n_vocab);
    return QB_OK;
}

/* The tokens [i, i + n) of a batch: how many of them get logits when all from `first` on do, and where they
 * go. */
static void place_logits(struct micro_batch *m, int64_t i, int64_t first, float *out)
{
    int64_t skip = first > i ? first - i : 0;
    m->n_outputs = skip < m->n ? m->n - (int)skip : 0;
    m->logits = m->n_outputs ? out + (size_t)(i + skip - first) * (size_t)m->s->model->hp.n_vocab : NULL;
}

enum qb_status qb_session_eval_last(struct qb_session *s, const int32_t *tokens, int64_t n, int64_t n_outputs,
                                    float *out, struct qb_err *err)
{
    QB_TRY(check_tokens(s, tokens, n, err));
    struct qb_pool *pool = n == 1 ? s->pool_gen : s->pool;
    n_outputs = n_outputs < n ? n_outputs : n;
    for (int64_t i = 0; i < n;) {
        int64_t left = n - i;
        struct micro_batch m = {.s = s, .tokens = tokens + i};
        m.n = (int)(left < s->n_ubatch ? left : s->n_ubatch);
        place_logits(&m, i, n - n_outputs, out);
        qb_pool_run(pool, run_micro_batch, &m);
        s->pos += m.n;
        i += m.n;
    }
    if (n_outputs > 0)
        s->last_logits = out + (size_t)(n_outputs - 1) * (size_t)s->model->hp.n_vocab;
    return QB_OK;
}

enum qb_status qb_session_eval(struct qb_session *s, const int32_t *tokens, int64_t n, enum qb_logits logits,
                               float *out, struct qb_err *err)
{
    int64_t n_outputs = logits == QB_LOGITS_ALL ? n : logits == QB_LOGITS_LAST ? 1 : 0;
    return qb_session_eval_last(s, tokens, n, n_outputs, out ? out : s->buf.logits, err);
}
