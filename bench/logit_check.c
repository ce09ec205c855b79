/*
 * The correctness check of every configuration, before it is timed.
 */
#include "bench/logit_check.h"
#include "base/mem.h"
#include <math.h>
#include <stdlib.h>

double qb_nmse(const float *got, const float *want, int64_t n)
{
    double error = 0, power = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)got[i] - (double)want[i];
        error += d * d;
        power += (double)want[i] * (double)want[i];
    }
    return power > 0 ? error / power : error > 0 ? INFINITY : 0;
}

/* Logits after the batch and after the single token: out holds 2 * n_vocab. */
static enum qb_status two_logits(struct qb_session *s, const int32_t *tokens, float *out, int n_vocab,
                                 struct qb_err *err)
{
    qb_session_clear(s);
    QB_TRY(qb_session_eval(s, tokens, QB_CHECK_TOKENS - 1, QB_LOGITS_LAST, out, err));
    QB_TRY(qb_session_eval(s, tokens + QB_CHECK_TOKENS - 1, 1, QB_LOGITS_LAST, out + n_vocab, err));
    qb_session_clear(s);
    return QB_OK;
}

static enum qb_status reference_logits(const struct qb_model *m, const struct qb_session_options *o,
                                       const int32_t *tokens, float *out, struct qb_err *err)
{
    struct qb_session_options small = *o;
    small.n_ctx = QB_CHECK_TOKENS;
    small.n_batch = small.n_ubatch = QB_CHECK_TOKENS;
    small.type_k = small.type_v = QB_KV_F32;
    struct qb_session *s = NULL;
    QB_TRY(qb_session_create(&s, m, &small, err));
    enum qb_status st = two_logits(s, tokens, out, m->hp.n_vocab, err);
    qb_session_free(s);
    return st;
}

enum qb_status qb_check_logits(double *nmse, struct qb_session *s, const struct qb_model *m,
                               const struct qb_session_options *o, const int32_t *tokens, struct qb_err *err)
{
    size_t n = (size_t)m->hp.n_vocab;
    void *memory = NULL;
    QB_TRY(qb_calloc(&memory, 4 * n, sizeof(float), "the correctness check", err));
    float *got = memory, *want = got + 2 * n;
    enum qb_status st = two_logits(s, tokens, got, m->hp.n_vocab, err);
    if (!st)
        st = reference_logits(m, o, tokens, want, err);
    if (!st) {
        double batch = qb_nmse(got, want, (int64_t)n), single = qb_nmse(got + n, want + n, (int64_t)n);
        *nmse = !(batch <= single) ? batch : single; /* a NaN wins */
        if (!(*nmse <= QB_NMSE_LIMIT))
            st = qb_fail(
                err, QB_ERR_CHECK,
                "the logits differ from the reference path: nmse %.3g (batch %.3g, single %.3g), limit %g",
                *nmse, batch, single, QB_NMSE_LIMIT);
    }
    free(memory);
    return st;
}
