/*
 * The steps of a forward pass on the pool. Formulae: Touvron et al., 2023 (llama); Su et al., 2021 (rotary
 * positions); Peng et al., 2023 (yarn); Shazeer, 2020 (gated feed-forward).
 */
#include "engine/forward.h"

#include "base/clock.h"
#include "engine/arch.h"
#include "engine/matmul.h"

#include <math.h>

/* ---- common parts ---- */

/* Time since the last mark goes to the phase; worker 0 speaks for all, since steps end together. */
static void mark(struct qb_forward *f, enum qb_phase phase)
{
    if (!f->s->phase_ns || f->w->index != 0)
        return;
    uint64_t now = qb_now_ns();
    f->s->phase_ns[phase] += now - f->mark_ns;
    f->mark_ns = now;
}

static enum qb_act_kind kind_of(const struct qb_forward *f, const struct qb_matrix *m)
{
    return qb_kernel_set_act(f->set, m->format, f->n);
}

static void init_acts(struct qb_forward *f, const struct qb_matrix *const *to, int n_to, bool *used)
{
    void *const *storage = f->n == 1 ? f->s->buf.worker[f->w->index].act : f->s->buf.act;
    for (int i = 0; i < n_to; i++) {
        enum qb_act_kind k = kind_of(f, to[i]);
        if (!used[k])
            qb_act_init(&f->act[k], k, f->n, to[i]->n_cols, qb_kernel_set_tile_cols(f->set, k, f->n),
                        storage[k]);
        used[k] = true;
    }
}

/*
 * Quantize the rows x (gain == NULL: as they are) for the matrices `to`. Whole tiles go to a worker, so that
 * no two write one cache line; of a single token each worker makes its own copy. Returns the rows as they
 * were quantized.
 */
static const float *quantize(struct qb_forward *f, const float *x, size_t ldx, const float *gain,
                             const struct qb_matrix *const *to, int n_to)
{
    bool used[QB_ACT_KIND_COUNT] = {false};
    init_acts(f, to, n_to, used);
    const struct qb_act *any = &f->act[kind_of(f, to[0])];
    int64_t tile = 0, end = 1;
    float *h = f->s->buf.worker[f->w->index].row;
    if (f->n > 1) {
        h = f->s->buf.h;
        qb_pool_static_range(f->w, any->n_tiles, 1, &tile, &end);
    }
    for (; tile < end; tile++) {
        int width, c0 = qb_act_tile(any, (int)tile, &width);
        const float *from = x;
        size_t ld = ldx;
        if (gain) {
            int n_embd = f->model->hp.n_embd;
            for (int c = c0; c < c0 + width; c++)
                f->set->rms_norm(x + (size_t)c * ldx, gain, f->model->hp.norm_eps, n_embd,
                                 h + (size_t)c * n_embd);
            from = h;
            ld = (size_t)n_embd;
        }
        for (int k = 0; k < QB_ACT_KIND_COUNT; k++)
            if (used[k])
                f->set->act[k](from, ld, c0, c0 + width, &f->act[k]);
    }
    if (f->n > 1)
        qb_pool_barrier(f->w);
    mark(f, QB_PHASE_PREPARE);
    return gain ? h : x;
}

/* The same, and show them to whoever observes. Nothing changes them before the products have ended. */
static void prepare(struct qb_forward *f, const float *x, size_t ldx, const float *gain,
                    const struct qb_matrix *const *to, int n_to)
{
    const float *rows = quantize(f, x, ldx, gain, to, n_to);
    if (!f->s->observe)
        return;
    struct qb_observation o = {
        .to = to, .n_to = n_to, .x = rows, .ldx = gain ? (size_t)f->model->hp.n_embd : ldx, .n = f->n};
    f->s->observe(f->w, &o, f->s->observe_arg);
}

/* Products of one input. Those that need different kinds of activations are separate calls. */
static void multiply(struct qb_forward *f, const struct qb_product *p, int n, enum qb_phase phase)
{
    void *scratch = f->s->buf.worker[f->w->index].matmul;
    for (int k = 0; k < QB_ACT_KIND_COUNT; k++) {
        struct qb_product same[QB_MATMUL_MAX_PRODUCTS];
        int n_same = 0;
        for (int i = 0; i < n; i++)
            if (kind_of(f, p[i].w) == (enum qb_act_kind)k)
                same[n_same++] = p[i];
        if (n_same == 0)
            continue;
        qb_matmul(f->w, f->set, same, n_same, &f->act[k], scratch);
        qb_pool_barrier(f->w);
    }
    mark(f, phase);
}

/* ---- embedding and positions ---- */

/* Pairs below `lo` turn at full speed, above `hi` they are interpolated; in between a mix (yarn). */
static double yarn_share(const struct qb_hparams *hp, int pair)
{
    double orig = hp->rope_orig_ctx > 0 ? hp->rope_orig_ctx : hp->n_ctx_train;
    double per_turn = hp->n_rot / (2 * log((double)hp->rope_base));
    double lo = floor(per_turn * log(orig / (hp->yarn_beta_fast * 2 * M_PI)));
    double hi = ceil(per_turn * log(orig / (hp->yarn_beta_slow * 2 * M_PI)));
    lo = fmax(0, lo);
    hi = fmin(hp->n_rot - 1, hi);
    double ramp = (pair - lo) / fmax(0.001, hi - lo);
    return 1 - fmin(1, fmax(0, ramp));
}

void qb_forward_rope_init(struct qb_session *s)
{
    const struct qb_hparams *hp = &s->model->hp;
    const float *factors = s->model->rope_freqs;
    double scale = hp->rope_freq_scale > 0 ? hp->rope_freq_scale : 1;
    bool yarn = hp->rope_scaling == QB_ROPE_YARN;
    double ext = hp->yarn_ext_factor < 0 ? 1 : hp->yarn_ext_factor;
    for (int i = 0; i < hp->n_rot / 2; i++) {
        double freq = pow(hp->rope_base, -2.0 * i / hp->n_rot) / (factors ? factors[i] : 1);
        double full = yarn ? ext * yarn_share(hp, i) : 0;
        s->buf.rope_freq[i] = freq * (scale * (1 - full) + full);
    }
    double amplitude = hp->rope_attn_factor > 0 ? hp->rope_attn_factor : 1;
    if (yarn && hp->yarn_attn_factor > 0)
        amplitude *= hp->yarn_attn_factor;
    if (yarn && ext != 0)
        amplitude *= 1 + 0.1 * log(1 / scale);
    s->rope_scale = (float)amplitude;
}

static void rope_angles(const struct qb_session *s, int64_t pos, float *cs)
{
    for (int i = 0; i < s->model->hp.n_rot / 2; i++) {
        double angle = (double)pos * s->buf.rope_freq[i];
        cs[2 * i] = (float)(cos(angle) * s->rope_scale);
        cs[2 * i + 1] = (float)(sin(angle) * s->rope_scale);
    }
}

void qb_forward_embed(struct qb_forward *f)
{
    const struct qb_hparams *hp = &f->model->hp;
    int64_t t, end;
    qb_pool_static_range(f->w, f->n, 1, &t, &end);
    for (; t < end; t++) {
        qb_matrix_decode_row(&f->model->token_embd, f->tokens[t], f->x + (size_t)t * (size_t)hp->n_embd);
        rope_angles(f->s, f->pos + t, f->s->buf.rope + (size_t)t * (size_t)hp->n_rot);
    }
    qb_pool_barrier(f->w);
    mark(f, QB_PHASE_EMBED);
}

/* ---- attention ---- */

void qb_forward_norm(struct qb_forward *f, const float *gain, const struct qb_matrix *const *to, int n_to)
{
    prepare(f, f->x, (size_t)f->model->hp.n_embd, gain, to, n_to);
}

void qb_forward_qkv(struct qb_forward *f, const struct qb_layer *l, int layer)
{
    const struct qb_hparams *hp = &f->model->hp;
    const struct qb_buffers *b = &f->s->buf;
    size_t n_q = (size_t)hp->n_head[layer] * (size_t)hp->head_dim_k;
    size_t n_k = (size_t)hp->n_head_kv[layer] * (size_t)hp->head_dim_k;
    size_t n_v = (size_t)hp->n_head_kv[layer] * (size_t)hp->head_dim_v;
    struct qb_product p[] = {
        {&l->wq, l->bq, f->q, n_q, false},
        {&l->wk, l->bk, b->k, n_k, false},
        {&l->wv, l->bv, b->v, n_v, false},
    };
    multiply(f, p, 3, QB_PHASE_QKV);
}

void qb_forward_rope_store(struct qb_forward *f, int layer)
{
    const struct qb_hparams *hp = &f->model->hp;
    struct qb_buffers *b = &f->s->buf;
    struct qb_kv *kv = &b->kv[layer];
    qb_rope_fn *rope = f->model->arch->rope_neox ? f->set->rope_neox : f->set->rope_norm;
    int n_head = hp->n_head[layer], n_kv = hp->n_head_kv[layer];
    int64_t t, end;
    /* blocks of 16 positions share cache lines of K */
    qb_pool_static_range(f->w, f->n, QB_KV_BLOCK, &t, &end);
    for (; t < end; t++) {
        const float *cs = b->rope + (size_t)t * (size_t)hp->n_rot;
        float *k = b->k + (size_t)t * (size_t)n_kv * (size_t)hp->head_dim_k;
        rope(f->q + (size_t)t * (size_t)n_head * (size_t)hp->head_dim_k, cs, n_head, hp->head_dim_k,
             hp->n_rot);
        rope(k, cs, n_kv, hp->head_dim_k, hp->n_rot);
        f->set->k_store[kv->type_k](kv, f->pos + t, k);
        f->set->v_store[kv->type_v](kv, f->pos + t, b->v + (size_t)t * (size_t)n_kv * (size_t)hp->head_dim_v);
    }
    qb_pool_barrier(f->w);
    mark(f, QB_PHASE_ROPE);
}

bool qb_forward_outputs(struct qb_forward *f, int layer)
{
    const struct qb_hparams *hp = &f->model->hp;
    if (layer + 1 < hp->n_layer || f->s->observe)
        return true;
    size_t skip = (size_t)(f->n - f->n_outputs);
    f->x += skip * (size_t)hp->n_embd;
    f->q += skip * (size_t)hp->n_head[layer] * (size_t)hp->head_dim_k;
    f->pos += (int64_t)skip;
    f->n = f->n_outputs;
    return f->n > 0;
}

/* From this many columns on, turning keys and values to integers pays, or to planes. */
#define I16_MIN_COLS    19
#define PLANES_MIN_COLS 16

struct attn_choice {
    qb_attention_fn *fn;
    int max_cols;
};

/* Narrow numbers only where the products around them are less exact than f32, too. */
static struct attn_choice attention_kernel(const struct qb_forward *f, const struct qb_kv *kv, int layer,
                                           int n_cols)
{
    qb_attention_fn *i16 = f->set->attention_i16[kv->type_k][kv->type_v];
    qb_attention_fn *planes = f->set->attention_planes[kv->type_k][kv->type_v];
    bool narrow = kind_of(f, &f->model->layers[layer].wo) != QB_ACT_F32;
    if (narrow && planes && n_cols >= PLANES_MIN_COLS)
        return (struct attn_choice){planes, QB_ATTN_MAX_COLS};
    if (narrow && i16 && n_cols >= I16_MIN_COLS)
        return (struct attn_choice){i16, QB_ATTN_COLS};
    return (struct attn_choice){f->set->attention[kv->type_k][kv->type_v], QB_ATTN_COLS};
}

/* How the attention of a layer is cut: KV heads x blocks of queries x parts of the keys. */
struct attn_plan {
    qb_attention_fn *fn;
    int n_kv, group, block, n_blocks, n_parts;
    int64_t part_keys;
};

static double balance(int64_t tasks, int n_workers)
{
    int64_t rounds = (tasks + n_workers - 1) / n_workers;
    return (double)tasks / (double)(rounds * n_workers);
}

/* Parts of the keys: only where heads and queries alone leave workers idle, and each part is worth a task. */
static int key_parts(int tasks, int n_workers, int64_t n_keys, int n_slots)
{
    int best = 1;
    double best_balance = balance(tasks, n_workers);
    for (int parts = 2; tasks * parts <= n_slots && n_keys / parts >= 2 * QB_ATTN_KEYS; parts++) {
        double b = balance((int64_t)tasks * parts, n_workers);
        if (b > best_balance + 0.05) {
            best = parts;
            best_balance = b;
        }
    }
    return best;
}

/* Queries of a task: as many as a call takes, but more than QB_ATTN_COLS columns only if no worker idles. */
static int block_of_queries(int n, int group, int n_kv, int n_workers, int max_cols)
{
    int fair = (int)((int64_t)n * n_kv / n_workers), least = QB_ATTN_COLS / group, block = max_cols / group;
    block = block > fair ? fair : block;
    block = block < least ? least : block;
    return block > n ? n : block;
}

static struct attn_plan plan_attention(const struct qb_forward *f, int layer)
{
    const struct qb_hparams *hp = &f->model->hp;
    struct attn_plan p = {.n_kv = hp->n_head_kv[layer], .group = hp->n_head[layer] / hp->n_head_kv[layer]};
    struct attn_choice c = attention_kernel(f, &f->s->buf.kv[layer], layer, f->n * p.group);
    p.fn = c.fn;
    /* what is observed does not depend on the number of workers to the last bit */
    int n_workers = f->s->observe ? 1 : f->w->n;
    p.block = block_of_queries(f->n, p.group, p.n_kv, n_workers, c.max_cols);
    p.n_blocks = (f->n + p.block - 1) / p.block;
    int64_t n_keys = f->pos + f->n;
    p.n_parts = key_parts(p.n_kv * p.n_blocks, n_workers, n_keys, f->s->n_part_slots);
    p.part_keys = (n_keys + p.n_parts - 1) / p.n_parts;
    p.part_keys = (p.part_keys + QB_ATTN_KEYS - 1) / QB_ATTN_KEYS * QB_ATTN_KEYS;
    return p;
}

/* Head and queries of a task, and where its result goes. Long blocks (late queries) come first. */
struct attn_task {
    int head, first, n_q, index;
    float *out, *parts, *ml;
    size_t ldo, part_stride;
};

static struct attn_task attn_task(const struct qb_forward *f, const struct attn_plan *p, int index)
{
    const struct qb_buffers *b = &f->s->buf;
    size_t dim = (size_t)f->model->hp.head_dim_v, slot = QB_ATTN_MAX_COLS * dim;
    struct attn_task t = {.head = index % p->n_kv, .index = index};
    t.first = (p->n_blocks - 1 - index / p->n_kv) * p->block;
    t.n_q = f->n - t.first < p->block ? f->n - t.first : p->block;
    t.ldo = (size_t)(p->n_kv * p->group) * dim;
    t.out = f->att + (size_t)t.first * t.ldo + (size_t)(t.head * p->group) * dim;
    t.part_stride = slot;
    t.parts = b->parts + (size_t)index * (size_t)p->n_parts * slot;
    t.ml = b->parts_ml + (size_t)index * (size_t)p->n_parts * 2 * QB_ATTN_MAX_COLS;
    return t;
}

static void attend(struct qb_forward *f, const struct qb_attn *a, const struct attn_plan *p, int item)
{
    const struct qb_hparams *hp = &f->model->hp;
    struct attn_task t = attn_task(f, p, item / p->n_parts);
    int part = item % p->n_parts;
    size_t ldq = (size_t)(p->n_kv * p->group) * (size_t)hp->head_dim_k;
    const float *q = f->q + (size_t)t.first * ldq + (size_t)(t.head * p->group) * (size_t)hp->head_dim_k;
    int64_t pos = f->pos + t.first, p0 = part * p->part_keys, p1 = p0 + p->part_keys;
    p1 = p1 < pos + t.n_q ? p1 : pos + t.n_q;
    p0 = p0 < p1 ? p0 : p1;
    void *scratch = f->s->buf.worker[f->w->index].attention;
    if (p->n_parts == 1)
        p->fn(a, t.head, q, ldq, t.n_q, pos, p0, p1, t.out, t.ldo, NULL, scratch);
    else
        p->fn(a, t.head, q, ldq, t.n_q, pos, p0, p1, t.parts + (size_t)part * t.part_stride,
              (size_t)p->group * (size_t)hp->head_dim_v, t.ml + (size_t)part * 2 * (size_t)(t.n_q * p->group),
              scratch);
}

static void combine(struct qb_forward *f, const struct attn_plan *p, int n_tasks)
{
    int64_t i, end;
    qb_pool_static_range(f->w, n_tasks, 1, &i, &end);
    for (; i < end; i++) {
        struct attn_task t = attn_task(f, p, (int)i);
        qb_attn_combine(p->n_parts, t.n_q * p->group, p->group, f->model->hp.head_dim_v, t.parts,
                        t.part_stride, t.ml, t.out, t.ldo);
    }
    qb_pool_barrier(f->w);
}

void qb_forward_attention(struct qb_forward *f, int layer)
{
    const struct qb_hparams *hp = &f->model->hp;
    struct attn_plan p = plan_attention(f, layer);
    float scale = hp->attn_scale > 0 ? hp->attn_scale : (float)(1 / sqrt(hp->head_dim_k));
    struct qb_attn a = {.kv = &f->s->buf.kv[layer], .group = p.group, .scale = scale};
    int n_tasks = p.n_kv * p.n_blocks;
    int64_t item, end;
    while (qb_pool_loop_next(f->w, (int64_t)n_tasks * p.n_parts, 1, &item, &end))
        attend(f, &a, &p, (int)item);
    qb_pool_barrier(f->w);
    if (p.n_parts > 1)
        combine(f, &p, n_tasks);
    mark(f, QB_PHASE_ATTENTION);
}

void qb_forward_attn_output(struct qb_forward *f, const struct qb_layer *l)
{
    const struct qb_matrix *to = &l->wo;
    prepare(f, f->att, (size_t)to->n_cols, NULL, &to, 1);
    struct qb_product p = {to, l->bo, f->x, (size_t)f->model->hp.n_embd, true};
    multiply(f, &p, 1, QB_PHASE_ATTN_OUTPUT);
}

/* ---- feed-forward and head ---- */

/* Gate and up of different kinds of activations: two products, then the activation function. */
static void gate_up_apart(struct qb_forward *f, const struct qb_layer *l, size_t n_ff)
{
    struct qb_buffers *b = &f->s->buf;
    struct qb_product p[] = {{&l->gate, NULL, b->ff, n_ff, false}, {&l->up, NULL, b->ff_up, n_ff, false}};
    multiply(f, p, 2, QB_PHASE_GATE_UP);
    int64_t t, end;
    qb_pool_static_range(f->w, f->n, 1, &t, &end);
    for (; t < end; t++) {
        float *row = b->ff + (size_t)t * n_ff;
        f->set->silu_mul(row, b->ff_up + (size_t)t * n_ff, (int)n_ff, row);
    }
    qb_pool_barrier(f->w);
    mark(f, QB_PHASE_GATE_UP);
}

void qb_forward_ffn(struct qb_forward *f, const struct qb_layer *l, int layer)
{
    struct qb_buffers *b = &f->s->buf;
    size_t n_ff = (size_t)f->model->hp.n_ff[layer];
    const struct qb_matrix *to[] = {&l->gate, &l->up};
    enum qb_act_kind kind = kind_of(f, &l->gate);
    qb_forward_norm(f, l->ffn_norm, to, 2);
    if (kind == kind_of(f, &l->up)) {
        qb_matmul_gate_up(f->w, f->set, &l->gate, &l->up, &f->act[kind], b->ff, n_ff,
                          b->worker[f->w->index].matmul);
        qb_pool_barrier(f->w);
        mark(f, QB_PHASE_GATE_UP);
    } else {
        gate_up_apart(f, l, n_ff);
    }
    const struct qb_matrix *down = &l->down;
    prepare(f, b->ff, n_ff, NULL, &down, 1);
    struct qb_product p = {down, NULL, f->x, (size_t)f->model->hp.n_embd, true};
    multiply(f, &p, 1, QB_PHASE_DOWN);
}

void qb_forward_head(struct qb_forward *f)
{
    const struct qb_matrix *to = &f->model->output;
    size_t n_embd = (size_t)f->model->hp.n_embd;
    if (f->s->observe) { /* all tokens are shown; on with those that get logits */
        qb_forward_norm(f, f->model->output_norm, &to, 1);
        qb_pool_barrier(f->w);
        f->x += (size_t)(f->n - f->n_outputs) * n_embd;
        f->n = f->n_outputs;
    }
    if (f->n_outputs == 0)
        return;
    quantize(f, f->x, n_embd, f->model->output_norm, &to, 1);
    struct qb_product p = {to, NULL, f->logits, (size_t)f->model->hp.n_vocab, false};
    multiply(f, &p, 1, QB_PHASE_HEAD);
}
