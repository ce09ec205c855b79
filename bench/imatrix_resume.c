/*
 * Checkpoints of a run of `qbench imatrix`: importance matrices with what is needed to go on.
 */
#include "bench/imatrix_run.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "qbench.resume."

void qb_imatrix_setting(struct qb_imatrix_settings *s, const char *name, const char *fmt, ...)
{
    if (s->n == QB_IMATRIX_SETTINGS)
        QB_BUG("too many settings");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->item[s->n].value, sizeof s->item[s->n].value, fmt, ap);
    va_end(ap);
    s->item[s->n++].name = name;
}

static struct qb_gguf_kv record(const char *key, enum qb_gguf_type type, const void *data, size_t bytes)
{
    return (struct qb_gguf_kv){.key = {key, strlen(key)}, .type = type, .n = 1, .data = data, .bytes = bytes};
}

enum qb_status qb_imatrix_checkpoint(const struct qb_imatrix *im, const char *path,
                                     const struct qb_imatrix_settings *settings,
                                     const struct qb_imatrix_state *state, struct qb_err *err)
{
    char keys[QB_IMATRIX_SETTINGS][64];
    struct qb_gguf_kv extra[QB_IMATRIX_SETTINGS + 4];
    size_t n = 0;
    for (size_t i = 0; i < settings->n; i++) {
        const char *value = settings->item[i].value;
        snprintf(keys[i], sizeof keys[i], PREFIX "%s", settings->item[i].name);
        extra[n++] = record(keys[i], QB_GGUF_STRING, value, strlen(value));
    }
    extra[n++] = record(PREFIX "done", QB_GGUF_U32, &state->done, sizeof state->done);
    extra[n++] = record(PREFIX "n_scored", QB_GGUF_U64, &state->n_scored, sizeof state->n_scored);
    extra[n++] = record(PREFIX "nll", QB_GGUF_F64, &state->nll, sizeof state->nll);
    extra[n++] = record(PREFIX "nll2", QB_GGUF_F64, &state->nll2, sizeof state->nll2);
    return qb_imatrix_write(im, path, QB_IMATRIX_GGUF, extra, n, err);
}

static enum qb_status check_settings(const struct qb_gguf *g, const struct qb_imatrix_settings *settings,
                                     struct qb_err *err)
{
    for (size_t i = 0; i < settings->n; i++) {
        char key[64];
        struct qb_gguf_str s;
        const char *value = settings->item[i].value;
        snprintf(key, sizeof key, PREFIX "%s", settings->item[i].name);
        if (!qb_gguf_get_str(g, key, &s))
            return qb_fail(err, QB_ERR_FORMAT, "'%s' is no checkpoint: '%s' is missing", qb_gguf_path(g),
                           key);
        if (s.len != strlen(value) || memcmp(s.s, value, s.len) != 0)
            return qb_fail(err, QB_ERR_USAGE, "cannot resume: '%s' was made with another '%s'",
                           qb_gguf_path(g), settings->item[i].name);
    }
    return QB_OK;
}

static enum qb_status read_state(const struct qb_gguf *g, struct qb_imatrix_state *state, struct qb_err *err)
{
    uint64_t done;
    if (!qb_gguf_get_u64(g, PREFIX "done", &done) || done > UINT32_MAX ||
        !qb_gguf_get_u64(g, PREFIX "n_scored", &state->n_scored) ||
        !qb_gguf_get_f64(g, PREFIX "nll", &state->nll) || !qb_gguf_get_f64(g, PREFIX "nll2", &state->nll2))
        return qb_fail(err, QB_ERR_FORMAT, "'%s' is no checkpoint: the state is missing", qb_gguf_path(g));
    state->done = (uint32_t)done;
    return QB_OK;
}

enum qb_status qb_imatrix_resume(struct qb_imatrix **im, const char *path,
                                 const struct qb_imatrix_settings *settings, struct qb_imatrix_state *state,
                                 struct qb_err *err)
{
    struct qb_gguf *g;
    QB_TRY(qb_gguf_open(&g, path, err));
    enum qb_status st = check_settings(g, settings, err);
    if (!st)
        st = read_state(g, state, err);
    qb_gguf_close(g);
    if (!st)
        st = qb_imatrix_open(im, path, err);
    return st;
}
