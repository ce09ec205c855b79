/*
 * Patterns of tensor names. The expressions of other quantizers are ECMAScript; what people write in practice
 * is turned into POSIX: classes by letter, groups without a number, lazy quantifiers (which find the same
 * names).
 */
#include "engine/quantize_override.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "engine/gguf.h"
#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct qb_override {
    char *text;
    regex_t regex;
    int type_id;
    bool used;
};

/* ---- types ---- */

/* A type that tensors of a new file may have. */
static bool is_wanted_type(int type_id)
{
    int elems, bytes;
    bool integer = type_id >= QB_GGML_I8 && type_id <= QB_GGML_F64;
    return type_id >= 0 && !integer && type_id != QB_GGML_Q8_1 && type_id != QB_GGML_Q8_K &&
           qb_ggml_block(type_id, &elems, &bytes);
}

enum qb_status qb_ggml_parse(int *type_id, const char *name, struct qb_err *err)
{
    *type_id = qb_ggml_id_by_name(name);
    if (is_wanted_type(*type_id))
        return QB_OK;
    int best = QB_GGML_F32;
    for (int id = 0; id < QB_GGML_ID_END; id++)
        if (is_wanted_type(id) &&
            qb_name_distance(name, qb_gguf_type_name(id)) < qb_name_distance(name, qb_gguf_type_name(best)))
            best = id;
    if (!qb_name_is_near(name, qb_gguf_type_name(best)))
        return qb_fail(err, QB_ERR_USAGE, "unknown tensor type '%.40s'", name);
    return qb_fail(err, QB_ERR_USAGE, "unknown tensor type '%.40s'; did you mean '%s'?", name,
                   qb_gguf_type_name(best));
}

/* ---- patterns ---- */

/* What stands for \X outside and inside of brackets; NULL: as it is. */
static const char *letter_class(char c, bool in_brackets)
{
    switch (c) {
    case 'd':
        return in_brackets ? "0-9" : "[0-9]";
    case 'w':
        return in_brackets ? "[:alnum:]_" : "[[:alnum:]_]";
    case 's':
        return in_brackets ? "[:space:]" : "[[:space:]]";
    case 'D':
        return in_brackets ? NULL : "[^0-9]";
    default:
        return NULL;
    }
}

static bool is_quantifier(char c)
{
    return c == '*' || c == '+' || c == '?' || c == '}';
}

/* One step of the translation; how many characters of p it took. */
static size_t translate_step(struct qb_buf *out, const char *p, char before, bool *in_brackets)
{
    if (p[0] == '\\' && p[1]) {
        const char *class = letter_class(p[1], *in_brackets);
        if (class)
            qb_buf_puts(out, class);
        else if (*in_brackets) /* POSIX knows no escapes there */
            qb_buf_putc(out, p[1]);
        else
            qb_buf_append(out, p, 2);
        return 2;
    }
    if (!*in_brackets && strncmp(p, "(?:", 3) == 0) {
        qb_buf_putc(out, '(');
        return 3;
    }
    if (!*in_brackets && p[0] == '?' && is_quantifier(before))
        return 1;
    if (p[0] == '[' && !*in_brackets)
        *in_brackets = true;
    else if (p[0] == ']')
        *in_brackets = false;
    qb_buf_putc(out, p[0]);
    return 1;
}

static void translate(struct qb_buf *out, const char *pattern, size_t len)
{
    bool in_brackets = false;
    char before = 0;
    for (size_t i = 0; i < len;) {
        size_t taken = translate_step(out, pattern + i, before, &in_brackets);
        before = taken == 1 ? pattern[i] : 0; /* an escaped * repeats nothing */
        i += taken;
    }
}

static enum qb_status compile(regex_t *regex, const char *pattern, size_t len, const char *text,
                              struct qb_err *err)
{
    struct qb_buf b;
    qb_buf_init(&b, 0);
    translate(&b, pattern, len);
    enum qb_status st = qb_buf_status(&b, "the pattern", err);
    int code = st ? 0 : regcomp(regex, b.data, REG_EXTENDED | REG_ICASE | REG_NOSUB);
    if (code) {
        char why[128];
        regerror(code, regex, why, sizeof why);
        for (char *c = why; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        st = qb_fail(err, QB_ERR_USAGE, "bad pattern in '%.100s': %s", text, why);
    }
    qb_buf_release(&b);
    return st;
}

static enum qb_status make(struct qb_override *v, const char *text, struct qb_err *err)
{
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return qb_fail(err, QB_ERR_USAGE, "'%.100s' is not PATTERN=TYPE", text);
    *v = (struct qb_override){0};
    QB_TRY(qb_ggml_parse(&v->type_id, equals + 1, err));
    QB_TRY(compile(&v->regex, text, (size_t)(equals - text), text, err));
    enum qb_status st = qb_strdup(&v->text, text, err);
    if (st)
        regfree(&v->regex);
    return st;
}

enum qb_status qb_overrides_add(struct qb_overrides *o, const char *text, struct qb_err *err)
{
    struct qb_override v;
    QB_TRY(make(&v, text, err));
    struct qb_override *more = realloc(o->items, (o->n + 1) * sizeof *more);
    if (!more) {
        regfree(&v.regex);
        free(v.text);
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for %zu patterns", o->n + 1);
    }
    o->items = more;
    o->items[o->n++] = v;
    return QB_OK;
}

void qb_overrides_release(struct qb_overrides *o)
{
    for (size_t i = 0; i < o->n; i++) {
        regfree(&o->items[i].regex);
        free(o->items[i].text);
    }
    free(o->items);
    *o = (struct qb_overrides){0};
}

int qb_overrides_match(const void *overrides, const char *tensor)
{
    const struct qb_overrides *o = overrides;
    for (size_t i = 0; i < o->n; i++)
        if (regexec(&o->items[i].regex, tensor, 0, NULL, 0) == 0) {
            o->items[i].used = true;
            return o->items[i].type_id;
        }
    return -1;
}

const char *qb_overrides_unused(const struct qb_overrides *o)
{
    for (size_t i = 0; i < o->n; i++)
        if (!o->items[i].used)
            return o->items[i].text;
    return NULL;
}
