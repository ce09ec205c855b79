/*
 * The table of model shapes: every row is complete, lookups ignore case and know aliases, parameter totals
 * are the published ones.
 */
#include "bench/shape_model.h"
#include "datasets/shapes.h"
#include "tests/unit/cmocka_all.h"
#include <stdlib.h>
#include <string.h>

static void every_shape_is_complete(void **state)
{
    (void)state;
    struct qb_shape *all;
    size_t n;
    assert_int_equal(qb_shapes_load(&all, &n, NULL), QB_OK);
    assert_true(n >= 20);
    for (size_t i = 0; i < n; i++) {
        const struct qb_shape *s = &all[i];
        assert_true(s->n_layer > 0 && s->n_embd > 0 && s->n_vocab > 0 && s->n_ctx > 0 && s->head_dim > 0);
        assert_true(s->n_head[0] > 0 && s->n_head_kv[0] > 0 && s->norm_eps > 0 && s->rope_base > 0 &&
                    s->n_params > 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(s->name, all[k].name);
    }
    free(all);
}

/* Dense llama and qwen2 shapes give hyper-parameters whose tensors add up to the published total; others are
 * refused by name. */
static void parameter_totals_are_published_ones(void **state)
{
    (void)state;
    struct qb_shape *all;
    size_t n, supported = 0;
    assert_int_equal(qb_shapes_load(&all, &n, NULL), QB_OK);
    for (size_t i = 0; i < n; i++) {
        struct qb_hparams hp;
        struct qb_err err = {0};
        bool ours =
            (strcmp(all[i].arch, "llama") == 0 || strcmp(all[i].arch, "qwen2") == 0) && all[i].n_expert == 0;
        enum qb_status status = qb_shape_hparams(&hp, all[i].name, &err);
        assert_int_equal(status, ours ? QB_OK : QB_ERR_UNSUPPORTED);
        if (!ours)
            assert_non_null(strstr(err.message, all[i].arch));
        assert_int_equal(qb_shape_describe(&hp, all[i].name, &err), QB_OK); /* sizes of all are known */
        assert_int_equal(qb_hparams_n_params(&hp), all[i].n_params);
        supported += ours;
    }
    assert_true(supported >= 13);
    free(all);
}

static void names_are_found_in_any_case(void **state)
{
    (void)state;
    static const char *const names[] = {"Qwen2.5-3B", "qwen2.5-3b", "QWEN2.5-3B-INSTRUCT"};
    for (size_t i = 0; i < QB_ARRAY_LEN(names); i++) {
        struct qb_shape s;
        assert_int_equal(qb_shape_find(&s, names[i], NULL), QB_OK);
        assert_string_equal(s.name, "Qwen2.5-3B");
        assert_int_equal(s.n_params, 3085938688);
    }
    assert_string_equal(qb_shape_name("shape:x"), "x");
    assert_null(qb_shape_name("x.gguf"));
}

static void unknown_names_get_a_suggestion(void **state)
{
    (void)state;
    struct qb_shape s;
    struct qb_err err;
    char longer[300];
    assert_int_equal(qb_shape_find(&s, "qwen25-3b", &err), QB_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "'qwen2.5-3b'"));
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(qb_shape_find(&s, longer, &err), QB_ERR_NOT_FOUND);
    assert_int_equal(qb_shape_find(&s, "", &err), QB_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_complete),
        cmocka_unit_test(parameter_totals_are_published_ones),
        cmocka_unit_test(names_are_found_in_any_case),
        cmocka_unit_test(unknown_names_get_a_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
