/*
 * The type of every tensor in every file type, for the model shapes of quant-recipes/: must be exactly the
 * expected one; and the list of tensors of such models.
 */
#include "engine/ftype.h"
#include "tests/golden/golden.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One model shape of the set. */
struct model {
    const char *name;
    struct qb_hparams hp;
    const json_t *shapes; /* tensor -> [row length, rows, (experts)] */
    const json_t *recipes;
};

static void read_hparams(struct qb_hparams *hp, const json_t *model)
{
    memset(hp, 0, sizeof *hp);
    strncpy(hp->arch, golden_string(model, "architecture"), sizeof hp->arch - 1);
    hp->n_layer = (int)golden_int(model, "block_count");
    hp->n_expert = (int)golden_int(model, "expert_count");
    if (hp->n_layer > QB_MAX_LAYERS)
        hp->n_layer = QB_MAX_LAYERS;
    for (int l = 0; l < hp->n_layer; l++) {
        hp->n_head[l] = (int)golden_int(model, "head_count");
        hp->n_head_kv[l] = (int)golden_int(model, "head_count_kv");
    }
}

/* The rest of what the list of tensors needs. */
static void read_sizes(struct qb_hparams *hp, const json_t *model)
{
    hp->n_embd = (int)golden_int(model, "embedding_length");
    hp->n_vocab = (int)golden_int(model, "vocab_size");
    hp->head_dim_k = hp->head_dim_v = (int)golden_int(model, "head_dim");
    hp->tied_embeddings = json_is_true(json_object_get(model, "tied_output"));
    for (int l = 0; l < hp->n_layer; l++)
        hp->n_ff[l] = (int)golden_int(model, "feed_forward_length");
}

static bool same_dims(const json_t *dims, const int64_t *ne)
{
    for (size_t d = 0; d < 4; d++)
        if (ne[d] != (d < json_array_size(dims) ? json_integer_value(json_array_get(dims, d)) : 1))
            return false;
    return true;
}

/* Does the engine list exactly these matrices for such a model? Routers are not in the set. */
static void check_list(struct golden *g, const struct model *m)
{
    struct qb_tensor_spec *list;
    struct qb_err err = {0};
    size_t n, found = 0;
    if (qb_hparams_list(&m->hp, &list, &n, &err) != QB_OK) {
        golden_skip(g, "%s: %s", m->name, err.message);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *dims = json_object_get(m->shapes, list[i].name);
        if (list[i].n_dims < 2 || strstr(list[i].name, "ffn_gate_inp.weight"))
            continue;
        if (!dims || !same_dims(dims, list[i].ne))
            golden_fail(g, "%s: tensor %s is not in the set, or has another shape", m->name, list[i].name);
        found++;
    }
    if (found == json_object_size(m->shapes))
        golden_pass(g);
    else
        golden_fail(g, "%s: %zu matrices, expected %zu", m->name, found, json_object_size(m->shapes));
    free(list);
}

static struct qb_recipe_tensor *list_tensors(const json_t *shapes, size_t *n)
{
    struct qb_recipe_tensor *list = calloc(json_object_size(shapes) + 1, sizeof *list);
    const char *name;
    json_t *dims;
    *n = 0;
    if (!list)
        return NULL;
    json_object_foreach((json_t *)(uintptr_t)shapes, name, dims)
    {
        list[*n].name = name;
        for (size_t d = 0; d < 4; d++)
            list[*n].ne[d] = d < json_array_size(dims) ? json_integer_value(json_array_get(dims, d)) : 1;
        ++*n;
    }
    return list;
}

/* The expected map; a recipe may refer to an earlier one that is the same. */
static const json_t *expected_types(const struct model *m, const json_t *recipe)
{
    const json_t *same = json_object_get(recipe, "same_tensors_as_recipe");
    if (json_is_integer(same))
        recipe = json_array_get(m->recipes, (size_t)json_integer_value(same));
    return json_object_get(recipe, "tensors");
}

static void compare(struct golden *g, const struct model *m, const json_t *recipe,
                    const struct qb_recipe_tensor *list, size_t n)
{
    const json_t *expected = expected_types(m, recipe);
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        const char *want = golden_string(expected, list[i].name), *got = qb_gguf_type_name(list[i].type_id);
        if (strcasecmp(want, got) == 0)
            continue;
        if (wrong++ == 0)
            golden_fail(g, "%s %s: %s is %s, expected %s", m->name, golden_string(recipe, "ftype"),
                        list[i].name, got, want);
    }
    if (n == 0 || json_object_size(expected) != n)
        golden_fail(g, "%s %s: %zu tensors, expected %zu", m->name, golden_string(recipe, "ftype"), n,
                    json_object_size(expected));
    else if (wrong == 0)
        golden_pass(g);
}

static void check_recipe(struct golden *g, const struct model *m, const json_t *recipe)
{
    const struct qb_ftype *ftype = qb_ftype_by_name(golden_string(recipe, "ftype"));
    if (!ftype) {
        golden_skip(g, "%s: file type '%s' is not built", m->name, golden_string(recipe, "ftype"));
        return;
    }
    size_t n;
    struct qb_recipe_tensor *list = list_tensors(m->shapes, &n);
    struct qb_err err = {0};
    bool imatrix = json_is_true(json_object_get(recipe, "imatrix"));
    enum qb_status status = list ? qb_recipe_apply(ftype, &m->hp, imatrix, list, n, &err) : QB_ERR_MEMORY;
    bool refused = json_object_get(recipe, "error") != NULL;
    if (refused && status == QB_ERR_USAGE)
        golden_pass(g);
    else if (refused || status != QB_OK)
        golden_fail(g, "%s %s: %s", m->name, ftype->name,
                    refused ? "accepted, expected an error" : err.message);
    else
        compare(g, m, recipe, list, n);
    free(list);
}

static void check_file(struct golden *g, const json_t *entry)
{
    static struct model m;
    json_t *root = golden_index(g, golden_string(entry, "file"));
    if (!root)
        return;
    m.name = golden_string(entry, "name");
    m.shapes = json_object_get(root, "shapes");
    m.recipes = json_object_get(root, "recipes");
    read_hparams(&m.hp, json_object_get(root, "model"));
    read_sizes(&m.hp, json_object_get(root, "model"));
    check_list(g, &m);
    size_t i;
    json_t *recipe;
    json_array_foreach(m.recipes, i, recipe) check_recipe(g, &m, recipe);
    json_decref(root);
}

int main(int argc, char **argv)
{
    struct golden g;
    size_t i;
    json_t *entry;
    if (!golden_open(&g, "quant-recipes", argc, argv))
        return GOLDEN_SKIPPED;
    json_t *index = golden_index(&g, "index.json");
    json_array_foreach(json_object_get(index, "files"), i, entry) check_file(&g, entry);
    json_decref(index);
    return golden_close(&g);
}
