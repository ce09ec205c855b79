/*
 * One repetition of a test, as llama-bench defines it: a prompt is evaluated in batches with logits for the
 * last token of each; generation evaluates token after token, with no sampler. Depth is filled in before the
 * clock starts.
 */
#include "base/clock.h"
#include "bench/commands.h"
#include "bench/lab.h"

#define WARM_UP_GEN 16 /* tokens: one (llama-bench) is too short for caches and clocks to settle */

static enum qb_status prompt(struct qb_session *s, const int32_t *tokens, int64_t n, int n_batch,
                             enum qb_logits logits, struct qb_err *err)
{
    for (int64_t at = 0; at < n; at += n_batch) {
        int64_t count = n - at < n_batch ? n - at : n_batch;
        QB_TRY(qb_session_eval(s, tokens + at, count, logits, NULL, err));
        if (qb_interrupted())
            return qb_fail(err, QB_ERR_INTERRUPTED, "interrupted");
    }
    return QB_OK;
}

static enum qb_status generate(struct qb_session *s, const int32_t *tokens, int64_t n, struct qb_err *err)
{
    for (int64_t i = 0; i < n; i++) {
        QB_TRY(qb_session_eval(s, tokens + i, 1, QB_LOGITS_LAST, NULL, err));
        if (qb_interrupted())
            return qb_fail(err, QB_ERR_INTERRUPTED, "interrupted");
    }
    return QB_OK;
}

/* Stand at position `depth` with the prefix in the cache; it may still be there from the last test. */
static enum qb_status prepare(struct qb_stand *stand, const int32_t *tokens, int64_t depth, int n_batch,
                              struct qb_err *err)
{
    if (depth > 0 && stand->prefilled >= depth) {
        qb_session_rewind(stand->session, depth);
        return QB_OK;
    }
    qb_session_clear(stand->session);
    stand->prefilled = 0;
    QB_TRY(prompt(stand->session, tokens, depth, n_batch, QB_LOGITS_NONE, err));
    stand->prefilled = depth;
    return QB_OK;
}

/* The test itself: the prompt, then n_gen tokens; `between` is the time in between. */
static enum qb_status evaluate(const struct qb_stand *stand, const int32_t *tokens, const struct qb_case *k,
                               int64_t n_gen, int n_batch, uint64_t *between, struct qb_err *err)
{
    QB_TRY(prompt(stand->session, tokens, k->test.n_prompt, n_batch, QB_LOGITS_LAST, err));
    *between = qb_now_ns();
    return generate(stand->session, tokens, n_gen, err);
}

enum qb_status qb_lab_profile(struct qb_lab *l, size_t c, struct qb_err *err)
{
    const struct qb_case *k = &l->suite->cases[c];
    const struct qb_config *config = &l->suite->configs[k->config];
    struct qb_stand *stand = &l->stands[k->config];
    const int32_t *tokens = l->specimens[config->variant].tokens;
    QB_TRY(prepare(stand, tokens, k->test.n_depth, config->n_batch, err));
    qb_session_profile(stand->session, l->trials[c].phase_ns);
    uint64_t between;
    enum qb_status st = evaluate(stand, tokens, k, k->test.n_gen, config->n_batch, &between, err);
    qb_session_profile(stand->session, NULL);
    return st;
}

enum qb_status qb_lab_run(struct qb_lab *l, size_t c, bool warm_up, double *ns, struct qb_err *err)
{
    const struct qb_case *k = &l->suite->cases[c];
    const struct qb_config *config = &l->suite->configs[k->config];
    struct qb_stand *stand = &l->stands[k->config];
    const int32_t *tokens = l->specimens[config->variant].tokens;
    int64_t n_gen = warm_up && k->test.n_gen > WARM_UP_GEN ? WARM_UP_GEN : k->test.n_gen;

    QB_TRY(prepare(stand, tokens, warm_up ? 0 : k->test.n_depth, config->n_batch, err));
    uint64_t start = qb_now_ns(), between = start;
    QB_TRY(evaluate(stand, tokens, k, n_gen, config->n_batch, &between, err));
    uint64_t end = qb_now_ns();
    *ns = (double)(end - start);
    if (n_gen && n_gen < k->test.n_gen)
        *ns = (double)(between - start) + (double)(end - between) * (double)k->test.n_gen / (double)n_gen;
    return QB_OK;
}
