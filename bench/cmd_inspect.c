/*
 * qbench inspect: what a GGUF file holds. A summary, the metadata, the tensors or their types, and whether
 * the data is valid.
 */
#include "base/log.h"
#include "bench/commands.h"
#include "engine/ftype.h"
#include "engine/gguf.h"
#include "reports/record.h"
#include "reports/table.h"
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct target {
    int output;
    bool metadata, tensors, types, check;
};

static const struct qb_option options[] = {
    {"output", "o", QB_OPT_CHOICE, offsetof(struct target, output), "FORM", "Form of the table.", "md", 0, 0,
     qb_table_forms},
    {"metadata", NULL, QB_OPT_FLAG, offsetof(struct target, metadata), NULL, "List the metadata.", NULL, 0, 0,
     NULL},
    {"tensors", NULL, QB_OPT_FLAG, offsetof(struct target, tensors), NULL, "List the tensors.", NULL, 0, 0,
     NULL},
    {"types", NULL, QB_OPT_FLAG, offsetof(struct target, types), NULL, "Count the tensors of each type.",
     NULL, 0, 0, NULL},
    {"check", NULL, QB_OPT_FLAG, offsetof(struct target, check), NULL,
     "Read all data: every scale and every float weight must be finite. Fails when one is not.", NULL, 0, 0,
     NULL},
};

struct view {
    const struct target *t;
    const struct qb_gguf *g;
    FILE *out;
    int64_t *bad; /* per tensor: first bad block, -1 none, NOT_CHECKED; NULL without --check */
};

#define NOT_CHECKED (-2)

static uint64_t elements(const struct qb_gguf_tensor *t)
{
    return (uint64_t)t->ne[0] * (uint64_t)t->ne[1] * (uint64_t)t->ne[2] * (uint64_t)t->ne[3];
}

/* ---- the data ---- */

static enum qb_status check_data(struct view *v, struct qb_err *err)
{
    size_t n = qb_gguf_n_tensors(v->g);
    v->bad = calloc(n + 1, sizeof *v->bad);
    if (!v->bad)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for %zu tensors", n);
    size_t skipped = 0;
    for (size_t i = 0; i < n; i++) {
        const struct qb_gguf_tensor *t = qb_gguf_tensor_at(v->g, i);
        if (qb_interrupted())
            return qb_fail(err, QB_ERR_INTERRUPTED, "interrupted");
        if (!t->format) {
            v->bad[i] = NOT_CHECKED;
            skipped++;
            continue;
        }
        QB_TRY(qb_gguf_tensor_check(t, &v->bad[i], err));
    }
    if (skipped)
        qb_warn("%zu tensors were not checked: this build cannot decode their types (--types)", skipped);
    return QB_OK;
}

static size_t count_bad(const struct view *v, size_t *first)
{
    size_t n = 0;
    for (size_t i = qb_gguf_n_tensors(v->g); v->bad && i-- > 0;)
        if (v->bad[i] >= 0) {
            *first = i;
            n++;
        }
    return n;
}

static enum qb_status judge(const struct view *v, struct qb_err *err)
{
    size_t first = 0, n = count_bad(v, &first);
    if (n == 0)
        return QB_OK;
    return qb_fail(err, QB_ERR_CHECK,
                   "'%s': %zu tensors hold values that are not finite; the first is '%s' at block %" PRId64,
                   qb_gguf_path(v->g), n, qb_gguf_tensor_at(v->g, first)->name, v->bad[first]);
}

/* ---- tensors ---- */

static enum qb_status print_tensors(const struct view *v, struct qb_err *err)
{
    static const struct qb_column columns[] = {
        {"tensor", QB_VALUE_TEXT, 0, 0},    {"type", QB_VALUE_TEXT, 0, 0},
        {"ne0", QB_VALUE_INT, 0, 0},        {"ne1", QB_VALUE_INT, 0, 0},
        {"ne2", QB_VALUE_INT, 0, 0},        {"ne3", QB_VALUE_INT, 0, 0},
        {"size_bytes", QB_VALUE_INT, 0, 0}, {"bits_per_weight", QB_VALUE_REAL, 4, 0},
        {"file", QB_VALUE_INT, 0, 0},       {"offset", QB_VALUE_INT, 0, 0},
        {"valid", QB_VALUE_BOOL, 0, 0}};
    size_t n_columns = QB_ARRAY_LEN(columns) - (v->bad ? 0 : 1);
    struct qb_writer w;
    enum qb_status st =
        qb_writer_begin(&w, (enum qb_writer_id)v->t->output, v->out, "tensors", columns, n_columns, err);
    for (size_t i = 0; i < qb_gguf_n_tensors(v->g) && !st; i++) {
        const struct qb_gguf_tensor *t = qb_gguf_tensor_at(v->g, i);
        const struct qb_mapping *map = qb_gguf_mapping(v->g, t->file);
        struct qb_value row[] = {qb_text(t->name),
                                 qb_text(qb_gguf_type_name(t->type_id)),
                                 qb_int(t->ne[0]),
                                 qb_int(t->ne[1]),
                                 qb_int(t->ne[2]),
                                 qb_int(t->ne[3]),
                                 qb_int((int64_t)t->bytes),
                                 qb_real(8.0 * (double)t->bytes / (double)elements(t)),
                                 qb_int(t->file),
                                 qb_int(t->data - map->data),
                                 v->bad && v->bad[i] != NOT_CHECKED ? qb_bool(v->bad[i] < 0) : qb_text(NULL)};
        st = qb_writer_row(&w, row, err);
    }
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

static enum qb_status print_types(const struct view *v, struct qb_err *err)
{
    static const struct qb_column columns[] = {{"type", QB_VALUE_TEXT, 0, 0},
                                               {"tensors", QB_VALUE_INT, 0, 0},
                                               {"weights", QB_VALUE_INT, 0, 0},
                                               {"size_bytes", QB_VALUE_INT, 0, 0},
                                               {"bits_per_weight", QB_VALUE_REAL, 4, 0},
                                               {"decodable", QB_VALUE_BOOL, 0, 0}};
    uint64_t tensors[QB_GGML_ID_END] = {0}, weights[QB_GGML_ID_END] = {0}, bytes[QB_GGML_ID_END] = {0};
    bool decodable[QB_GGML_ID_END] = {0};
    for (size_t i = 0; i < qb_gguf_n_tensors(v->g); i++) {
        const struct qb_gguf_tensor *t = qb_gguf_tensor_at(v->g, i);
        tensors[t->type_id]++;
        weights[t->type_id] += elements(t);
        bytes[t->type_id] += t->bytes;
        decodable[t->type_id] = t->format != NULL;
    }
    struct qb_writer w;
    enum qb_status st = qb_writer_begin(&w, (enum qb_writer_id)v->t->output, v->out, "types", columns,
                                        QB_ARRAY_LEN(columns), err);
    for (int id = 0; id < QB_GGML_ID_END && !st; id++) {
        if (!tensors[id])
            continue;
        struct qb_value row[] = {qb_text(qb_gguf_type_name(id)),
                                 qb_int((int64_t)tensors[id]),
                                 qb_int((int64_t)weights[id]),
                                 qb_int((int64_t)bytes[id]),
                                 qb_real(8.0 * (double)bytes[id] / (double)weights[id]),
                                 qb_bool(decodable[id])};
        st = qb_writer_row(&w, row, err);
    }
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

/* ---- metadata ---- */

#define MAX_TEXT  256 /* bytes shown of a string */
#define MAX_ITEMS 8   /* items shown of an array */

/* Control characters would play with the terminal. */
static void put_clean(struct qb_buf *b, struct qb_gguf_str s, size_t max)
{
    size_t n = s.len < max ? s.len : max;
    while (n < s.len && n > 0 && ((unsigned char)s.s[n] & 0xc0) == 0x80) /* not inside a UTF-8 character */
        n--;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.s[i];
        qb_buf_putc(b, c < 0x20 || c == 0x7f ? ' ' : (char)c);
    }
    if (n < s.len)
        qb_buf_puts(b, "...");
}

static void put_number(struct qb_buf *b, const struct qb_gguf_kv *array, enum qb_gguf_type type, uint64_t i)
{
    int64_t whole;
    double real;
    if (type == QB_GGUF_BOOL)
        qb_buf_puts(b, array->data[i] ? "true" : "false");
    else if (type != QB_GGUF_F32 && type != QB_GGUF_F64 && qb_gguf_array_i64(array, i, &whole))
        qb_buf_printf(b, "%" PRId64, whole);
    else if (qb_gguf_array_f64(array, i, &real))
        qb_buf_printf(b, "%.9g", real);
}

static void put_value(struct qb_buf *b, const struct qb_gguf_kv *kv)
{
    struct qb_gguf_str s = {(const char *)kv->data, kv->bytes};
    size_t pos = 0;
    if (kv->type == QB_GGUF_STRING) {
        put_clean(b, s, MAX_TEXT);
        return;
    }
    if (kv->type != QB_GGUF_ARRAY) { /* a scalar is an array of one */
        struct qb_gguf_kv one = *kv;
        one.type = QB_GGUF_ARRAY;
        one.elem_type = kv->type;
        one.n = 1;
        put_number(b, &one, kv->type, 0);
        return;
    }
    qb_buf_putc(b, '[');
    for (uint64_t i = 0; i < kv->n && i < MAX_ITEMS; i++) {
        qb_buf_puts(b, i ? ", " : "");
        if (kv->elem_type == QB_GGUF_STRING && qb_gguf_array_next_str(kv, &pos, &s))
            put_clean(b, s, 32);
        else
            put_number(b, kv, kv->elem_type, i);
    }
    qb_buf_puts(b, kv->n > MAX_ITEMS ? ", ...]" : "]");
}

static enum qb_status metadata_row(struct qb_writer *w, const struct qb_gguf_kv *kv, struct qb_buf *key,
                                   struct qb_buf *value, struct qb_err *err)
{
    qb_buf_clear(key);
    qb_buf_clear(value);
    put_clean(key, kv->key, MAX_TEXT);
    put_value(value, kv);
    QB_TRY(qb_buf_status(key, "metadata", err));
    QB_TRY(qb_buf_status(value, "metadata", err));
    bool array = kv->type == QB_GGUF_ARRAY;
    struct qb_value row[] = {qb_text(key->data),
                             qb_text(qb_gguf_value_type_name(array ? kv->elem_type : kv->type)),
                             array ? qb_int((int64_t)kv->n) : qb_text(NULL), qb_text(value->data)};
    return qb_writer_row(w, row, err);
}

static enum qb_status print_metadata(const struct view *v, struct qb_err *err)
{
    static const struct qb_column columns[] = {{"key", QB_VALUE_TEXT, 0, 0},
                                               {"type", QB_VALUE_TEXT, 0, 0},
                                               {"items", QB_VALUE_INT, 0, 0},
                                               {"value", QB_VALUE_TEXT, 0, 0}};
    struct qb_buf key, value;
    qb_buf_init(&key, 0);
    qb_buf_init(&value, 0);
    struct qb_writer w;
    enum qb_status st = qb_writer_begin(&w, (enum qb_writer_id)v->t->output, v->out, "metadata", columns,
                                        QB_ARRAY_LEN(columns), err);
    for (size_t i = 0; i < qb_gguf_n_kv(v->g) && !st; i++)
        st = metadata_row(&w, qb_gguf_kv_at(v->g, i), &key, &value, err);
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    qb_buf_release(&key);
    qb_buf_release(&value);
    return st ? st : end;
}

/* ---- summary ---- */

struct summary {
    struct qb_hparams hp;
    char type_text[128];
    uint64_t n_params, tensor_bytes;
};

static void describe(const struct view *v, struct summary *s)
{
    struct qb_err why;
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < qb_gguf_n_tensors(v->g); i++) {
        s->n_params += elements(qb_gguf_tensor_at(v->g, i));
        s->tensor_bytes += qb_gguf_tensor_at(v->g, i)->bytes;
    }
    if (qb_hparams_read(&s->hp, v->g, &why) != QB_OK) {
        qb_warn("%s", why.message);
        s->hp.n_layer = 0;
        return;
    }
    const struct qb_ftype *f = qb_ftype_by_gguf_id(s->hp.ftype);
    snprintf(s->type_text, sizeof s->type_text, "%s %s %s%s", s->hp.arch, qb_hparams_size_class(&s->hp),
             s->hp.ftype_guessed ? "(guessed) " : "", f ? f->display : "unknown");
}

static struct qb_value known_int(const struct summary *s, int64_t i)
{
    return s->hp.n_layer > 0 ? qb_int(i) : qb_text(NULL);
}

static bool made_with_imatrix(const struct qb_gguf *g)
{
    static const char prefix[] = "quantize.imatrix.";
    for (size_t i = 0; i < qb_gguf_n_kv(g); i++) {
        struct qb_gguf_str key = qb_gguf_kv_at(g, i)->key;
        if (key.len >= sizeof prefix - 1 && memcmp(key.s, prefix, sizeof prefix - 1) == 0)
            return true;
    }
    return false;
}

static const struct qb_column summary_columns[] = {
    {"file", QB_VALUE_TEXT, 0, 0},
    {"name", QB_VALUE_TEXT, 0, 0},
    {"model_type", QB_VALUE_TEXT, 0, 0},
    {"arch", QB_VALUE_TEXT, 0, 0},
    {"n_layer", QB_VALUE_INT, 0, 0},
    {"n_embd", QB_VALUE_INT, 0, 0},
    {"n_head", QB_VALUE_INT, 0, 0},
    {"n_head_kv", QB_VALUE_INT, 0, 0},
    {"head_dim", QB_VALUE_INT, 0, 0},
    {"n_ff", QB_VALUE_INT, 0, 0},
    {"n_vocab", QB_VALUE_INT, 0, 0},
    {"n_ctx_train", QB_VALUE_INT, 0, 0},
    {"tied_embeddings", QB_VALUE_BOOL, 0, 0},
    {"n_params", QB_VALUE_INT, 0, 0},
    {"n_tensors", QB_VALUE_INT, 0, 0},
    {"n_metadata", QB_VALUE_INT, 0, 0},
    {"imatrix", QB_VALUE_BOOL, 0, 0},
    {"gguf_version", QB_VALUE_INT, 0, 0},
    {"alignment", QB_VALUE_INT, 0, 0},
    {"files", QB_VALUE_INT, 0, 0},
    {"model_size", QB_VALUE_INT, 0, 0},
    {"size_bytes", QB_VALUE_INT, 0, 0},
    {"bits_per_weight", QB_VALUE_REAL, 4, 0},
    {"bad_tensors", QB_VALUE_INT, 0, 0},
};

static void fill_summary(const struct view *v, const struct summary *s, struct qb_value *row)
{
    const struct qb_hparams *hp = &s->hp;
    size_t first;
    const struct qb_value values[] = {
        qb_text(qb_gguf_path(v->g)),
        hp->name[0] ? qb_text(hp->name) : qb_text(NULL),
        s->type_text[0] ? qb_text(s->type_text) : qb_text(NULL),
        hp->arch[0] ? qb_text(hp->arch) : qb_text(NULL),
        known_int(s, hp->n_layer),
        known_int(s, hp->n_embd),
        known_int(s, hp->n_head[0]),
        known_int(s, hp->n_head_kv[0]),
        known_int(s, hp->head_dim_k),
        known_int(s, hp->n_ff[0]),
        known_int(s, hp->n_vocab),
        known_int(s, hp->n_ctx_train),
        hp->n_layer > 0 ? qb_bool(hp->tied_embeddings) : qb_text(NULL),
        qb_int((int64_t)s->n_params),
        qb_int((int64_t)qb_gguf_n_tensors(v->g)),
        qb_int((int64_t)qb_gguf_n_kv(v->g)),
        qb_bool(made_with_imatrix(v->g)),
        qb_int(qb_gguf_version(v->g)),
        qb_int((int64_t)qb_gguf_alignment(v->g)),
        qb_int(qb_gguf_n_files(v->g)),
        qb_int((int64_t)s->tensor_bytes),
        qb_int((int64_t)qb_gguf_file_bytes(v->g)),
        s->n_params ? qb_real(8.0 * (double)s->tensor_bytes / (double)s->n_params) : qb_text(NULL),
        v->bad ? qb_int((int64_t)count_bad(v, &first)) : qb_text(NULL),
    };
    _Static_assert(QB_ARRAY_LEN(values) == QB_ARRAY_LEN(summary_columns), "one value a column");
    memcpy(row, values, sizeof values);
}

/* For people: one property a line, sizes also in words. */
static enum qb_status print_properties(const struct view *v, const struct qb_value *row, struct qb_err *err)
{
    static const struct qb_column columns[] = {{"property", QB_VALUE_TEXT, 0, 0},
                                               {"value", QB_VALUE_TEXT, 0, 0}};
    struct qb_writer w;
    enum qb_status st =
        qb_writer_begin(&w, QB_WRITER_MD, v->out, "summary", columns, QB_ARRAY_LEN(columns), err);
    for (size_t i = 0; i < QB_ARRAY_LEN(summary_columns) && !st; i++) {
        char text[64], words[32];
        struct qb_value pair[] = {qb_text(summary_columns[i].name), row[i]};
        const char *name = summary_columns[i].name;
        if (row[i].kind == QB_VALUE_NULL)
            continue;
        if (row[i].kind == QB_VALUE_REAL) {
            snprintf(text, sizeof text, "%.*f", summary_columns[i].decimals, row[i].real);
            pair[1] = qb_text(text);
        } else if (strcmp(name, "model_size") == 0 || strcmp(name, "size_bytes") == 0) {
            qb_size_text((uint64_t)row[i].i, words, sizeof words);
            snprintf(text, sizeof text, "%" PRId64 " (%s)", row[i].i, words);
            pair[1] = qb_text(text);
        } else if (strcmp(name, "n_params") == 0) {
            qb_params_text((uint64_t)row[i].i, words, sizeof words);
            snprintf(text, sizeof text, "%" PRId64 " (%s)", row[i].i, words);
            pair[1] = qb_text(text);
        }
        st = qb_writer_row(&w, pair, err);
    }
    enum qb_status end = qb_writer_end(&w, st ? NULL : err);
    return st ? st : end;
}

static enum qb_status print_summary(const struct view *v, struct qb_err *err)
{
    struct summary *s = malloc(sizeof *s);
    if (!s)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory");
    describe(v, s);
    struct qb_value row[QB_ARRAY_LEN(summary_columns)];
    fill_summary(v, s, row);
    enum qb_status st;
    if (v->t->output == QB_WRITER_MD) {
        st = print_properties(v, row, err);
        if (!st && fputc('\n', v->out) != EOF && qb_gguf_n_tensors(v->g) > 0)
            st = print_types(v, err);
    } else {
        struct qb_writer w;
        st = qb_writer_begin(&w, (enum qb_writer_id)v->t->output, v->out, "summary", summary_columns,
                             QB_ARRAY_LEN(summary_columns), err);
        if (!st)
            st = qb_writer_row(&w, row, err);
        enum qb_status end = qb_writer_end(&w, st ? NULL : err);
        st = st ? st : end;
    }
    free(s);
    return st;
}

static enum qb_status print(struct view *v, struct qb_err *err)
{
    if (v->t->check)
        QB_TRY(check_data(v, err));
    if (v->t->metadata)
        QB_TRY(print_metadata(v, err));
    else if (v->t->tensors)
        QB_TRY(print_tensors(v, err));
    else if (v->t->types)
        QB_TRY(print_types(v, err));
    else
        QB_TRY(print_summary(v, err));
    return judge(v, err);
}

static enum qb_status run(void *target, const struct qb_str_list *operands, FILE *out, struct qb_err *err)
{
    const struct target *t = target;
    if (t->metadata + t->tensors + t->types > 1)
        return qb_fail(err, QB_ERR_USAGE, "only one of --metadata, --tensors and --types can be printed");
    struct qb_gguf *g;
    QB_TRY(qb_gguf_open(&g, operands->items[0], err));
    struct view v = {t, g, out, NULL};
    enum qb_status status = print(&v, err);
    free(v.bad);
    qb_gguf_close(g);
    return status;
}

const struct qb_command qb_cmd_inspect = {
    .name = "inspect",
    .summary = "show what a GGUF file holds and check it",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = QB_ARRAY_LEN(options),
    .target_size = sizeof(struct target),
    .run = run,
};
