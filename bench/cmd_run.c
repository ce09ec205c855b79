/*
 * qbench run: generate text. On stdout there is the generated text and nothing else.
 */
#include "base/clock.h"
#include "base/log.h"
#include "bench/commands.h"
#include "bench/machine.h"
#include "bench/prompt.h"
#include "bench/sample.h"
#include "engine/session.h"
#include <stddef.h>

struct target {
    struct qb_prompt_options prompt;
    struct qb_sample_options sample;
    int64_t n_gen, threads, n_ctx, seed, n_batch, n_ubatch;
    bool ignore_eos, special, smt, quiet;
    int path, isa, layout, type_k, type_v;
    const char *cpu_mask;
};

static const char *const path_choices[] = {"kernels", "reference", NULL};
static const char *const kv_choices[] = {"f16", "q8_0", "f32", NULL};

#define AT(member) offsetof(struct target, member)

static const struct qb_option options[] = {
    {"model", "m", QB_OPT_STRING, AT(prompt.model), "FILE", "GGUF file, any part of a split set.", NULL, 0, 0,
     NULL},
    {"prompt", "p", QB_OPT_STRING, AT(prompt.text), "TEXT", "The text to go on from.", NULL, 0, 0, NULL},
    {"file", "f", QB_OPT_STRING, AT(prompt.file), "FILE", "Read that text from a file.", NULL, 0, 0, NULL},
    {"parse-special", NULL, QB_OPT_FLAG, AT(prompt.parse_special), NULL,
     "The text of a special token in the prompt becomes that token.", "yes", 0, 0, NULL},
    {"add-special", NULL, QB_OPT_FLAG, AT(prompt.add_special), NULL,
     "Begin with the token of beginning where the model asks for it.", "yes", 0, 0, NULL},
    {"n-gen", "n", QB_OPT_INT, AT(n_gen), "N", "Most tokens to generate.", "128", 0, 1000000, NULL},
    {"ignore-eos", NULL, QB_OPT_FLAG, AT(ignore_eos), NULL, "Go on when the model ends the text.", NULL, 0, 0,
     NULL},
    {"special", NULL, QB_OPT_FLAG, AT(special), NULL, "Print the text of special tokens too.", NULL, 0, 0,
     NULL},
    {NULL, NULL, QB_OPT_HEADING, 0, NULL, "sampling", NULL, 0, 0, NULL},
    {"temp", NULL, QB_OPT_DOUBLE, AT(sample.temp), "T", "Temperature; 0 = always the most probable token.",
     "0", 0, 100, NULL},
    {"top-k", NULL, QB_OPT_INT, AT(sample.top_k), "K", "Draw from the K most probable tokens; 0 = all.", "40",
     0, 10000000, NULL},
    {"top-p", NULL, QB_OPT_DOUBLE, AT(sample.top_p), "P",
     "Draw from the most probable tokens whose probabilities sum to P; 1 = all.", "0.95", 0, 1, NULL},
    {"seed", NULL, QB_OPT_INT, AT(seed), "N", "Seed of the draws.", "42", 0, 9e15, NULL},
    {NULL, NULL, QB_OPT_HEADING, 0, NULL, "engine", NULL, 0, 0, NULL},
    {"path", NULL, QB_OPT_CHOICE, AT(path), "PATH",
     "kernels: as in a benchmark; reference: weights decoded to f32, f32 throughout.", "kernels", 0, 0,
     path_choices},
    {"isa", NULL, QB_OPT_CHOICE, AT(isa), "ISA", "Highest instruction set level.", "auto", 0, 0,
     qb_isa_choices},
    {"layout", NULL, QB_OPT_CHOICE, AT(layout), "LAYOUT", "Layout of the weights in memory.", "plain", 0, 0,
     qb_layout_names},
    {"cache-type-k", "ctk", QB_OPT_CHOICE, AT(type_k), "TYPE", "Format of the K cache.", "f16", 0, 0,
     kv_choices},
    {"cache-type-v", "ctv", QB_OPT_CHOICE, AT(type_v), "TYPE", "Format of the V cache.", "f16", 0, 0,
     kv_choices},
    {"ctx-size", "c", QB_OPT_INT, AT(n_ctx), "N", "Positions of the context; 0 = as many as are needed.", "0",
     0, 1 << 30, NULL},
    {"batch-size", "b", QB_OPT_INT, AT(n_batch), "N", "Most tokens in one evaluation.", "2048", 1, 1000000,
     NULL},
    {"ubatch-size", "ub", QB_OPT_INT, AT(n_ubatch), "N", "Most tokens multiplied at once.", "512", 1, 65536,
     NULL},
    {"threads", "t", QB_OPT_INT, AT(threads), "N",
     "Threads; 0 = one a physical core within affinity and CPU quota.", "0", 0, 4096, NULL},
    {"cpu-mask", "C", QB_OPT_STRING, AT(cpu_mask), "MASK", "CPUs to use, hexadecimal or a list as 0-3,8.",
     NULL, 0, 0, NULL},
    {"smt", NULL, QB_OPT_FLAG, AT(smt), NULL, "Use all hardware threads of a core.", NULL, 0, 0, NULL},
    {"quiet", "q", QB_OPT_FLAG, AT(quiet), NULL, "Print no notes, only errors.", NULL, 0, 0, NULL},
};

/* What a run holds. */
struct runner {
    const struct target *t;
    struct qb_prompt prompt;
    struct qb_pool *pool;
    struct qb_kernel_set set;
    struct qb_model *model;
    struct qb_session *session;
    struct qb_sampler sampler;
    FILE *out;
};

static enum qb_status make_pool(struct runner *r, struct qb_err *err)
{
    struct qb_topology *topology;
    struct qb_placement placement = {0};
    struct qb_placement_options o = {
        .cpu_mask = r->t->cpu_mask, .smt = r->t->smt, .quota = qb_cgroup_cpu_quota("/")};
    QB_TRY(qb_topology_create(&topology, NULL, err));
    enum qb_status st = qb_pool_for(&r->pool, &placement, topology, o, (int)r->t->threads, err);
    qb_placement_release(&placement);
    qb_topology_free(topology);
    return st;
}

static enum qb_status open_model(struct runner *r, struct qb_err *err)
{
    enum qb_isa isa;
    enum qb_layout_id layout;
    if (!qb_isa_parse(qb_isa_choices[r->t->isa], &isa) ||
        !qb_layout_parse(qb_layout_names[r->t->layout], &layout))
        QB_BUG("a choice of 'run' is unknown");
    bool reference = r->t->path == 1;
    QB_TRY(reference ? qb_kernel_set_select_reference(&r->set, isa, err)
                     : qb_kernel_set_select(&r->set, isa, err));
    struct qb_model_options o = {.layout = layout, .set = &r->set, .pool = r->pool};
    return qb_model_open(&r->model, r->t->prompt.model, &o, err);
}

static enum qb_status open_session(struct runner *r, struct qb_err *err)
{
    const struct target *t = r->t;
    int64_t needed = (int64_t)r->prompt.tokens.n + t->n_gen;
    struct qb_session_options o = {.set = &r->set,
                                   .pool = r->pool,
                                   .n_ctx = t->n_ctx ? t->n_ctx : needed,
                                   .n_batch = (int)t->n_batch,
                                   .n_ubatch = (int)t->n_ubatch};
    if (!qb_kv_type_parse(kv_choices[t->type_k], &o.type_k) ||
        !qb_kv_type_parse(kv_choices[t->type_v], &o.type_v))
        QB_BUG("a choice of 'run' is unknown");
    if (t->n_ctx && needed > t->n_ctx)
        return qb_fail(
            err, QB_ERR_USAGE,
            "option '--ctx-size': %lld positions do not hold %zu tokens of prompt and %lld to generate",
            (long long)t->n_ctx, r->prompt.tokens.n, (long long)t->n_gen);
    if (needed > r->model->hp.n_ctx_train)
        qb_warn("%lld tokens are more than the %d that the model was trained for", (long long)needed,
                r->model->hp.n_ctx_train);
    return qb_session_create(&r->session, r->model, &o, err);
}

static enum qb_status write_text(struct runner *r, struct qb_buf *text, struct qb_err *err)
{
    QB_TRY(qb_buf_status(text, "the text", err));
    fwrite(text->data, 1, text->len, r->out);
    fflush(r->out);
    qb_buf_clear(text);
    return ferror(r->out) ? qb_fail(err, QB_ERR_IO, "cannot write the text") : QB_OK;
}

/* One token after the other. Stops at the end of the text, too. */
static enum qb_status generate(struct runner *r, int64_t *n, struct qb_buf *text, struct qb_err *err)
{
    const struct target *t = r->t;
    struct qb_token_stream stream;
    qb_token_stream_init(&stream, r->prompt.tokenizer, t->special, false);
    for (*n = 0; *n < t->n_gen; ++*n) {
        if (qb_interrupted())
            return qb_fail(err, QB_ERR_INTERRUPTED, "interrupted");
        int32_t id = qb_sampler_next(&r->sampler, qb_session_logits(r->session));
        if (!t->ignore_eos && qb_tokenizer_is_end(r->prompt.tokenizer, id))
            break;
        qb_token_stream_push(&stream, id, text);
        QB_TRY(write_text(r, text, err));
        if (*n + 1 < t->n_gen)
            QB_TRY(qb_session_eval(r->session, &id, 1, QB_LOGITS_LAST, NULL, err));
    }
    qb_token_stream_end(&stream, text);
    return write_text(r, text, err);
}

static double rate(int64_t n, uint64_t ns)
{
    return ns ? 1e9 * (double)n / (double)ns : 0;
}

static enum qb_status generate_timed(struct runner *r, struct qb_err *err)
{
    const struct qb_token_list *prompt = &r->prompt.tokens;
    struct qb_buf text;
    int64_t n = 0;
    uint64_t start = qb_now_ns();
    QB_TRY(qb_session_eval(r->session, prompt->ids, (int64_t)prompt->n, QB_LOGITS_LAST, NULL, err));
    uint64_t middle = qb_now_ns();
    qb_buf_init(&text, 0);
    enum qb_status st = generate(r, &n, &text, err);
    qb_buf_release(&text);
    if (!st)
        qb_info("%zu tokens of prompt at %.1f t/s, %lld generated at %.1f t/s", prompt->n,
                rate((int64_t)prompt->n, middle - start), (long long)n, rate(n, qb_now_ns() - middle));
    return st;
}

static enum qb_status run_all(struct runner *r, struct qb_err *err)
{
    struct qb_sample_options sample = r->t->sample;
    sample.seed = (uint64_t)r->t->seed;
    QB_TRY(qb_prompt_init(&r->prompt, &r->t->prompt, err));
    if (r->prompt.tokens.n == 0)
        return qb_fail(err, QB_ERR_USAGE, "the prompt is empty, and the model has no token of beginning");
    QB_TRY(make_pool(r, err));
    QB_TRY(open_model(r, err));
    QB_TRY(open_session(r, err));
    QB_TRY(qb_sampler_init(&r->sampler, &sample, r->model->hp.n_vocab, err));
    return generate_timed(r, err);
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    (void)operands;
    struct runner r = {.t = target, .out = out};
    if (r.t->quiet)
        qb_log_set_level(QB_LOG_QUIET);
    enum qb_status st = run_all(&r, err);
    qb_sampler_release(&r.sampler);
    qb_session_free(r.session);
    qb_model_close(r.model);
    qb_pool_free(r.pool);
    qb_prompt_release(&r.prompt);
    return st;
}

const struct qb_command qb_cmd_run = {
    .name = "run",
    .summary = "generate text with a model",
    .operands = "",
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct target),
    .run = run,
};
