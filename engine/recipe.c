/*
 * Which type every tensor gets in a file type: roles by name, the rules of recipe.def, fallbacks for odd row
 * lengths, and the interleaved ids of the historical file types. Source: the behaviour of the reference
 * quantizer as of August 2026 (the historical types: as of 2024); docs/formats.md.
 */
#include "engine/ftype.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum ftype_bit {
#define QB_FTYPE(id, ...) BIT_##id,
#include "engine/ftypes.def"
#undef QB_FTYPE
    BIT_COUNT
};
_Static_assert(BIT_COUNT <= 64, "a set of file types is 64 bits");

enum role { ANY, OUTPUT, EMBD, ATTN_V, ATTN_K, ATTN_Q, ATTN_OUT, FFN_DOWN, FFN_GATE, FFN_UP, OTHER, N_ROLES };

enum condition {
    ALWAYS,
    FLAT,
    INDIVISIBLE,
    GQA4,
    GQA4_OR_X4,
    X8,
    NOT_X8,
    X8_MORE,
    NO_IMATRIX,
    FIRST_2,
    FIRST_4,
    FIRST_8TH,
    FIRST_16TH,
    IMATRIX_8TH,
    NO_IMATRIX_8TH,
    MIDDLE,
    MORE
};

#define F(id) (UINT64_C(1) << BIT_##id)
#define ALL   UINT64_MAX
#define IQ1   (F(IQ1_S) | F(IQ1_M))
#define LOW   (IQ1 | F(IQ2_XXS) | F(IQ2_XS) | F(IQ2_S) | F(IQ2_M))

static const struct rule {
    enum role role;
    uint64_t ftypes;
    enum condition when;
    int type;
} rules[] = {
#define QB_RULE(role, ftypes, when, type) {role, ftypes, when, QB_GGML_##type},
#include "engine/recipe.def"
#undef QB_RULE
};

/* A tensor's name contains `part`: it has this role. The first row wins. */
static const struct {
    const char *part;
    enum role role;
} roles[] = {
    {"attn_v.weight", ATTN_V}, {"attn_qkv.weight", ATTN_V}, {"attn_kv_b.weight", ATTN_V},
    {"attn_k.weight", ATTN_K}, {"attn_q.weight", ATTN_Q},   {"attn_output.weight", ATTN_OUT},
    {"ffn_down", FFN_DOWN},    {"ffn_gate", FFN_GATE},      {"ffn_up", FFN_UP},
};

/* Matrices that stay float in every file type. */
static const char *const kept[] = {"_norm.weight",         "ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight",
                                   "position_embd.weight", "token_types.weight",  "ssm_conv1d",
                                   "attn_rel_b.weight"};

struct mix {
    const struct qb_ftype *ftype;
    const struct qb_recipe_options *o;
    uint64_t bit; /* of the file type whose rules apply */
    const struct qb_hparams *hp;
    bool tied;
    int n_expert, gqa;
    int n[N_ROLES];    /* tensors of a role in the model */
    int seen[N_ROLES]; /* so far */
};

static bool is_quantized(const struct mix *m, const struct qb_recipe_tensor *t)
{
    size_t len = strlen(t->name);
    if (m->o->keep_output && strcmp(t->name, "output.weight") == 0)
        return false;
    if (len < 6 || strcmp(t->name + len - 6, "weight") != 0)
        return false;
    for (size_t i = 0; i < QB_ARRAY_LEN(kept); i++)
        if (strstr(t->name, kept[i]))
            return false;
    int wide = 0;
    for (int d = 0; d < 4; d++)
        wide += t->ne[d] > 1;
    return wide >= 2;
}

static enum role role_of(const char *name, bool tied)
{
    if (strcmp(name, "output.weight") == 0)
        return OUTPUT;
    if (strcmp(name, "token_embd.weight") == 0)
        return tied ? OUTPUT : EMBD;
    for (size_t i = 0; i < QB_ARRAY_LEN(roles); i++)
        if (strstr(name, roles[i].part))
            return roles[i].role;
    return OTHER;
}

static int layer_of(const char *name)
{
    int layer;
    return sscanf(name, "blk.%9d.", &layer) == 1 && layer >= 0 ? layer : -1;
}

static bool more_bits(int i, int n)
{
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

/* i counts the tensors of the role; with experts the feed-forward rules go by layer instead (but for the
 * lowest types). */
static int position(const struct mix *m, enum role role, const char *name)
{
    bool ffn = role == FFN_DOWN || role == FFN_GATE || role == FFN_UP;
    int layer = layer_of(name);
    if (ffn && m->n_expert > 1 && !(m->bit & LOW) && layer >= 0)
        return layer;
    return m->seen[role];
}

static bool holds(const struct mix *m, const struct qb_recipe_tensor *t, enum role role, enum condition c)
{
    int i = position(m, role, t->name), layers = m->hp->n_layer;
    int elems, bytes;
    switch (c) {
    case FLAT:
        return t->ne[2] <= 1;
    case INDIVISIBLE:
        return !qb_ggml_block(m->ftype->base_type_id, &elems, &bytes) || t->ne[0] % elems != 0;
    case GQA4:
        return m->gqa >= 4;
    case GQA4_OR_X4:
        return m->gqa >= 4 || m->n_expert >= 4;
    case X8:
        return m->n_expert == 8;
    case NOT_X8:
        return m->n_expert != 8;
    case X8_MORE:
        return m->n_expert == 8 && more_bits(i, layers);
    case NO_IMATRIX:
        return !m->o->imatrix;
    case FIRST_2:
        return i < 2;
    case FIRST_4:
        return i < 4;
    case FIRST_8TH:
        return i < layers / 8;
    case FIRST_16TH:
        return i < layers / 16;
    case IMATRIX_8TH:
        return m->o->imatrix && i < layers / 8;
    case NO_IMATRIX_8TH:
        return !m->o->imatrix && i < layers / 8;
    case MIDDLE:
        return i >= layers / 8 && i < 7 * layers / 8;
    case MORE:
        return more_bits(i, role == ATTN_V ? m->n[ATTN_V] : layers);
    default:
        return true;
    }
}

/* The 70B models share each value head among 8 query heads: more bits there cost little. */
static bool counts_as_70b(const struct qb_hparams *hp)
{
    if (hp->n_layer != 80)
        return false;
    if (strcmp(hp->arch, "llama") == 0)
        return hp->n_head[0] != hp->n_head_kv[0];
    return strcmp(hp->arch, "qwen2") == 0 || strcmp(hp->arch, "deci") == 0;
}

static int apply_rules(const struct mix *m, const struct qb_recipe_tensor *t, enum role role)
{
    int type = m->ftype->base_type_id;
    /* historical types knew only the rule for the output */
    bool plain = m->ftype->layout == QB_LAYOUT_PLAIN;
    for (size_t i = 0; i < QB_ARRAY_LEN(rules); i++) {
        const struct rule *r = &rules[i];
        if ((r->role == role || r->role == ANY) && (r->ftypes & m->bit) && (plain || role == OUTPUT) &&
            holds(m, t, role, r->when)) {
            type = r->type;
            break;
        }
    }
    bool raised = role == ATTN_V && !(m->bit & LOW) && counts_as_70b(m->hp);
    return raised && (type == QB_GGML_Q3_K || type == QB_GGML_Q4_K) ? QB_GGML_Q5_K : type;
}

static int fallback(int type)
{
    switch (type) {
    case QB_GGML_Q4_K:
        return QB_GGML_Q5_0;
    case QB_GGML_Q5_K:
        return QB_GGML_Q5_1;
    case QB_GGML_Q6_K:
        return QB_GGML_Q8_0;
    case QB_GGML_Q2_K:
    case QB_GGML_Q3_K:
    case QB_GGML_TQ1_0:
    case QB_GGML_TQ2_0:
        return QB_GGML_Q4_0;
    case QB_GGML_IQ1_S:
    case QB_GGML_IQ1_M:
    case QB_GGML_IQ2_XXS:
    case QB_GGML_IQ2_XS:
    case QB_GGML_IQ2_S:
    case QB_GGML_IQ3_XXS:
    case QB_GGML_IQ3_S:
    case QB_GGML_IQ4_XS:
        return QB_GGML_IQ4_NL;
    case QB_GGML_MXFP4: /* "every matrix that can be": the others stay floats */
        return QB_GGML_F16;
    default:
        return -1;
    }
}

static bool divides(int type, int64_t row)
{
    int elems, bytes;
    return qb_ggml_block(type, &elems, &bytes) && row % elems == 0;
}

static enum qb_status fit_rows(const struct mix *m, struct qb_recipe_tensor *t, struct qb_err *err)
{
    if (divides(t->type_id, t->ne[0]))
        return QB_OK;
    int type = fallback(t->type_id);
    if (type < 0)
        return qb_fail(err, QB_ERR_USAGE,
                       "rows of %" PRId64 " of tensor '%s' cannot be stored as %s (file type '%s')", t->ne[0],
                       t->name, qb_gguf_type_name(t->type_id), m->ftype->name);
    t->type_id = divides(type, t->ne[0]) ? type : QB_GGML_F16;
    return QB_OK;
}

/* Q4_0_8_8 and its kin: the matrices of the base type whose rows fill the groups; the embedding is read row
 * by row. */
static void interleave(const struct mix *m, struct qb_recipe_tensor *t, enum role role)
{
    const struct qb_layout *layout = qb_layout_get(m->ftype->layout);
    if (layout->rows <= 1 || t->type_id != m->ftype->base_type_id || role == EMBD ||
        t->ne[1] % layout->rows != 0)
        return;
    for (int id = 0; id < QB_GGML_ID_END; id++) {
        enum qb_format_id format;
        enum qb_layout_id found;
        if (qb_layout_from_gguf_id(id, &format, &found) && found == layout->id &&
            qb_format_get(format)->gguf_id == t->type_id) {
            t->type_id = id;
            return;
        }
    }
}

/* What the user wants of this tensor, or -1: types of the two ends first, then patterns. */
static int named_type(const struct mix *m, const char *name)
{
    const struct qb_recipe_options *o = m->o;
    bool embd = strcmp(name, "token_embd.weight") == 0, output = strcmp(name, "output.weight") == 0;
    int edge = m->ftype->edge_type_id;
    int output_type = o->output_type >= 0 ? o->output_type : edge;
    int embd_type = o->embd_type >= 0 ? o->embd_type : m->tied ? output_type : edge;
    if (embd && embd_type >= 0)
        return embd_type;
    if (output && output_type >= 0)
        return output_type;
    return o->override ? o->override(o->override_arg, name) : -1;
}

static enum qb_status choose(struct mix *m, struct qb_recipe_tensor *t, struct qb_err *err)
{
    enum role role = role_of(t->name, m->tied);
    bool alike = m->o->pure || qb_ftype_is_pure(m->ftype) || (m->bit & (F(F32) | F(F16) | F(BF16)));
    t->chosen_id = named_type(m, t->name);
    if (t->chosen_id < 0) { /* a tensor with a type of its own does not count */
        t->chosen_id = alike ? m->ftype->base_type_id : apply_rules(m, t, role);
        m->seen[role]++;
    }
    t->type_id = t->chosen_id;
    QB_TRY(fit_rows(m, t, err));
    interleave(m, t, role);
    return QB_OK;
}

/* Block by block, whatever order the list has: the rules count. */
static int compare_order(const void *a, const void *b, void *tensors)
{
    const struct qb_recipe_tensor *t = tensors;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    int lx = layer_of(t[x].name), ly = layer_of(t[y].name);
    return lx != ly ? (lx > ly) - (lx < ly) : (x > y) - (x < y);
}

static void init_mix(struct mix *m, const struct qb_recipe_tensor *tensors, size_t n)
{
    m->n_expert = m->hp->n_expert > 1 ? m->hp->n_expert : 1;
    m->gqa = m->hp->n_head_kv[0] > 0 ? m->hp->n_head[0] / m->hp->n_head_kv[0] : 1;
    m->tied = true;
    for (size_t i = 0; i < n; i++)
        if (strcmp(tensors[i].name, "output.weight") == 0)
            m->tied = false;
    for (size_t i = 0; i < n; i++)
        if (is_quantized(m, &tensors[i]))
            m->n[role_of(tensors[i].name, m->tied)]++;
}

enum qb_status qb_recipe_apply_options(const struct qb_ftype *ftype, const struct qb_hparams *hp,
                                       const struct qb_recipe_options *o, struct qb_recipe_tensor *tensors,
                                       size_t n, struct qb_err *err)
{
    struct mix m = {.ftype = ftype, .hp = hp, .o = o, .bit = UINT64_C(1) << ftype->mix};
    init_mix(&m, tensors, n);
    size_t *order = calloc(n + 1, sizeof *order);
    if (!order)
        return qb_fail(err, QB_ERR_MEMORY, "not enough memory for %zu tensors", n);
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, n, sizeof *order, compare_order, tensors);
    enum qb_status status = QB_OK;
    for (size_t i = 0; i < n && status == QB_OK; i++) {
        struct qb_recipe_tensor *t = &tensors[order[i]];
        t->type_id = t->chosen_id = QB_GGML_F32;
        t->kept = !is_quantized(&m, t);
        if (!t->kept)
            status = choose(&m, t, err);
    }
    free(order);
    return status;
}

enum qb_status qb_recipe_apply(const struct qb_ftype *ftype, const struct qb_hparams *hp, bool imatrix,
                               struct qb_recipe_tensor *tensors, size_t n, struct qb_err *err)
{
    struct qb_recipe_options o = QB_RECIPE_DEFAULTS;
    o.imatrix = imatrix;
    return qb_recipe_apply_options(ftype, hp, &o, tensors, n, err);
}

bool qb_recipe_needs_imatrix(const struct qb_ftype *ftype, const char *tensor, int type_id)
{
    if (strcmp(tensor, "token_embd.weight") == 0 || strcmp(tensor, "output.weight") == 0)
        return false;
    switch (type_id) {
    case QB_GGML_IQ1_S:
    case QB_GGML_IQ1_M:
    case QB_GGML_IQ2_XXS:
    case QB_GGML_IQ2_XS:
    case QB_GGML_IQ2_S:
    case QB_GGML_IQ3_XXS:
        return true;
    case QB_GGML_Q2_K:
        return ftype->mix == BIT_Q2_K_S;
    default:
        return false;
    }
}
