/*
 * Pre-tokenizers on PCRE2. White space is spelled out, because PCRE2's \s holds one character (U+180E) that
 * the vocabularies' own expressions do not; contractions are ASCII only.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/pretok.h"

#include "base/mem.h"
#include "engine/utf8.h"
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define SPACE_SET                                                                                            \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"     \
    "\\x{3000}"
#define SPACE       "[" SPACE_SET "]"
#define NOT_SPACE   "[^" SPACE_SET "]"
#define CONTRACTION "(?:'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL]))"
/* Up to the last line break of a run; else all but the last one; else all. */
#define LAST_SPACES SPACE "+(?!" NOT_SPACE ")|" SPACE "+"
#define SPACES      SPACE "*[\\r\\n]+|" LAST_SPACES
#define GPT2_WORDS  "'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE_SET "\\p{L}\\p{N}]+|" LAST_SPACES
#define LLAMA3_WORDS(digits)                                                                                 \
    CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" digits "| ?[^" SPACE_SET                             \
                "\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define TEKKEN_WORDS(contraction, digits, tail)                                                              \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" contraction "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER       \
    "*" contraction "|\\p{N}" digits "| ?[^" SPACE_SET "\\p{L}\\p{N}]+" tail "|" SPACES

#define QB_PRETOK_RULES(id, ...) static const char *const rules_##id[] = {__VA_ARGS__, NULL};
#include "engine/pretok.def"

static const struct qb_pretok_row rows[] = {
#define QB_PRETOK(name, id, bos, ignore) {name, rules_##id, bos, ignore},
#include "engine/pretok.def"
};

enum { MAX_EXPRESSIONS = 8 };

struct qb_pretok {
    pcre2_code *code[MAX_EXPRESSIONS];
    pcre2_match_context *context;
    int n;
};

const struct qb_pretok_row *qb_pretok_rows(size_t *n)
{
    *n = QB_ARRAY_LEN(rows);
    return rows;
}

const struct qb_pretok_row *qb_pretok_find(const char *name, size_t len)
{
    for (size_t i = 0; i < QB_ARRAY_LEN(rows); i++)
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0)
            return &rows[i];
    return NULL;
}

static enum qb_status compile(struct qb_pretok *p, const char *expression, struct qb_err *err)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                                     &error, &at, NULL);
    if (!code) {
        PCRE2_UCHAR text[128];
        pcre2_get_error_message(error, text, sizeof text);
        return qb_fail(err, QB_ERR_UNSUPPORTED, "libpcre2: %s, at %zu of '%s'", (const char *)text, at,
                       expression);
    }
    p->code[p->n++] = code;
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* where it is refused, the interpreter does it */
    return QB_OK;
}

enum qb_status qb_pretok_create(struct qb_pretok **out, const struct qb_pretok_row *row, struct qb_err *err)
{
    struct qb_pretok *p;
    QB_TRY(qb_calloc((void **)&p, 1, sizeof *p, "the pre-tokenizer", err));
    enum qb_status st = QB_OK;
    p->context = pcre2_match_context_create(NULL);
    if (p->context)
        /* Every expression backtracks over one run at most: the length of the text is the limit. */
        pcre2_set_match_limit(p->context, UINT32_MAX);
    else
        st = qb_fail(err, QB_ERR_MEMORY, "not enough memory for the pre-tokenizer");
    for (int i = 0; row->expressions[i] && !st; i++) {
        if (p->n == MAX_EXPRESSIONS)
            QB_BUG("pre-tokenizer '%s' has more than %d expressions", row->name, MAX_EXPRESSIONS);
        st = compile(p, row->expressions[i], err);
    }
    if (st) {
        qb_pretok_free(p);
        return st;
    }
    *out = p;
    return QB_OK;
}

void qb_pretok_free(struct qb_pretok *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n; i++)
        pcre2_code_free(p->code[i]);
    pcre2_match_context_free(p->context);
    free(p);
}

struct split {
    const struct qb_pretok *p;
    pcre2_match_data *match;
    qb_word_fn *fn;
    void *arg;
    struct qb_err *err;
};

/* The next match of an expression in s at or after `from`; *begin = len when there is none. */
static enum qb_status next_match(struct split *x, int level, const char *s, size_t len, size_t from,
                                 size_t *begin, size_t *end)
{
    const pcre2_code *code = x->p->code[level];
    int rc = pcre2_match(code, (PCRE2_SPTR)s, len, from, PCRE2_NO_UTF_CHECK, x->match, x->p->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(code, (PCRE2_SPTR)s, len, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, x->match,
                         x->p->context);
    *begin = *end = len;
    if (rc == PCRE2_ERROR_NOMATCH)
        return QB_OK;
    if (rc < 0)
        return qb_fail(
            x->err, rc == PCRE2_ERROR_NOMEMORY || rc == PCRE2_ERROR_HEAPLIMIT ? QB_ERR_MEMORY : QB_ERR_CHECK,
            "libpcre2: error %d while cutting %zu bytes into words", rc, len);
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(x->match);
    if (at[1] <= at[0])
        QB_BUG("expression %d matches nothing", level);
    *begin = at[0];
    *end = at[1];
    return QB_OK;
}

/* Cut s by the expressions from `level` on: what matches and what lies between are pieces. */
static enum qb_status split_valid(struct split *x, int level, const char *s, size_t len)
{
    if (level == x->p->n)
        return x->fn(x->arg, s, len, x->err);
    for (size_t done = 0; done < len;) {
        size_t begin, end;
        QB_TRY(next_match(x, level, s, len, done, &begin, &end));
        if (begin > done)
            QB_TRY(split_valid(x, level + 1, s + done, begin - done));
        if (end > begin)
            QB_TRY(split_valid(x, level + 1, s + begin, end - begin));
        done = end;
    }
    return QB_OK;
}

static enum qb_status split_any(struct split *x, const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = qb_utf8_valid(s + i, len - i);
        if (n > 0)
            QB_TRY(split_valid(x, 0, s + i, n));
        i += n;
        if (i < len)
            QB_TRY(x->fn(x->arg, s + i++, 1, x->err));
    }
    return QB_OK;
}

enum qb_status qb_pretok_split(const struct qb_pretok *p, const char *text, size_t len, qb_word_fn *fn,
                               void *arg, struct qb_err *err)
{
    struct split x = {p, pcre2_match_data_create(1, NULL), fn, arg, err};
    if (!x.match)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory to cut text into words");
    enum qb_status st = split_any(&x, text, len);
    pcre2_match_data_free(x.match);
    return st;
}
