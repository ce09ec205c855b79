/*
 * Option tables: every kind, every spelling, ranges, and the text of each error.
 */
#include "base/options.h"

#include "tests/unit/cmocka_all.h"
#include <string.h>

struct target {
    bool progress, verbose;
    int64_t n_prompt, seed;
    double confidence;
    const char *output;
    int form;
    struct qb_str_list formats;
    struct qb_int_list threads, pairs, batches;
};

static const char *const forms[] = {"md", "csv", "json", NULL};

#define AT(f) offsetof(struct target, f)
static const struct qb_option table[] = {
    {NULL, NULL, QB_OPT_HEADING, 0, NULL, "What to measure", NULL, 0, 0, NULL},
    {"progress", NULL, QB_OPT_FLAG, AT(progress), NULL, "show progress", "1", 0, 0, NULL},
    {"verbose", "v", QB_OPT_FLAG, AT(verbose), NULL, "say more", NULL, 0, 0, NULL},
    {"n-prompt", "p", QB_OPT_INT, AT(n_prompt), "N", "prompt tokens.", "512", 0, 100000, NULL},
    {"seed", NULL, QB_OPT_INT, AT(seed), "N", "seed", "-5", 0, 0, NULL},
    {"confidence", "c", QB_OPT_DOUBLE, AT(confidence), "X", "confidence", "0.95", 0.5, 0.999, NULL},
    {"output-file", "of", QB_OPT_STRING, AT(output), "FILE", "where to write", NULL, 0, 0, NULL},
    {"output", "o", QB_OPT_CHOICE, AT(form), "FORM", "output form.", "csv", 0, 0, forms},
    {"formats", "f", QB_OPT_LIST, AT(formats), "LIST", "formats", "Q4_0,Q8_0", 0, 0, NULL},
    {"threads", "t", QB_OPT_INTS, AT(threads), "LIST", "threads", "2", 1, 1024, NULL},
    {"pairs", "pg", QB_OPT_INTS, AT(pairs), "P,G", "prompt and generation", NULL, 0, 100000, NULL},
    {"ubatch-size", "ub", QB_OPT_INTS, AT(batches), "LIST", "batches", NULL, 1, 4096, NULL},
    {"hidden", NULL, QB_OPT_FLAG, AT(verbose), NULL, NULL, NULL, 0, 0, NULL},
};

struct outcome {
    struct target t;
    struct qb_str_list operands;
    bool help;
    enum qb_status status;
    struct qb_err err;
};

static void run(struct outcome *o, int argc, const char **argv)
{
    memset(o, 0, sizeof *o);
    o->status = qb_options_defaults(table, QB_ARRAY_LEN(table), &o->t, &o->err);
    if (o->status == QB_OK)
        o->status = qb_options_parse(table, QB_ARRAY_LEN(table), &o->t, argc, (char **)(uintptr_t)argv,
                                     &o->operands, &o->help, &o->err);
}

static void end(struct outcome *o)
{
    qb_options_release(table, QB_ARRAY_LEN(table), &o->t);
    qb_str_list_release(&o->operands);
}

#define PARSE(o, ...)                                                                                        \
    do {                                                                                                     \
        const char *argv_[] = {"qbench", __VA_ARGS__};                                                       \
        run(&(o), (int)QB_ARRAY_LEN(argv_), argv_);                                                          \
    } while (0)

#define PARSE_OK(o, ...)                                                                                     \
    do {                                                                                                     \
        PARSE(o, __VA_ARGS__);                                                                               \
        assert_string_equal((o).err.message, "");                                                            \
        assert_int_equal((o).status, QB_OK);                                                                 \
    } while (0)

#define FAILS(text, ...)                                                                                     \
    do {                                                                                                     \
        struct outcome o_;                                                                                   \
        PARSE(o_, __VA_ARGS__);                                                                              \
        assert_int_equal(o_.status, QB_ERR_USAGE);                                                           \
        assert_string_equal(o_.err.message, text);                                                           \
        end(&o_);                                                                                            \
    } while (0)

static void assert_ints(const struct qb_int_list *l, size_t n, const int64_t *want)
{
    assert_int_equal(l->n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(l->items[i], want[i]);
}

#define INTS(l, ...)                                                                                         \
    do {                                                                                                     \
        const int64_t want_[] = {__VA_ARGS__};                                                               \
        assert_ints(&(l), QB_ARRAY_LEN(want_), want_);                                                       \
    } while (0)

static void defaults_are_set(void **state)
{
    (void)state;
    struct outcome o;
    const char *argv[] = {"qbench"};
    run(&o, 1, argv);
    assert_int_equal(o.status, QB_OK);
    assert_true(o.t.progress);
    assert_false(o.t.verbose);
    assert_int_equal(o.t.n_prompt, 512);
    assert_int_equal(o.t.seed, -5);
    assert_true(o.t.confidence == 0.95);
    assert_null(o.t.output);
    assert_int_equal(o.t.form, 1);
    assert_int_equal(o.t.formats.n, 2);
    assert_string_equal(o.t.formats.items[1], "Q8_0");
    INTS(o.t.threads, 2);
    assert_int_equal(o.t.pairs.n, 0);
    end(&o);
}

static void every_spelling_works(void **state)
{
    (void)state;
    struct outcome o;
    PARSE_OK(o, "--n-prompt", "1", "-c", "0.9", "-of", "x,y", "-ojson", "--seed=-7", "-v", "--no-progress");
    assert_int_equal(o.t.n_prompt, 1);
    assert_true(o.t.confidence == 0.9);
    assert_string_equal(o.t.output, "x,y");
    assert_int_equal(o.t.form, 2);
    assert_int_equal(o.t.seed, -7);
    assert_true(o.t.verbose);
    assert_false(o.t.progress);
    end(&o);
    PARSE_OK(o, "-p128", "--output-file=", "-p", "64");
    assert_int_equal(o.t.n_prompt, 64);
    assert_string_equal(o.t.output, "");
    end(&o);
}

static void lists_append_and_replace_the_default(void **state)
{
    (void)state;
    struct outcome o;
    PARSE_OK(o, "-f", "Q2_K", "-t", "1,2,4", "--formats=Q3_K,Q4_K", "-t", "8");
    assert_int_equal(o.t.formats.n, 3);
    assert_string_equal(o.t.formats.items[0], "Q2_K");
    assert_string_equal(o.t.formats.items[2], "Q4_K");
    INTS(o.t.threads, 1, 2, 4, 8);
    end(&o);
}

static void llama_bench_short_names(void **state)
{
    (void)state;
    struct outcome o;
    PARSE_OK(o, "-pg", "512,128", "-ub", "64", "-pg", "1024,16", "-p", "7");
    INTS(o.t.pairs, 512, 128, 1024, 16);
    INTS(o.t.batches, 64);
    assert_int_equal(o.t.n_prompt, 7);
    end(&o);
}

static void ranges_expand(void **state)
{
    (void)state;
    struct outcome o;
    PARSE_OK(o, "-t", "1-64*2");
    INTS(o.t.threads, 1, 2, 4, 8, 16, 32, 64);
    end(&o);
    PARSE_OK(o, "-t", "8-16+4,3-5");
    INTS(o.t.threads, 8, 12, 16, 3, 4, 5);
    end(&o);
    PARSE_OK(o, "-t", "1-10*3", "-t", "5-5", "-t", "1-10+4");
    INTS(o.t.threads, 1, 3, 9, 5, 1, 5, 9);
    end(&o);
}

static void operands_and_double_dash(void **state)
{
    (void)state;
    struct outcome o;
    PARSE_OK(o, "a.json", "-v", "-", "--", "-p", "--help");
    assert_int_equal(o.operands.n, 4);
    assert_string_equal(o.operands.items[0], "a.json");
    assert_string_equal(o.operands.items[1], "-");
    assert_string_equal(o.operands.items[3], "--help");
    assert_int_equal(o.t.n_prompt, 512);
    end(&o);
}

static void help_stops_the_parse(void **state)
{
    (void)state;
    struct outcome o;
    PARSE_OK(o, "--help", "--no-such-option");
    assert_true(o.help);
    end(&o);
    PARSE_OK(o, "-h");
    assert_true(o.help);
    end(&o);
    PARSE_OK(o, "-of", "--help"); /* a value, not a request */
    assert_false(o.help);
    assert_string_equal(o.t.output, "--help");
    end(&o);
}

static void bad_options_are_named(void **state)
{
    (void)state;
    FAILS("unknown option '--nonsense'", "--nonsense");
    FAILS("unknown option '--thread' (did you mean '--threads'?)", "--thread", "4");
    FAILS("unknown option '--outptu=md' (did you mean '--output'?)", "--outptu=md");
    FAILS("unknown option '-z'", "-z");
    FAILS("unknown option '-vx'", "-vx");
    FAILS("unknown option '--no-seed'", "--no-seed");
    FAILS("unknown option '--n-pro'", "--n-pro", "4");
    FAILS("option '--verbose' takes no value", "--verbose=1");
    FAILS("option '-p' needs a value (N)", "-p");
    FAILS("option '--output-file' needs a value (FILE)", "--output-file");
}

static void bad_values_are_named(void **state)
{
    (void)state;
    FAILS("option '-p': 'many' is not an integer", "-p", "many");
    FAILS("option '-p': '12x' is not an integer", "-p12x");
    FAILS("option '-p': '' is not an integer", "-p", "");
    FAILS("option '--seed': '9223372036854775808' is not an integer", "--seed", "9223372036854775808");
    FAILS("option '--n-prompt': -1 is not between 0 and 100000", "--n-prompt=-1");
    FAILS("option '-c': 'nan' is not a number", "-c", "nan");
    FAILS("option '-c': 1 is not between 0.5 and 0.999", "-c", "1");
    FAILS("option '-o': 'xml' is not one of md, csv, json", "-o", "xml");
    FAILS("option '-f': empty item in 'a,,b'", "-f", "a,,b");
    FAILS("option '-t': 0 is not between 1 and 1024", "-t", "1,0");
}

static void bad_lists_are_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "1,",   ",1",     "1,,2",  "a",     "1-",
                                      "4-1",  "1-4*", "1-4+0",  "1-4*1", "1-4*0", "1-4/2",
                                      "1 ,2", "0x10", "1-4+2x", "+1",    "1--4",  "99999999999999999999"};
    for (size_t i = 0; i < QB_ARRAY_LEN(bad); i++) {
        struct outcome o;
        PARSE(o, "-t", bad[i]);
        assert_int_equal(o.status, QB_ERR_USAGE);
        assert_non_null(strstr(o.err.message, "option '-t'"));
        assert_int_equal(o.t.threads.n, 0);
        end(&o);
    }
    FAILS("option '-pg': '0-8*2' is not a list of integers such as 1,2,4 or 8-16+4 or 1-64*2", "-pg",
          "0-8*2");
    FAILS("option '-pg': more than 4096 values", "-pg", "0-99999");
}

static void integers_end_at_the_type(void **state)
{
    (void)state;
    struct qb_int_list l = {0};
    assert_int_equal(qb_int_list_parse(&l, "9223372036854775806-9223372036854775807", "-x", 0, 0, NULL),
                     QB_OK);
    INTS(l, INT64_MAX - 1, INT64_MAX);
    qb_int_list_release(&l);
    assert_int_equal(
        qb_int_list_parse(&l, "-3--1,4611686018427387904-9223372036854775807*2", "-x", 0, 0, NULL), QB_OK);
    INTS(l, -3, -2, -1, (int64_t)1 << 62);
    qb_int_list_release(&l);
    assert_int_equal(l.n, 0);
}

static void operands_can_be_forbidden(void **state)
{
    (void)state;
    struct target t;
    struct qb_err err = {0};
    char *argv[] = {"qbench", "stray"};
    bool help = false;
    assert_int_equal(qb_options_defaults(table, QB_ARRAY_LEN(table), &t, &err), QB_OK);
    assert_int_equal(qb_options_parse(table, QB_ARRAY_LEN(table), &t, 2, argv, NULL, &help, &err),
                     QB_ERR_USAGE);
    assert_string_equal(err.message, "unexpected argument 'stray'");
    qb_options_release(table, QB_ARRAY_LEN(table), &t);
}

static void help_lists_every_option(void **state)
{
    (void)state;
    struct qb_buf b;
    qb_buf_init(&b, 0);
    qb_options_help(table, QB_ARRAY_LEN(table), &b);
    assert_int_equal(qb_buf_status(&b, "help", NULL), QB_OK);
    for (size_t i = 0; i < QB_ARRAY_LEN(table); i++)
        if (table[i].kind != QB_OPT_HEADING && table[i].help)
            assert_non_null(strstr(b.data, table[i].name));
    assert_ptr_equal(strstr(b.data, "What to measure:\n"), b.data);
    assert_non_null(strstr(b.data, "--[no-]progress"));
    assert_non_null(strstr(b.data, "  -p, --n-prompt N"));
    assert_non_null(strstr(b.data, "prompt tokens (default: 512)"));
    assert_non_null(strstr(b.data, "output form: md, csv, json (default: csv)"));
    assert_null(strstr(b.data, "hidden"));
    for (const char *line = b.data; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 80);
    qb_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_set),
        cmocka_unit_test(every_spelling_works),
        cmocka_unit_test(lists_append_and_replace_the_default),
        cmocka_unit_test(llama_bench_short_names),
        cmocka_unit_test(ranges_expand),
        cmocka_unit_test(operands_and_double_dash),
        cmocka_unit_test(help_stops_the_parse),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(bad_values_are_named),
        cmocka_unit_test(bad_lists_are_named),
        cmocka_unit_test(integers_end_at_the_type),
        cmocka_unit_test(operands_can_be_forbidden),
        cmocka_unit_test(help_lists_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
