/*
 * From options to the matrix of cases.
 */
#include "bench/suite.h"
#include "tests/unit/cmocka_all.h"
#include <string.h>

static void add_int(struct qb_int_list *l, const char *text)
{
    assert_int_equal(qb_int_list_parse(l, text, "test", 0, 1e6, NULL), QB_OK);
}

static void add_name(struct qb_str_list *l, const char *text)
{
    assert_int_equal(qb_str_list_add(l, text, NULL), QB_OK);
}

/* What the option table fills in. */
static void defaults(struct qb_bench_options *o)
{
    *o = (struct qb_bench_options){.imatrix_mix = true, .warmup = true, .seed = 42};
    add_int(&o->n_depth, "0");
    add_int(&o->n_batch, "2048");
    add_int(&o->n_ubatch, "512");
    add_int(&o->threads, "0");
    add_name(&o->type_k, "f16");
    add_name(&o->type_v, "f16");
    add_name(&o->isa, "auto");
}

static void release(struct qb_bench_options *o)
{
    struct qb_str_list *names[] = {&o->models, &o->formats, &o->pg, &o->type_k, &o->type_v, &o->isa};
    struct qb_int_list *ints[] = {&o->n_prompt, &o->n_gen,   &o->n_depth,      &o->n_batch,
                                  &o->n_ubatch, &o->threads, &o->threads_batch};
    for (size_t i = 0; i < QB_ARRAY_LEN(names); i++)
        qb_str_list_release(names[i]);
    for (size_t i = 0; i < QB_ARRAY_LEN(ints); i++)
        qb_int_list_release(ints[i]);
}

static void test_defaults(void **state)
{
    (void)state;
    struct qb_bench_options o;
    struct qb_suite s;
    struct qb_err err = {0};
    defaults(&o);
    assert_int_equal(qb_bench_options_complete(&o, &err), QB_OK);
    assert_int_equal(qb_suite_init(&s, &o, 3, &err), QB_OK);
    assert_int_equal(s.n_variants, 7);
    assert_int_equal(s.n_cases, 21);
    assert_int_equal(s.rounds, 5);
    assert_string_equal(s.variants[0].source, "shape:qwen2.5-1.5b");
    assert_string_equal(s.variants[1].name, "Q4_0_8_8");
    assert_int_equal(s.variants[1].layout, QB_LAYOUT_8X8);
    assert_int_equal(s.configs[0].n_threads, 3);
    assert_int_equal(s.configs[0].n_ctx, 1024);
    qb_suite_release(&s);
    release(&o);
}

static void test_card(void **state)
{
    (void)state;
    struct qb_bench_options o;
    struct qb_suite s;
    struct qb_err err = {0};
    static const char *const tests[] = {"pp512", "pp1024", "pp2048", "tg128", "tg256", "tg512"};
    static const char *const names[] = {"Q4_0", "Q4_K_M", "Q4_0_8_8"};
    char name[64];
    defaults(&o);
    o.preset = QB_PRESET_CARD;
    assert_int_equal(qb_bench_options_complete(&o, &err), QB_OK);
    assert_int_equal(qb_suite_init(&s, &o, 64, &err), QB_OK);
    assert_int_equal(s.n_cases, 18);
    for (size_t i = 0; i < 18; i++) {
        qb_test_name(&s.cases[i].test, name, sizeof name);
        assert_string_equal(name, tests[i % 6]);
        assert_string_equal(s.variants[s.configs[s.cases[i].config].variant].name, names[i / 6]);
    }
    qb_suite_release(&s);
    release(&o);
}

static void test_matrix(void **state)
{
    (void)state;
    struct qb_bench_options o;
    struct qb_suite s;
    struct qb_err err = {0};
    char name[64];
    defaults(&o);
    add_name(&o.models, "shape:llama-3.2-1b");
    add_name(&o.models, "a.gguf");
    add_name(&o.formats, "Q4_0");
    add_name(&o.formats, "Q4_0@r16");
    add_name(&o.formats, "q4_k_m@AUTO");
    add_int(&o.n_prompt, "32");
    add_int(&o.n_gen, "0");
    add_name(&o.pg, "64");
    add_name(&o.pg, "16");
    add_int(&o.threads, "1,2");
    add_int(&o.threads_batch, "4,8");
    add_int(&o.n_depth, "100");
    assert_int_equal(qb_bench_options_complete(&o, &err), QB_OK);
    int st = qb_suite_init(&s, &o, 2, &err);
    assert_int_equal(st, QB_OK);
    assert_int_equal(s.n_variants, 6);
    assert_string_equal(s.variants[1].name, "Q4_0@r16");
    assert_string_equal(s.variants[2].name, "Q4_K_M@auto");
    assert_int_equal(s.n_configs, 6 * 3 * 2);       /* threads 0,1,2 x threads-batch 4,8 */
    assert_int_equal(s.n_cases, 6 * 3 * 2 * 2 * 2); /* x (pp32, pp64+tg16) x depths 0, 100 */
    qb_test_name(&s.cases[3].test, name, sizeof name);
    assert_string_equal(name, "pp64+tg16 @ d100");
    assert_true(qb_cases_comparable(&s, 0, s.n_cases / 6));
    assert_false(qb_cases_comparable(&s, 0, 1));
    qb_suite_release(&s);
    release(&o);
}

static void refused(struct qb_bench_options *o, const char *part)
{
    struct qb_suite s;
    struct qb_err err = {0};
    enum qb_status st = qb_bench_options_complete(o, &err);
    if (st == QB_OK)
        st = qb_suite_init(&s, o, 1, &err);
    assert_int_equal(st, QB_ERR_USAGE);
    if (!strstr(err.message, part))
        fail_msg("'%s' is not in '%s'", part, err.message);
    release(o);
}

static void test_refusals(void **state)
{
    (void)state;
    struct qb_bench_options o;
    defaults(&o);
    add_name(&o.formats, "Q4_9");
    refused(&o, "unknown file type 'Q4_9'");
    defaults(&o);
    add_name(&o.formats, "Q4_0@9x9");
    refused(&o, "unknown layout '9x9'");
    defaults(&o);
    add_int(&o.n_prompt, "0");
    add_int(&o.n_gen, "0");
    refused(&o, "nothing to time");
    defaults(&o);
    o.quiet = o.progress = true;
    refused(&o, "'--quiet' and '--progress'");
    defaults(&o);
    add_name(&o.pg, "512");
    refused(&o, "pairs");
    defaults(&o);
    o.layout = "plane";
    refused(&o, "unknown layout 'plane'");
    defaults(&o);
    add_name(&o.type_k, "q9");
    refused(&o, "unknown cache type 'q9'");
}

/* Every type of the published card becomes a variant. */
static void test_card_list(void **state)
{
    (void)state;
    struct qb_bench_options o;
    struct qb_suite s;
    struct qb_err err = {0};
    defaults(&o);
    add_name(&o.formats, "card");
    assert_int_equal(qb_bench_options_complete(&o, &err), QB_OK);
    assert_int_equal(o.formats.n, 25);
    assert_int_equal(qb_suite_init(&s, &o, 1, &err), QB_OK);
    for (size_t i = 0; i < s.n_variants; i++)
        assert_string_equal(s.variants[i].ftype->name, s.variants[i].name);
    qb_suite_release(&s);
    release(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_defaults), cmocka_unit_test(test_card),
                                       cmocka_unit_test(test_matrix), cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_card_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
