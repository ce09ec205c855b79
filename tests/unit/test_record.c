/*
 * The result record: field order, writers, quoting, the chart.
 */
#include "base/file.h"
#include "reports/plot.h"
#include "reports/record.h"
#include "tests/unit/cmocka_all.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* llama-bench of October 2026, in its order. */
static const char *const llama_fields[] = {"build_commit",   "build_number",
                                           "cpu_info",       "gpu_info",
                                           "backends",       "model_filename",
                                           "model_type",     "model_size",
                                           "model_n_params", "n_batch",
                                           "n_ubatch",       "n_threads",
                                           "cpu_mask",       "cpu_strict",
                                           "poll",           "type_k",
                                           "type_v",         "n_gpu_layers",
                                           "n_cpu_moe",      "split_mode",
                                           "main_gpu",       "no_kv_offload",
                                           "flash_attn",     "devices",
                                           "tensor_split",   "tensor_buft_overrides",
                                           "load_mode",      "lazy_mode",
                                           "embeddings",     "no_op_offload",
                                           "no_host",        "repack",
                                           "fit_target",     "fit_min_ctx",
                                           "n_prompt",       "n_gen",
                                           "n_depth",        "test_time",
                                           "avg_ns",         "stddev_ns",
                                           "avg_ts",         "stddev_ts"};

static void test_fields(void **state)
{
    (void)state;
    assert_int_equal(QB_ARRAY_LEN(llama_fields), QB_RECORD_LLAMA_FIELDS);
    for (size_t i = 0; i < QB_RECORD_LLAMA_FIELDS; i++)
        assert_string_equal(qb_record_fields[i].name, llama_fields[i]);
    for (size_t i = 0; i < QB_FIELD_COUNT; i++)
        assert_true(qb_record_fields[i].help[0] != 0);
}

static void fill(struct qb_record *r, const char *variant, const char *test, double ts, double pct)
{
    qb_record_init(r);
    assert_int_equal(qb_record_text(&r->model_type, "qwen2 3B Q4_K - Medium", NULL), QB_OK);
    assert_int_equal(qb_record_text(&r->variant, variant, NULL), QB_OK);
    assert_int_equal(qb_record_text(&r->test, test, NULL), QB_OK);
    assert_int_equal(qb_record_text(&r->status, "ok", NULL), QB_OK);
    assert_int_equal(qb_record_text(&r->backends, "CPU", NULL), QB_OK);
    assert_int_equal(qb_record_text(&r->cpu_info, "AMD EPYC 7702 \"Rome\", it's", NULL), QB_OK);
    r->model_size = 1922000000;
    r->model_n_params = 3090000000;
    r->n_threads = r->threads_batch = 64;
    r->n_prompt = test[0] == 'p' ? 512 : 0;
    r->n_gen = test[0] == 't' ? 128 : 0;
    r->avg_ts = ts;
    r->stddev_ts = ts / 50;
    r->ci_low_ts = ts * 0.97;
    r->ci_high_ts = ts * 1.03;
    r->vs_baseline = pct;
    r->samples_ts.v = malloc(2 * sizeof(double));
    assert_non_null(r->samples_ts.v);
    r->samples_ts.v[0] = ts;
    r->samples_ts.v[1] = ts + 1;
    r->samples_ts.n = 2;
}

/* The text that a form makes of one record. Pair: free(). */
static char *written(enum qb_writer_id id, const struct qb_record *r)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    struct qb_record_writer w;
    struct qb_err err = {0};
    assert_int_equal(qb_record_writer_begin(&w, id, f, &err), QB_OK);
    assert_int_equal(qb_record_writer_row(&w, r, &err), QB_OK);
    assert_int_equal(qb_record_writer_end(&w, &err), QB_OK);
    fclose(f);
    return text;
}

static void test_json(void **state)
{
    (void)state;
    struct qb_record r;
    fill(&r, "Q4_K_M", "pp512", 301.02, 147.5);
    char *text = written(QB_WRITER_JSON, &r);
    json_error_t error;
    json_t *root = json_loads(text, 0, &error);
    assert_non_null(root);
    json_t *o = json_array_get(root, 0);
    assert_int_equal(json_array_size(root), 1);
    assert_int_equal(json_object_size(o), QB_FIELD_COUNT);
    assert_true(fabs(json_real_value(json_object_get(o, "avg_ts")) - 301.02) < 1e-6);
    assert_string_equal(json_string_value(json_object_get(o, "cpu_info")), "AMD EPYC 7702 \"Rome\", it's");
    assert_true(json_is_null(json_object_get(o, "nmse")));
    assert_true(json_is_false(json_object_get(o, "repack")));
    assert_int_equal(json_array_size(json_object_get(o, "samples_ts")), 2);
    json_decref(root);
    free(text);
    text = written(QB_WRITER_JSONL, &r);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
    root = json_loads(text, 0, &error);
    assert_non_null(root);
    json_decref(root);
    free(text);
    qb_record_release(&r);
}

static void test_csv_quotes(void **state)
{
    (void)state;
    struct qb_record r;
    fill(&r, "Q4_K_M", "pp512", 301.02, NAN);
    char *text = written(QB_WRITER_CSV, &r);
    assert_memory_equal(text, "build_commit,build_number,cpu_info,", 35);
    assert_non_null(strstr(text, ",\"AMD EPYC 7702 \"\"Rome\"\", it's\","));
    assert_non_null(strstr(text, ",\"301.02\","));
    char *second = strchr(text, '\n') + 1;
    size_t commas = 0, quotes = 0;
    for (char *p = second; *p && *p != '\n'; p++) {
        quotes += *p == '"';
        commas += *p == ',' && quotes % 2 == 0;
    }
    assert_int_equal(commas + 1, QB_FIELD_COUNT - 2); /* all but the two lists */
    free(text);
    qb_record_release(&r);
}

static void test_sql_quotes(void **state)
{
    (void)state;
    struct qb_record r;
    fill(&r, "Q4_K_M", "pp512", 301.02, NAN);
    char *text = written(QB_WRITER_SQL, &r);
    assert_memory_equal(text, "CREATE TABLE IF NOT EXISTS llama_bench (", 40);
    assert_non_null(strstr(text, "'AMD EPYC 7702 \"Rome\", it''s'"));
    assert_non_null(strstr(text, "NULL"));
    assert_null(strstr(text, "nan"));
    free(text);
    qb_record_release(&r);
}

static void test_markdown(void **state)
{
    (void)state;
    struct qb_record r;
    fill(&r, "Q4_K_M", "pp512", 301.02, 147.54);
    r.stddev_ts = 1.74;
    char *text = written(QB_WRITER_MD, &r);
    const char *want = "| model                          |       size |     params | backend    | threads |  "
                       "          test |"
                       "                  t/s | % (vs Q4_0) |\n"
                       "| ------------------------------ | ---------: | ---------: | ---------- | ------: | "
                       "--------------: |"
                       " -------------------: | ----------: |\n"
                       "| qwen2 3B Q4_K_M                |   1.79 GiB |     3.09 B | CPU        |      64 |  "
                       "         pp512 |"
                       "        301.02 ± 1.74 |         148 |\n";
    assert_string_equal(text, want);
    free(text);
    qb_record_release(&r);
}

static void test_copy(void **state)
{
    (void)state;
    struct qb_record a, b;
    fill(&a, "Q4_0", "tg128", 39.12, 100);
    assert_int_equal(qb_record_copy(&b, &a, NULL), QB_OK);
    qb_record_release(&a);
    assert_string_equal(b.variant, "Q4_0");
    assert_true(b.samples_ts.v[1] == 40.12);
    qb_record_release(&b);
}

/* 25 variants with five tests: data and script exist whatever gnuplot does. */
static void test_chart(void **state)
{
    (void)state;
    static const char *const tests[] = {"pp512", "pp1024", "pp2048", "tg128", "tg512"};
    char dir[] = "/tmp/qbench-chart-XXXXXX", path[128], name[32];
    const char *keep = getenv("QBENCH_CHART_DIR"); /* to look at the picture */
    struct qb_record rows[125];
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 125; i++) {
        snprintf(name, sizeof name, "Q%d_K_M@r%d", i / 5, 16);
        double ts = (i % 5 < 3 ? 200 : 40) + i / 5 * 3 + i % 5 * 7;
        fill(&rows[i], name, tests[i % 5], ts, 100 + i / 5.0);
    }
    struct qb_err err = {0};
    enum qb_status st = qb_plot_speed(keep ? keep : dir, rows, 125, &err);
    assert_true(st == QB_OK || st == QB_ERR_NOT_FOUND);
    static const char *const files[] = {"speed.dat", "speed.gp", "speed.png", "speed.svg"};
    for (size_t i = 0; i < (keep ? 0 : 4); i++) {
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        if (st == QB_OK || i < 2) {
            assert_int_equal(stat(path, &info), 0);
            assert_true(info.st_size > 100);
        }
        unlink(path);
    }
    rmdir(dir);
    for (int i = 0; i < 125; i++)
        qb_record_release(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_json),     cmocka_unit_test(test_csv_quotes),
        cmocka_unit_test(test_sql_quotes), cmocka_unit_test(test_markdown), cmocka_unit_test(test_copy),
        cmocka_unit_test(test_chart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
