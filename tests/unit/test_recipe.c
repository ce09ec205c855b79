/*
 * File types and the type mix: published file sizes, the historical interleaved types, fallbacks.
 * (tests/golden compares whole mixes tensor by tensor.)
 */
#include "bench/shape_model.h"
#include "engine/ftype.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mix {
    struct qb_tensor_spec *specs;
    struct qb_recipe_tensor *tensors;
    size_t n;
    uint64_t bytes;
};

static enum qb_status make_mix(struct mix *m, const struct qb_hparams *hp, const char *ftype, bool imatrix,
                               struct qb_err *err)
{
    memset(m, 0, sizeof *m);
    assert_int_equal(qb_hparams_tensors(hp, &m->specs, &m->n, err), QB_OK);
    m->tensors = calloc(m->n, sizeof *m->tensors);
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (m->specs[i].optional)
            continue;
        m->tensors[n].name = m->specs[i].name;
        memcpy(m->tensors[n++].ne, m->specs[i].ne, sizeof m->specs[i].ne);
    }
    m->n = n;
    enum qb_status status = qb_recipe_apply(qb_ftype_by_name(ftype), hp, imatrix, m->tensors, n, err);
    for (size_t i = 0; i < n && status == QB_OK; i++) {
        size_t bytes;
        assert_true(qb_ggml_bytes(m->tensors[i].type_id, m->tensors[i].ne, &bytes));
        m->bytes += bytes;
    }
    return status;
}

static void free_mix(struct mix *m)
{
    free(m->specs);
    free(m->tensors);
}

static int type_of(const struct mix *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->tensors[i].name, name) == 0)
            return m->tensors[i].type_id;
    return -1;
}

/* Sizes from published tables and files: bytes of all tensors. */
static void sizes_are_published_ones(void **state)
{
    (void)state;
    static const struct {
        const char *shape, *ftype;
        bool imatrix;
        uint64_t bytes;
        double gib; /* as printed; 0 = not published */
    } cases[] = {
        {"qwen2.5-3b", "Q4_0", true, 1822529536, 1.70},     {"qwen2.5-3b", "Q4_0", false, 1816893440, 1.69},
        {"qwen2.5-3b", "Q4_0_8_8", true, 1816893440, 1.69}, {"qwen2.5-3b", "Q4_K_M", true, 1923946496, 1.79},
        {"qwen2.5-3b", "Q8_0", true, 3279519744, 0},        {"qwen2.5-3b", "Q6_K", true, 2532202496, 0},
        {"qwen2.5-3b", "Q3_K_L", true, 1701435392, 0},      {"qwen2.5-3b", "Q2_K", true, 1268799488, 0},
        {"qwen2.5-7b", "Q5_K_M", true, 5438877696, 0},      {"qwen2.5-7b", "Q4_1", true, 4867330048, 0},
        {"qwen2.5-7b", "BF16", true, 15231899648, 0},
    };
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_hparams hp;
        struct mix m;
        assert_int_equal(qb_shape_hparams(&hp, cases[i].shape, NULL), QB_OK);
        assert_int_equal(make_mix(&m, &hp, cases[i].ftype, cases[i].imatrix, NULL), QB_OK);
        if (m.bytes != cases[i].bytes)
            fail_msg("%s %s: %llu", cases[i].shape, cases[i].ftype, (unsigned long long)m.bytes);
        if (cases[i].gib > 0)
            assert_true(fabs((double)m.bytes / (1 << 30) - cases[i].gib) < 0.005);
        free_mix(&m);
    }
}

static void historical_types_are_interleaved(void **state)
{
    (void)state;
    static const struct {
        const char *ftype;
        int id;
    } cases[] = {{"Q4_0_4_4", QB_GGML_Q4_0_4_4},
                 {"q4_0_4_8", QB_GGML_Q4_0_4_8},
                 {"Q4_0_8_8", QB_GGML_Q4_0_8_8},
                 {"IQ4_NL_4_4", QB_GGML_IQ4_NL_4_4}};
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_hparams hp;
        struct mix m;
        assert_int_equal(qb_shape_hparams(&hp, "llama-3.1-8b", NULL), QB_OK);
        assert_int_equal(make_mix(&m, &hp, cases[i].ftype, true, NULL), QB_OK);
        assert_int_equal(type_of(&m, "blk.0.ffn_down.weight"), cases[i].id); /* no Q4_1 */
        assert_int_equal(type_of(&m, "blk.31.attn_v.weight"), cases[i].id);
        assert_int_equal(type_of(&m, "token_embd.weight"), qb_ftype_by_name(cases[i].ftype)->base_type_id);
        assert_int_equal(type_of(&m, "output.weight"), QB_GGML_Q6_K);
        assert_int_equal(type_of(&m, "blk.0.attn_norm.weight"), QB_GGML_F32);
        assert_int_equal(type_of(&m, "rope_freqs.weight"), QB_GGML_F32);
        free_mix(&m);
    }
}

/* Rows that no group of 8 fills stay plain. */
static void odd_row_counts_stay_plain(void **state)
{
    (void)state;
    struct qb_hparams hp;
    assert_int_equal(qb_shape_hparams(&hp, "llama-3.2-1b", NULL), QB_OK);
    struct qb_recipe_tensor t[] = {{.name = "output.weight", .ne = {256, 12, 1, 1}},
                                   {.name = "blk.0.attn_q.weight", .ne = {256, 12, 1, 1}},
                                   {.name = "blk.0.attn_k.weight", .ne = {256, 16, 1, 1}}};
    assert_int_equal(qb_recipe_apply(qb_ftype_by_name("Q4_0_8_8"), &hp, false, t, 3, NULL), QB_OK);
    assert_int_equal(t[0].type_id, QB_GGML_Q6_K);
    assert_int_equal(t[1].type_id, QB_GGML_Q4_0);
    assert_int_equal(t[2].type_id, QB_GGML_Q4_0_8_8);
    assert_int_equal(qb_recipe_apply(qb_ftype_by_name("Q4_0_4_4"), &hp, false, t, 3, NULL), QB_OK);
    assert_int_equal(t[1].type_id, QB_GGML_Q4_0_4_4);
}

static void rows_fall_back(void **state)
{
    (void)state;
    static const struct {
        const char *ftype;
        int64_t row;
        int expected; /* -1: refused */
    } cases[] = {{"Q4_K_S", 896, QB_GGML_Q5_0},
                 {"Q5_K_S", 896, QB_GGML_Q5_1},
                 {"Q6_K", 896, QB_GGML_Q8_0},
                 {"Q3_K_S", 896, QB_GGML_Q4_0},
                 {"IQ4_XS", 896, QB_GGML_IQ4_NL},
                 {"Q4_K_S", 250, QB_GGML_F16},
                 {"TQ1_0", 896, QB_GGML_Q4_0},
                 {"IQ2_XXS", 896, QB_GGML_IQ4_NL},
                 {"Q4_0", 250, -1},
                 {"Q8_0", 250, -1},
                 {"F16", 250, QB_GGML_F16},
                 {"Q4_K_S", 512, QB_GGML_Q4_K}};
    struct qb_hparams hp;
    assert_int_equal(qb_shape_hparams(&hp, "llama-3.2-1b", NULL), QB_OK);
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_err err = {0};
        struct qb_recipe_tensor t = {.name = "blk.9.attn_q.weight", .ne = {cases[i].row, 64, 1, 1}};
        enum qb_status status = qb_recipe_apply(qb_ftype_by_name(cases[i].ftype), &hp, true, &t, 1, &err);
        assert_int_equal(status, cases[i].expected < 0 ? QB_ERR_USAGE : QB_OK);
        if (status == QB_OK)
            assert_int_equal(t.type_id, cases[i].expected);
        else
            assert_non_null(strstr(err.message, "250"));
    }
}

static void order_of_the_list_does_not_matter(void **state)
{
    (void)state;
    struct qb_hparams hp;
    struct mix m;
    assert_int_equal(qb_shape_hparams(&hp, "qwen2.5-1.5b", NULL), QB_OK);
    assert_int_equal(make_mix(&m, &hp, "Q4_K_M", true, NULL), QB_OK);
    struct qb_recipe_tensor *reversed = calloc(m.n, sizeof *reversed);
    for (size_t i = 0; i < m.n; i++)
        reversed[i] = m.tensors[m.n - 1 - i];
    assert_int_equal(qb_recipe_apply(qb_ftype_by_name("Q4_K_M"), &hp, true, reversed, m.n, NULL), QB_OK);
    for (size_t i = 0; i < m.n; i++)
        assert_int_equal(reversed[i].type_id, m.tensors[m.n - 1 - i].type_id);
    free(reversed);
    free_mix(&m);
}

static void file_types_are_found(void **state)
{
    (void)state;
    size_t n;
    const struct qb_ftype *all = qb_ftypes(&n);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(qb_ftype_by_name(all[i].name), &all[i]);
        if (all[i].gguf_id >= 0) /* _L, _XL and MXFP4 share the number of the type whose rules they follow */
            assert_int_equal(qb_ftype_by_gguf_id(all[i].gguf_id)->gguf_id, all[i].gguf_id);
        if (all[i].gguf_id >= 0 && all[i].mix == (int)i && strcmp(all[i].name, "MXFP4") != 0)
            assert_ptr_equal(qb_ftype_by_gguf_id(all[i].gguf_id), &all[i]);
    }
    assert_string_equal(qb_ftype_by_name("q4_k")->name, "Q4_K_M");
    assert_string_equal(qb_ftype_nearest("Q4_K_MM")->name, "Q4_K_M");
    assert_int_equal(qb_ftype_by_name("Q3_K_XL")->gguf_id, 13);
    assert_string_equal(qb_ftype_by_name("q4_k_m")->display, "Q4_K - Medium");
    assert_string_equal(qb_ftype_by_gguf_id(30)->display, "IQ4_XS - 4.25 bpw");
    assert_null(qb_ftype_by_name("Q4_K_X"));
    assert_null(qb_ftype_by_gguf_id(4));
    assert_null(qb_ftype_by_gguf_id(-1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_published_ones),
        cmocka_unit_test(historical_types_are_interleaved),
        cmocka_unit_test(odd_row_counts_stay_plain),
        cmocka_unit_test(rows_fall_back),
        cmocka_unit_test(order_of_the_list_does_not_matter),
        cmocka_unit_test(file_types_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
