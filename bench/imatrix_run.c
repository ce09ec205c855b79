/*
 * qbench imatrix: the run. Every chunk is evaluated from an empty cache with the token of beginning in front,
 * as llama-imatrix does; perplexity is taken over the second half of each chunk.
 */
#include "bench/imatrix_run.h"
#include "base/clock.h"
#include "base/log.h"
#include "bench/commands.h"
#include "bench/machine.h"
#include "bench/progress.h"
#include "bench/prompt.h"
#include "datasets/texts_data.h"
#include "engine/imatrix_collect.h"
#include "engine/score.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define BUILT_IN_NAME "qbench calibration text"

/* What a run holds. */
struct runner {
    const struct qb_imatrix_options *o;
    struct qb_prompt prompt;
    int32_t *tokens; /* from the first chunk on; in prompt.tokens */
    int64_t n_chunks;
    int n_ctx;
    struct qb_pool *pool;
    struct qb_kernel_set set;
    struct qb_model *model;
    struct qb_session *session;
    struct qb_collector *collector;
    float *logits;           /* of the second half of a chunk */
    struct qb_score *scores; /* likewise */
    struct qb_imatrix *collected;
    struct qb_imatrix_state state;
    struct qb_imatrix_settings settings;
    char *checkpoint; /* its path; NULL: the output is no file that could be continued */
    struct qb_progress bar;
    uint64_t start_ns;
    int64_t first_here; /* the first chunk of this run, after those of the checkpoint */
};

/* ---- getting ready ---- */

static enum qb_status read_text(struct runner *r, struct qb_err *err)
{
    const struct qb_imatrix_options *o = r->o;
    bool built_in = !o->file && !o->text && !o->ids_file;
    struct qb_prompt_options p = {.model = o->model,
                                  .text = built_in ? qb_calibration_text : o->text,
                                  .file = o->file,
                                  .ids_file = o->ids_file,
                                  .add_special = true,
                                  .parse_special = o->parse_special};
    QB_TRY(qb_prompt_init(&r->prompt, &p, err));
    struct qb_token_list *t = &r->prompt.tokens;
    const struct qb_special_ids *special = qb_tokenizer_special(r->prompt.tokenizer);
    if (t->n && qb_tokenizer_add_eos(r->prompt.tokenizer) && t->ids[t->n - 1] == special->eos)
        t->n--;
    return QB_OK;
}

static enum qb_status count_chunks(struct runner *r, struct qb_err *err)
{
    const struct qb_imatrix_options *o = r->o;
    int64_t n = (int64_t)r->prompt.tokens.n;
    r->n_ctx = (int)(o->n_ctx ? o->n_ctx : r->model->hp.n_ctx_train);
    if (r->n_ctx > r->model->hp.n_ctx_train)
        qb_warn("chunks of %d tokens are longer than the %d that the model was trained for", r->n_ctx,
                r->model->hp.n_ctx_train);
    r->n_chunks = n / r->n_ctx - o->from_chunk;
    if (r->n_chunks < 1)
        return qb_fail(err, QB_ERR_USAGE,
                       "the text has %" PRId64 " tokens, too few for chunk %" PRId64 " of %d tokens", n,
                       o->from_chunk + 1, r->n_ctx);
    r->tokens = r->prompt.tokens.ids + o->from_chunk * r->n_ctx;
    if (o->chunks >= 0 && o->chunks < r->n_chunks)
        r->n_chunks = o->chunks;
    return r->n_chunks > 0 ? QB_OK : qb_fail(err, QB_ERR_USAGE, "option '--chunks': no chunk to evaluate");
}

static enum qb_status open_engine(struct runner *r, struct qb_err *err)
{
    const struct qb_imatrix_options *o = r->o;
    struct qb_topology *topology;
    struct qb_placement placement = {0};
    struct qb_placement_options p = {
        .cpu_mask = o->cpu_mask, .smt = o->smt, .quota = qb_cgroup_cpu_quota("/")};
    enum qb_isa isa;
    if (!qb_isa_parse(o->isa, &isa))
        return qb_fail(err, QB_ERR_USAGE, "option '--isa': unknown instruction set '%s'", o->isa);
    QB_TRY(qb_topology_create(&topology, NULL, err));
    enum qb_status st = qb_pool_for(&r->pool, &placement, topology, p, (int)o->threads, err);
    qb_placement_release(&placement);
    qb_topology_free(topology);
    QB_TRY(st);
    QB_TRY(o->path == 1 ? qb_kernel_set_select_reference(&r->set, isa, err)
                        : qb_kernel_set_select(&r->set, isa, err));
    struct qb_model_options m = {.layout = (enum qb_layout_id)o->layout, .set = &r->set, .pool = r->pool};
    return qb_model_open(&r->model, o->model, &m, err);
}

static enum qb_status open_session(struct runner *r, struct qb_err *err)
{
    const struct qb_imatrix_options *o = r->o;
    struct qb_session_options s = {.set = &r->set,
                                   .pool = r->pool,
                                   .n_ctx = r->n_ctx,
                                   .n_batch = (int)o->n_batch,
                                   .n_ubatch = (int)o->n_ubatch,
                                   .type_k = (enum qb_kv_type)o->type_k,
                                   .type_v = (enum qb_kv_type)o->type_v};
    QB_TRY(qb_session_create(&r->session, r->model, &s, err));
    QB_TRY(qb_collector_create(&r->collector, r->model, o->process_output, err));
    qb_session_observe(r->session, qb_collector_observe, r->collector);
    if (!o->ppl)
        return QB_OK;
    size_t n = (size_t)(r->n_ctx - r->n_ctx / 2);
    QB_TRY(qb_calloc((void **)&r->scores, n, sizeof *r->scores, "scores", err));
    return qb_calloc((void **)&r->logits, n, (size_t)r->model->hp.n_vocab * sizeof(float), "logits", err);
}

/* ---- checkpoints ---- */

static void list_settings(struct runner *r)
{
    const struct qb_imatrix_options *o = r->o;
    struct qb_imatrix_settings *s = &r->settings;
    size_t n = r->prompt.tokens.n - (size_t)(r->tokens - r->prompt.tokens.ids);
    qb_imatrix_setting(s, "model", "%016" PRIx64, r->model->hash);
    qb_imatrix_setting(s, "text", "%016llx",
                       (unsigned long long)XXH3_64bits(r->tokens, n * sizeof *r->tokens));
    qb_imatrix_setting(s, "--ctx-size", "%d", r->n_ctx);
    qb_imatrix_setting(s, "--ubatch-size", "%" PRId64, o->n_ubatch);
    qb_imatrix_setting(s, "--process-output", "%d", o->process_output);
    qb_imatrix_setting(s, "--ppl", "%d", o->ppl);
    qb_imatrix_setting(s, "--path", "%d", o->path);
    qb_imatrix_setting(s, "--isa", "%s", qb_isa_name(r->set.isa));
    qb_imatrix_setting(s, "--cache-type-k", "%s", qb_kv_type_name((enum qb_kv_type)o->type_k));
    qb_imatrix_setting(s, "--cache-type-v", "%s", qb_kv_type_name((enum qb_kv_type)o->type_v));
}

static bool is_other_than_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static enum qb_status join(char **out, const char *a, const char *b, struct qb_err *err)
{
    size_t n = strlen(a) + strlen(b) + 1;
    QB_TRY(qb_calloc((void **)out, n, 1, "a path", err));
    snprintf(*out, n, "%s%s", a, b);
    return QB_OK;
}

/* Go on from the checkpoint if there is one and it is wanted; otherwise start with nothing. */
static enum qb_status start(struct runner *r, struct qb_err *err)
{
    const struct qb_imatrix_options *o = r->o;
    if (!is_other_than_file(o->output))
        QB_TRY(join(&r->checkpoint, o->output, ".checkpoint", err));
    bool found = r->checkpoint && access(r->checkpoint, F_OK) == 0;
    if (o->resume && found) {
        QB_TRY(qb_imatrix_resume(&r->collected, r->checkpoint, &r->settings, &r->state, err));
        qb_info("going on after chunk %u of '%s'", r->state.done, r->checkpoint);
        if (r->state.done > r->n_chunks)
            return qb_fail(err, QB_ERR_USAGE,
                           "cannot resume: '%s' has %u chunks, more than the %" PRId64 " wanted",
                           r->checkpoint, r->state.done, r->n_chunks);
    } else {
        if (o->resume)
            qb_info("no checkpoint of '%s': starting at the first chunk", o->output);
        else if (found)
            qb_warn("'%s' is of an earlier run ('--resume' would go on from it): starting anew",
                    r->checkpoint);
        QB_TRY(qb_imatrix_create(&r->collected, (uint32_t)r->n_ctx, err));
        const char *name = o->file ? o->file : o->ids_file ? o->ids_file : o->text ? "" : BUILT_IN_NAME;
        QB_TRY(qb_imatrix_add_dataset(r->collected, name, err));
    }
    r->first_here = r->state.done;
    return QB_OK;
}

/* Fail before the work, not after it. */
static enum qb_status check_output(const char *path, struct qb_err *err)
{
    struct qb_atomic a;
    if (is_other_than_file(path))
        return QB_OK;
    QB_TRY(qb_atomic_open(&a, path, err));
    qb_atomic_abort(&a);
    return QB_OK;
}

/* ---- writing ---- */

enum qb_status qb_imatrix_add_files(struct qb_imatrix *im, const struct qb_str_list *files,
                                    uint32_t chunk_size, struct qb_err *err)
{
    for (size_t i = 0; i < files->n; i++) {
        struct qb_imatrix *more;
        QB_TRY(qb_imatrix_open(&more, files->items[i], err));
        qb_imatrix_set_chunk_size(more, chunk_size);
        enum qb_status st = qb_imatrix_merge(im, more, err);
        qb_imatrix_close(more);
        QB_TRY(st);
    }
    return QB_OK;
}

/* What was collected so far on top of the in-files. Pair: qb_imatrix_close. */
static enum qb_status result(const struct runner *r, struct qb_imatrix **out, struct qb_err *err)
{
    QB_TRY(qb_imatrix_create(out, (uint32_t)r->n_ctx, err));
    enum qb_status st = qb_imatrix_add_files(*out, &r->o->in_files, (uint32_t)r->n_ctx, err);
    if (!st)
        st = qb_imatrix_merge(*out, r->collected, err);
    if (st)
        qb_imatrix_close(*out);
    return st;
}

static enum qb_status write_result(const struct runner *r, const char *path, struct qb_err *err)
{
    struct qb_imatrix *im;
    QB_TRY(result(r, &im, err));
    enum qb_status st = qb_imatrix_write(im, path, r->o->output_form, NULL, 0, err);
    qb_imatrix_close(im);
    return st;
}

/* The output as it is now, and how to go on from it. */
static enum qb_status save(const struct runner *r, struct qb_err *err)
{
    QB_TRY(write_result(r, r->o->output, err));
    if (!r->checkpoint)
        return QB_OK;
    return qb_imatrix_checkpoint(r->collected, r->checkpoint, &r->settings, &r->state, err);
}

static enum qb_status save_copy(const struct runner *r, struct qb_err *err)
{
    char suffix[32], *path;
    snprintf(suffix, sizeof suffix, ".at_%u", r->state.done);
    QB_TRY(join(&path, r->o->output, suffix, err));
    enum qb_status st = write_result(r, path, err);
    free(path);
    return st;
}

/* ---- chunks ---- */

static void score(struct runner *r, const int32_t *chunk)
{
    int first = r->n_ctx / 2, n = r->n_ctx - 1 - first;
    if (n < 1)
        return;
    struct qb_score_job job = {.logits = r->logits,
                               .next = chunk + first + 1,
                               .out = r->scores,
                               .n = n,
                               .n_vocab = r->model->hp.n_vocab};
    qb_score_run(r->pool, &job);
    for (int i = 0; i < n; i++) {
        r->state.nll += r->scores[i].nll;
        r->state.nll2 += r->scores[i].nll * r->scores[i].nll;
    }
    r->state.n_scored += (uint64_t)n;
}

/* Perplexity so far and its standard error, as llama-imatrix counts them. */
static double perplexity(const struct qb_imatrix_state *s, double *err)
{
    double n = (double)s->n_scored, mean = s->nll / n, variance = s->nll2 / n - mean * mean;
    *err = n > 1 && variance > 0 ? exp(mean) * sqrt(variance / (n - 1)) : NAN;
    return n > 0 ? exp(mean) : NAN;
}

static enum qb_status evaluate(struct runner *r, struct qb_err *err)
{
    int32_t *chunk = r->tokens + (int64_t)r->state.done * r->n_ctx, first = chunk[0];
    int64_t n_outputs = r->o->ppl ? r->n_ctx - r->n_ctx / 2 : 0;
    const struct qb_special_ids *special = qb_tokenizer_special(r->prompt.tokenizer);
    if (qb_tokenizer_add_bos(r->prompt.tokenizer) && special->bos >= 0)
        chunk[0] = special->bos;
    qb_session_clear(r->session);
    enum qb_status st = qb_session_eval_last(r->session, chunk, r->n_ctx, n_outputs, r->logits, err);
    chunk[0] = first;
    QB_TRY(st);
    QB_TRY(qb_collector_end_chunk(r->collector, r->collected, err));
    if (r->o->ppl)
        score(r, chunk);
    r->state.done++;
    return QB_OK;
}

static void show(struct runner *r)
{
    char text[96];
    double err, here = (double)(r->state.done - r->first_here), ppl = perplexity(&r->state, &err);
    int n = snprintf(text, sizeof text, "chunk %u of %" PRId64, r->state.done, r->n_chunks);
    if (r->o->ppl)
        snprintf(text + n, sizeof text - (size_t)n, ", perplexity %.4f", ppl);
    r->bar.done = (double)(qb_now_ns() - r->start_ns);
    r->bar.total = r->bar.done / here * (double)(r->n_chunks - r->first_here);
    qb_progress_step(&r->bar, 0, text);
}

static enum qb_status stop(struct runner *r, struct qb_err *err)
{
    qb_progress_end(&r->bar);
    if (r->state.done == 0)
        return qb_fail(err, QB_ERR_INTERRUPTED, "interrupted");
    QB_TRY(save(r, err));
    return qb_fail(err, QB_ERR_INTERRUPTED, "interrupted after chunk %u of %" PRId64 "%s", r->state.done,
                   r->n_chunks, r->checkpoint ? ": '--resume' goes on from there" : "");
}

static bool is_due(const struct runner *r, int64_t frequency)
{
    return frequency > 0 && r->state.done % frequency == 0;
}

static enum qb_status all_chunks(struct runner *r, struct qb_err *err)
{
    while (r->state.done < r->n_chunks) {
        if (qb_interrupted())
            return stop(r, err);
        QB_TRY(evaluate(r, err));
        show(r);
        if (is_due(r, r->o->save_frequency))
            QB_TRY(save_copy(r, err));
        if (is_due(r, r->o->output_frequency) && r->state.done < r->n_chunks)
            QB_TRY(save(r, err));
    }
    return QB_OK;
}

static void tell(const struct runner *r, const struct qb_imatrix *im)
{
    double err, s = (double)(qb_now_ns() - r->start_ns) / 1e9, ppl = perplexity(&r->state, &err);
    int64_t here = (int64_t)r->state.done - r->first_here;
    qb_info("%" PRId64 " chunks of %d tokens in %.1f s (%.1f t/s)", here, r->n_ctx, s,
            s > 0 ? (double)(here * r->n_ctx) / s : 0);
    if (r->o->ppl)
        qb_info("perplexity %.4f +/- %.5f", ppl, err);
    qb_info("wrote '%s': %zu tensors, %u chunks", r->o->output, im->n, im->n_chunks);
}

static enum qb_status run_all(struct runner *r, struct qb_imatrix **out, struct qb_err *err)
{
    QB_TRY(check_output(r->o->output, err));
    QB_TRY(read_text(r, err));
    QB_TRY(open_engine(r, err));
    QB_TRY(count_chunks(r, err));
    QB_TRY(open_session(r, err));
    list_settings(r);
    QB_TRY(start(r, err));
    qb_progress_init(&r->bar, r->o->progress, r->o->quiet);
    r->start_ns = qb_now_ns();
    enum qb_status st = all_chunks(r, err);
    qb_progress_end(&r->bar);
    QB_TRY(st);
    QB_TRY(result(r, out, err));
    st = qb_imatrix_write(*out, r->o->output, r->o->output_form, NULL, 0, err);
    if (st) {
        qb_imatrix_close(*out);
        return st;
    }
    if (r->checkpoint && unlink(r->checkpoint) != 0 && errno != ENOENT)
        qb_warn("cannot remove '%s'", r->checkpoint);
    tell(r, *out);
    return QB_OK;
}

enum qb_status qb_imatrix_run(struct qb_imatrix **out, const struct qb_imatrix_options *o, struct qb_err *err)
{
    struct runner r = {.o = o};
    enum qb_status st = run_all(&r, out, err);
    qb_imatrix_close(r.collected);
    qb_collector_free(r.collector);
    qb_session_free(r.session);
    qb_model_close(r.model);
    qb_pool_free(r.pool);
    qb_prompt_release(&r.prompt);
    free(r.logits);
    free(r.scores);
    free(r.checkpoint);
    return st;
}
