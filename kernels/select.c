/*
 * Choosing kernels: for every operation and key the registry row of the highest ISA level within the limit.
 *
 * A limit of AVX512 does not mean that the CPU has AVX-VNNI: rows that it does not run are passed over.
 *
 * BF16 weights are the one case where rows must be chosen together: kernels from the bf16 level up keep bf16
 * in panels and activations, those below it widen to f32. They are used only if tile, activations and every
 * layout have them.
 */
#include "kernels/kernels.h"
#include "kernels/matrix.h"
#include "kernels/panel_form.h"
#include <string.h>

/* May this row serve a set? Rows of BF16 weights must be on the set's side of the bf16 level. */
static bool row_allowed(const struct qb_kernel *k, enum qb_isa limit, bool bf16)
{
    bool bf16_weights = (k->op == QB_OP_DECODE_PANEL || k->op == QB_OP_GEMV) && k->key == QB_FORMAT_BF16;
    if (bf16_weights && bf16 != (k->isa >= QB_ISA_AVX512BF16))
        return false;
    return k->isa <= limit && qb_cpu_runs(k->isa);
}

static const struct qb_kernel *find_row(enum qb_isa limit, bool bf16, enum qb_op op, int key, int key2)
{
    size_t n;
    const struct qb_kernel *rows = qb_kernels(&n), *best = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct qb_kernel *k = &rows[i];
        if (k->op == op && k->key == key && k->key2 == key2 && row_allowed(k, limit, bf16) &&
            (!best || k->isa > best->isa))
            best = k;
    }
    return best;
}

static bool layout_exists(enum qb_layout_id layout, const struct qb_format *f)
{
    return qb_layout_fits(layout, f, qb_layout_get(layout)->rows);
}

static bool has_bf16_row(enum qb_isa limit, enum qb_op op, int key, int key2)
{
    const struct qb_kernel *k = find_row(limit, true, op, key, key2);
    return k && k->isa >= QB_ISA_AVX512BF16;
}

static bool bf16_complete(enum qb_isa limit)
{
    if (limit < QB_ISA_AVX512BF16 || !has_bf16_row(limit, QB_OP_TILE, QB_TILE_BF16, 0) ||
        !find_row(limit, true, QB_OP_ACT, QB_ACT_BF16, 0))
        return false;
    for (int l = 0; l < QB_LAYOUT_COUNT; l++)
        if (layout_exists((enum qb_layout_id)l, qb_format_get(QB_FORMAT_BF16)) &&
            (!has_bf16_row(limit, QB_OP_DECODE_PANEL, QB_FORMAT_BF16, l) ||
             !has_bf16_row(limit, QB_OP_GEMV, QB_FORMAT_BF16, l)))
            return false;
    return true;
}

/* Finds rows for one set and remembers the first slot that stayed empty. */
struct chooser {
    enum qb_isa limit;
    bool bf16;
    struct qb_kernel missing; /* valid if any */
    bool any_missing;
};

static const struct qb_kernel *choose_row(struct chooser *c, enum qb_op op, int key, int key2)
{
    const struct qb_kernel *k = find_row(c->limit, c->bf16, op, key, key2);
    if (!k && !c->any_missing) {
        c->missing = (struct qb_kernel){.op = op, .key = key, .key2 = key2};
        c->any_missing = true;
    }
    return k;
}

static void (*choose(struct chooser *c, enum qb_op op, int key, int key2))(void)
{
    const struct qb_kernel *k = choose_row(c, op, key, key2);
    return k ? k->fn : NULL;
}

/* NULL where no level has one. */
static void (*find_fn(const struct chooser *c, enum qb_op op, int key, int key2))(void)
{
    const struct qb_kernel *k = find_row(c->limit, c->bf16, op, key, key2);
    return k ? k->fn : NULL;
}

static void choose_matrix_kernels(struct chooser *c, struct qb_kernel_set *set)
{
    for (int f = 0; f < QB_FORMAT_COUNT; f++) {
        for (int l = 0; l < QB_LAYOUT_COUNT; l++) {
            if (!layout_exists((enum qb_layout_id)l, qb_format_get((enum qb_format_id)f)))
                continue;
            set->decode_panel[f][l] = (qb_decode_panel_fn *)choose(c, QB_OP_DECODE_PANEL, f, l);
            set->gemv[f][l] = (qb_gemv_fn *)choose(c, QB_OP_GEMV, f, l);
        }
    }
    for (int a = 0; a < QB_ACT_KIND_COUNT; a++)
        set->act[a] = (qb_act_fn *)choose(c, QB_OP_ACT, a, 0);
    set->scale_steps = (qb_scale_steps_fn *)find_fn(c, QB_OP_SCALE_STEPS, 0, 0);
    set->fix_scales = (qb_fix_scales_fn *)find_fn(c, QB_OP_FIX_SCALES, 0, 0);
}

/* Do tiles of a class, which take no planes, multiply activations of a kind? */
static bool tile_takes(enum qb_tile_class t, enum qb_act_kind kind)
{
    int block = qb_act_block(kind);
    if (block == 0)
        return t == (kind == QB_ACT_BF16 ? QB_TILE_BF16 : QB_TILE_F32);
    return block == 32 ? t <= QB_TILE_M32_A32 : t > QB_TILE_M32_A32 && t < QB_TILE_F32;
}

/* Operations of matrix units, which no set must have. */
static void choose_planes(struct chooser *c, struct qb_kernel_set *set)
{
    const struct qb_kernel *i8 = find_row(c->limit, c->bf16, QB_OP_TILE, QB_TILE_PLANES_INT8, 0);
    const struct qb_kernel *bf16 = find_row(c->limit, c->bf16, QB_OP_TILE, QB_TILE_PLANES_BF16, 0);
    for (int kind = 0; kind < QB_ACT_KIND_COUNT; kind++) {
        const struct qb_kernel *split = find_row(c->limit, c->bf16, QB_OP_SPLIT_PANEL, kind, 0);
        set->split_panel[kind] = split ? (qb_split_panel_fn *)split->fn : NULL;
    }
    set->planes = set->bf16 && i8 && bf16 && set->split_panel[QB_ACT_BF16] && set->split_panel[QB_ACT_Q8_256];
    if (!set->planes)
        return;
    set->tile[QB_TILE_PLANES_INT8] = (qb_tile_fn *)i8->fn;
    set->tile[QB_TILE_PLANES_BF16] = (qb_tile_fn *)bf16->fn;
    set->planes_cols = i8->max_cols < bf16->max_cols ? i8->max_cols : bf16->max_cols;
}

/* The tile kernels, and for each kind of activations the width of the narrowest that takes them. */
static void choose_tiles(struct chooser *c, struct qb_kernel_set *set)
{
    for (int kind = 0; kind < QB_ACT_KIND_COUNT; kind++)
        set->tile_cols[kind] = QB_MAX_VECTOR_COLS;
    for (int t = 0; t < QB_TILE_PLANES_INT8; t++) {
        const struct qb_kernel *k = choose_row(c, QB_OP_TILE, t, 0);
        set->tile[t] = k ? (qb_tile_fn *)k->fn : NULL;
        for (int kind = 0; kind < QB_ACT_KIND_COUNT; kind++)
            if (k && tile_takes((enum qb_tile_class)t, (enum qb_act_kind)kind) &&
                k->max_cols < set->tile_cols[kind])
                set->tile_cols[kind] = k->max_cols;
    }
    choose_planes(c, set);
}

static void choose_vector_kernels(struct chooser *c, struct qb_kernel_set *set)
{
    set->pack = (qb_pack_fn *)choose(c, QB_OP_PACK, 0, 0);
    set->rms_norm = (qb_rms_norm_fn *)choose(c, QB_OP_RMS_NORM, 0, 0);
    set->silu_mul = (qb_silu_mul_fn *)choose(c, QB_OP_SILU_MUL, 0, 0);
    set->rope_norm = (qb_rope_fn *)choose(c, QB_OP_ROPE_NORM, 0, 0);
    set->rope_neox = (qb_rope_fn *)choose(c, QB_OP_ROPE_NEOX, 0, 0);
    for (int t = 0; t < QB_KV_TYPE_COUNT; t++) {
        set->k_store[t] = (qb_kv_store_fn *)choose(c, QB_OP_K_STORE, t, 0);
        set->v_store[t] = (qb_kv_store_fn *)choose(c, QB_OP_V_STORE, t, 0);
        for (int v = 0; v < QB_KV_TYPE_COUNT; v++)
            set->attention[t][v] = (qb_attention_fn *)choose(c, QB_OP_ATTENTION, t, v);
        for (int v = 0; v < QB_KV_TYPE_COUNT; v++) {
            set->attention_i16[t][v] = (qb_attention_fn *)find_fn(c, QB_OP_ATTENTION_I16, t, v);
            set->attention_planes[t][v] = (qb_attention_fn *)find_fn(c, QB_OP_ATTENTION_PLANES, t, v);
        }
    }
}

enum qb_status qb_kernel_set_select(struct qb_kernel_set *set, enum qb_isa limit, struct qb_err *err)
{
    enum qb_isa best = qb_cpu_isa();
    if (limit == QB_ISA_AUTO)
        limit = best;
    if (!qb_cpu_runs(limit))
        return qb_fail(err, QB_ERR_UNSUPPORTED, "this machine does not run '%s' (its best is '%s')",
                       qb_isa_name(limit), qb_isa_name(best));
    memset(set, 0, sizeof *set);
    set->isa = limit;
    set->bf16 = bf16_complete(limit);
    struct chooser c = {.limit = limit, .bf16 = set->bf16};
    choose_matrix_kernels(&c, set);
    choose_tiles(&c, set);
    choose_vector_kernels(&c, set);
    if (!c.any_missing)
        return QB_OK;
    char key[64];
    qb_kernel_key_text(&c.missing, key, sizeof key);
    return qb_fail(err, QB_ERR_UNSUPPORTED, "this build has no kernel for '%s %s' under '%s'",
                   qb_op_name(c.missing.op), key, qb_isa_name(limit));
}

enum qb_status qb_kernel_set_select_reference(struct qb_kernel_set *set, enum qb_isa limit,
                                              struct qb_err *err)
{
    QB_TRY(qb_kernel_set_select(set, limit, err));
    set->reference = true;
    set->bf16 = set->planes = false;
    memset(set->gemv, 0, sizeof set->gemv);
    memset(set->attention_i16, 0, sizeof set->attention_i16);
    memset(set->attention_planes, 0, sizeof set->attention_planes);
    for (int f = 0; f < QB_FORMAT_COUNT; f++)
        for (int l = 0; l < QB_LAYOUT_COUNT; l++)
            if (set->decode_panel[f][l])
                set->decode_panel[f][l] = qb_decode_panel_f32;
    return QB_OK;
}

const struct qb_kernel *qb_kernel_set_row(const struct qb_kernel_set *set, enum qb_op op, int key, int key2)
{
    /* The reference path decodes with a function that is no registry row; attention stays in f32. */
    if (set->reference && (op == QB_OP_DECODE_PANEL || op == QB_OP_GEMV || op == QB_OP_ATTENTION_I16 ||
                           op == QB_OP_ATTENTION_PLANES))
        return NULL;
    return find_row(set->isa, set->bf16, op, key, key2);
}

/* A layout is worth a copy of the weights when it has kernels of its own above the scalar level. */
static enum qb_isa layout_level(const struct qb_kernel_set *set, const struct qb_format *f,
                                enum qb_layout_id l)
{
    const struct qb_kernel *gemv = qb_kernel_set_row(set, QB_OP_GEMV, f->id, l);
    const struct qb_kernel *panel = qb_kernel_set_row(set, QB_OP_DECODE_PANEL, f->id, l);
    if (!gemv || !panel)
        return QB_ISA_SCALAR;
    return gemv->isa < panel->isa ? gemv->isa : panel->isa;
}

enum qb_layout_id qb_kernel_set_auto_layout(const struct qb_kernel_set *set, const struct qb_format *f,
                                            int64_t n_rows)
{
    static const enum qb_layout_id preference[] = {QB_LAYOUT_R16, QB_LAYOUT_8X8, QB_LAYOUT_8X4, QB_LAYOUT_4X8,
                                                   QB_LAYOUT_4X4};
    enum qb_layout_id best = QB_LAYOUT_PLAIN;
    enum qb_isa best_level = QB_ISA_SCALAR;
    for (size_t i = 0; i < QB_ARRAY_LEN(preference); i++) {
        if (!qb_layout_fits(preference[i], f, n_rows) || layout_level(set, f, preference[i]) <= best_level)
            continue;
        best = preference[i];
        best_level = layout_level(set, f, best);
    }
    return best_level >= layout_level(set, f, QB_LAYOUT_PLAIN) ? best : QB_LAYOUT_PLAIN;
}

enum qb_act_kind qb_kernel_set_act(const struct qb_kernel_set *set, const struct qb_format *f, int n_cols)
{
    if (set->reference || (f->act == QB_ACT_BF16 && !set->bf16))
        return QB_ACT_F32;
    enum qb_act_kind act = qb_panel_form(f, set->isa).act;
    int many = qb_panel_is_one_plane(f) ? QB_ONE_PLANE_COLS : QB_PLANES_BF16_COLS;
    /* matrix units have no use for scales per 32 */
    bool split = set->planes && n_cols >= many && qb_act_block(act) == 32;
    return split ? QB_ACT_BF16 : act;
}

/* Do activations of a kind meet planes? */
static bool takes_planes(const struct qb_kernel_set *set, enum qb_act_kind kind, int n_cols)
{
    if (!set->planes)
        return false;
    return kind == QB_ACT_BF16 ? n_cols > QB_GEMV_MAX_COLS
                               : kind == QB_ACT_Q8_256 && n_cols >= QB_PLANES_INT8_COLS;
}

int qb_kernel_set_tile_cols(const struct qb_kernel_set *set, enum qb_act_kind kind, int n_cols)
{
    return takes_planes(set, kind, n_cols) ? set->planes_cols : set->tile_cols[kind];
}

/* The class of an integer format by the traits of its panels. */
static enum qb_tile_class integer_class(const struct qb_format *f)
{
    static const struct {
        int act; /* values under one scale of the activations */
        int sub;
        enum qb_min_kind min;
        bool wide;
        enum qb_tile_class tile_class;
    } classes[] = {
        {32, 16, QB_MIN_NONE, false, QB_TILE_S16_A32},
        {32, 32, QB_MIN_NONE, false, QB_TILE_S32_A32},
        {32, 32, QB_MIN_NONE, true, QB_TILE_S32_A32_WIDE},
        {32, 32, QB_MIN_F32, false, QB_TILE_M32_A32},
        {256, 16, QB_MIN_NONE, false, QB_TILE_S16_A256},
        {256, 32, QB_MIN_NONE, false, QB_TILE_S32_A256},
        {256, 32, QB_MIN_NONE, true, QB_TILE_S32_A256_WIDE},
        {256, 32, QB_MIN_I16, false, QB_TILE_M32_A256},
        {256, 256, QB_MIN_NONE, false, QB_TILE_S256_A256},
        {256, 256, QB_MIN_NONE, true, QB_TILE_S256_A256_WIDE},
        {256, 256, QB_MIN_I16_16, false, QB_TILE_S256_M16_A256},
        {256, 256, QB_MIN_I16, false, QB_TILE_S256_M32_A256},
    };
    bool wide = f->offset_shift == 7;
    for (size_t i = 0; i < QB_ARRAY_LEN(classes); i++)
        if (classes[i].act == qb_act_block(f->act) && classes[i].sub == f->sub && classes[i].min == f->min &&
            classes[i].wide == wide)
            return classes[i].tile_class;
    QB_BUG("no tile class for %s", f->name);
}

enum qb_tile_class qb_kernel_set_tile_class(const struct qb_kernel_set *set, const struct qb_format *f,
                                            int n_cols)
{
    enum qb_act_kind act = qb_kernel_set_act(set, f, n_cols);
    bool planes = takes_planes(set, act, n_cols);
    switch (act) {
    case QB_ACT_F32:
        return QB_TILE_F32;
    case QB_ACT_BF16:
        return planes ? QB_TILE_PLANES_BF16 : QB_TILE_BF16;
    default:;
        const struct qb_format form = qb_panel_form(f, set->isa);
        return planes ? QB_TILE_PLANES_INT8 : integer_class(&form);
    }
}
