/*
 * The table of model shapes: parse, look up, suggest.
 */
#include "datasets/shapes.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "datasets/shapes_data.h"
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The field being read, for messages; the first failure sticks. */
struct row {
    const json_t *json;
    const char *bad;
};

static int64_t get_int(struct row *r, const json_t *in, const char *key, int64_t missing)
{
    const json_t *v = json_object_get(in, key);
    if (!v || json_is_null(v))
        return missing;
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        r->bad = key;
        return 0;
    }
    return json_integer_value(v);
}

static int get_count(struct row *r, const json_t *in, const char *key, int missing)
{
    int64_t v = get_int(r, in, key, missing);
    if (v > INT32_MAX)
        r->bad = key;
    return (int)v;
}

static double get_real(struct row *r, const json_t *in, const char *key, double missing)
{
    const json_t *v = json_object_get(in, key);
    if (!v || json_is_null(v))
        return missing;
    if (!json_is_number(v))
        r->bad = key;
    return json_number_value(v);
}

static void get_text(struct row *r, const json_t *v, const char *key, char *out, size_t size)
{
    const char *s = json_string_value(v);
    if (!s || strlen(s) == 0 || strlen(s) >= size)
        r->bad = key;
    else
        memcpy(out, s, strlen(s) + 1);
}

static void get_layers(struct row *r, const char *key, int n_layer, int *out)
{
    const json_t *v = json_object_get(r->json, key);
    if (json_is_array(v) && json_array_size(v) != (size_t)n_layer)
        r->bad = key;
    for (int l = 0; l < n_layer && !r->bad; l++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, (size_t)l) : v;
        if (json_is_integer(item) && json_integer_value(item) >= 0 && json_integer_value(item) <= INT32_MAX)
            out[l] = (int)json_integer_value(item);
        else if (!json_is_null(item)) /* null: the layers have experts instead */
            r->bad = key;
    }
}

static void get_rope(struct row *r, struct qb_shape *s)
{
    const json_t *rope = json_object_get(r->json, "rope");
    s->n_rot = get_count(r, rope, "n_rot", s->head_dim);
    s->rope_base = get_real(r, rope, "freq_base", 10000);
    const char *kind = json_string_value(json_object_get(rope, "scaling"));
    if (kind && strcmp(kind, "linear") == 0)
        s->rope_linear = get_real(r, rope, "scaling_factor", 0);
    else if (kind && strcmp(kind, "llama3") == 0)
        s->llama3_factor = get_real(r, json_object_get(rope, "freq_factors"), "factor", 0);
    else if (kind)
        r->bad = "scaling";
}

static void get_names(struct row *r, struct qb_shape *s)
{
    get_text(r, json_object_get(r->json, "name"), "name", s->name, sizeof s->name);
    get_text(r, json_object_get(r->json, "arch"), "arch", s->arch, sizeof s->arch);
    const json_t *aliases = json_object_get(r->json, "aliases");
    size_t n = json_array_size(aliases);
    if (n > QB_SHAPE_MAX_ALIASES) {
        r->bad = "aliases";
        return;
    }
    for (size_t i = 0; i < n; i++)
        get_text(r, json_array_get(aliases, i), "aliases", s->aliases[i], sizeof s->aliases[i]);
    s->n_aliases = (int)n;
}

static const char *parse_shape(struct qb_shape *s, const json_t *json)
{
    struct row r = {json, NULL};
    memset(s, 0, sizeof *s);
    get_names(&r, s);
    s->n_layer = get_count(&r, json, "n_layer", 0);
    s->n_embd = get_count(&r, json, "n_embd", 0);
    s->n_vocab = get_count(&r, json, "n_vocab", 0);
    s->n_ctx = get_count(&r, json, "context_length", 0);
    s->head_dim = get_count(&r, json, "head_dim", 0);
    if (s->n_layer < 1 || s->n_layer > QB_SHAPE_MAX_LAYERS)
        return "n_layer";
    get_layers(&r, "n_head", s->n_layer, s->n_head);
    get_layers(&r, "n_head_kv", s->n_layer, s->n_head_kv);
    get_layers(&r, "n_ff", s->n_layer, s->n_ff);
    s->tied_embeddings = json_is_true(json_object_get(json, "tied_embeddings"));
    s->qkv_bias = json_is_true(json_object_get(json, "qkv_bias"));
    s->norm_eps = get_real(&r, json, "norm_eps", 0);
    get_rope(&r, s);
    s->n_expert = get_count(&r, json, "n_expert", 0);
    s->n_expert_used = get_count(&r, json, "n_expert_used", 0);
    s->n_ff_expert = get_count(&r, json, "n_ff_expert", 0);
    s->n_ff_shared = get_count(&r, json, "n_ff_shared_expert", 0);
    const json_t *tokenizer = json_object_get(json, "tokenizer");
    s->add_bos = json_is_true(json_object_get(tokenizer, "add_bos"));
    s->bos_id = (int)get_int(&r, tokenizer, "bos", -1);
    s->n_params = (uint64_t)get_int(&r, json, "n_params", 0);
    s->metadata_bytes = (uint64_t)get_int(&r, json, "metadata_bytes", 0);
    return r.bad;
}

enum qb_status qb_shapes_load(struct qb_shape **out, size_t *n, struct qb_err *err)
{
    json_error_t where;
    json_t *root = json_loads(qb_shapes_json, JSON_REJECT_DUPLICATES, &where);
    const json_t *models = json_object_get(root, "models");
    *out = NULL;
    *n = json_array_size(models);
    enum qb_status status = QB_OK;
    if (*n == 0)
        status = qb_fail(err, QB_ERR_FORMAT, "the table of shapes is broken at line %d: %s", where.line,
                         where.text);
    if (status == QB_OK)
        status = qb_calloc((void **)out, *n, sizeof **out, "shapes", err);
    for (size_t i = 0; i < *n && status == QB_OK; i++) {
        const char *bad = parse_shape(&(*out)[i], json_array_get(models, i));
        if (bad)
            status = qb_fail(err, QB_ERR_FORMAT, "the table of shapes is broken: '%s' of '%s'", bad,
                             (*out)[i].name);
    }
    json_decref(root);
    if (status != QB_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- look up ---- */

static bool has_name(const struct qb_shape *s, const char *name)
{
    for (int i = 0; i < s->n_aliases; i++)
        if (strcasecmp(s->aliases[i], name) == 0)
            return true;
    return strcasecmp(s->name, name) == 0;
}

static enum qb_status fail_unknown(const struct qb_shape *all, size_t n, const char *name, struct qb_err *err)
{
    char nearest[sizeof all->name];
    size_t best = 0;
    int least = 64;
    for (size_t i = 0; i < n; i++) {
        int d = qb_name_distance(name, all[i].name);
        if (d < least) {
            least = d;
            best = i;
        }
    }
    if (least > 2 + (int)strnlen(name, 64) / 3) /* nothing is near */
        return qb_fail(err, QB_ERR_NOT_FOUND, "no shape '%.64s' (qbench --list-shapes prints all)", name);
    for (size_t i = 0; i < sizeof nearest; i++)
        nearest[i] = (char)tolower((unsigned char)all[best].name[i]);
    return qb_fail(err, QB_ERR_NOT_FOUND,
                   "no shape '%.64s'; the nearest is '%s' (qbench --list-shapes prints all)", name, nearest);
}

enum qb_status qb_shape_find(struct qb_shape *out, const char *name, struct qb_err *err)
{
    struct qb_shape *all;
    size_t n, i = 0;
    QB_TRY(qb_shapes_load(&all, &n, err));
    while (i < n && !has_name(&all[i], name))
        i++;
    enum qb_status status = QB_OK;
    if (i < n)
        *out = all[i];
    else
        status = fail_unknown(all, n, name, err);
    free(all);
    return status;
}
