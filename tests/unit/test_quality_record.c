/*
 * Rows of quality: columns that have nothing to say are left out, failed rows say why, and the chart takes
 * what has a figure.
 */
#include "reports/quality_record.h"

#include "base/file.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void fill(struct qb_quality_record *r, const char *name, double bpw, double kld)
{
    qb_quality_record_init(r);
    assert_int_equal(qb_record_text(&r->variant, name, NULL), QB_OK);
    assert_int_equal(qb_record_text(&r->model_type, "qwen2 1B Q4_K - Medium", NULL), QB_OK);
    r->size_bytes = 3 << 20;
    r->bits_per_weight = bpw;
    r->ppl = 11.25;
    r->ppl_err = 0.5;
    r->kld_mean = kld;
    r->kld_err = kld / 100;
    r->n_chunks = 2;
    r->n_ctx = 512;
}

static char *written(enum qb_writer_id id, const struct qb_quality_record *rows, size_t n)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(qb_quality_write(id, out, rows, n, NULL), QB_OK);
    fclose(out);
    return text;
}

static void markdown_shows_what_is_there(void **state)
{
    (void)state;
    struct qb_quality_record rows[2];
    fill(&rows[0], "Q4_K_M", 5.083, NAN);
    char *text = written(QB_WRITER_MD, rows, 1);
    assert_non_null(strstr(text, "| Q4_K_M  | 3.00 MiB |       5.083 | 11.2500 ± 0.5000 |"));
    assert_null(strstr(text, "KLD"));
    assert_null(strstr(text, "failed"));
    free(text);
    fill(&rows[1], "IQ1_S", NAN, NAN);
    assert_int_equal(qb_record_text(&rows[1].reason, "no | matrix", NULL), QB_OK);
    rows[1].ppl = NAN;
    rows[1].size_bytes = QB_ABSENT_INT;
    rows[0].kld_mean = 0.01234567;
    text = written(QB_WRITER_MD, rows, 2);
    assert_non_null(strstr(text, "0.012346"));
    assert_non_null(strstr(text, "no \\| matrix"));
    free(text);
    qb_quality_record_release(&rows[0]);
    qb_quality_record_release(&rows[1]);
}

static void json_has_every_field(void **state)
{
    (void)state;
    struct qb_quality_record row;
    fill(&row, "Q4_0", 4.5, 0.25);
    char *text = written(QB_WRITER_JSON, &row, 1), key[64];
    for (size_t i = 0; i < QB_QUALITY_FIELD_COUNT; i++) {
        snprintf(key, sizeof key, "\"%s\": ", qb_quality_fields[i].name);
        assert_non_null(strstr(text, key));
    }
    assert_non_null(strstr(text, "\"kld_mean\": 0.25"));
    assert_non_null(strstr(text, "\"kld_p99\": null"));
    assert_non_null(strstr(text, "\"schema\": 1"));
    free(text);
    qb_quality_record_release(&row);
}

static void exists(const char *dir, const char *name, bool wanted)
{
    char path[128];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &info) == 0 && info.st_size > 50, wanted);
    unlink(path);
}

/* Sixty variants close together, one without a figure and one at zero, which has no place on the scale. */
static void the_chart_takes_what_has_a_figure(void **state)
{
    (void)state;
    const char *keep = getenv("QBENCH_CHART_DIR"); /* to look at the picture */
    char dir[] = "/tmp/qbench-chart-XXXXXX", name[32], *data;
    static struct qb_quality_record rows[62];
    struct qb_err err = {0};
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 62; i++) {
        const char *const forms[] = {"Q%d_K_M", "IQ%d_XS", "Q%d_0", "MXFP%d"};
        snprintf(name, sizeof name, forms[i % 4], i / 4);
        fill(&rows[i], name, 1.5 + 0.1 * i, 2.0 * exp(-0.1 * i) * (1 + 0.3 * sin(i)));
    }
    rows[60].kld_mean = 0;
    rows[61].kld_mean = rows[61].ppl = NAN;
    enum qb_status st = qb_plot_quality(keep ? keep : dir, rows, 62, &err);
    assert_true(st == QB_OK || st == QB_ERR_NOT_FOUND);
    if (!keep) {
        char path[128];
        snprintf(path, sizeof path, "%s/quality.dat", dir);
        assert_int_equal(qb_read_file(&data, NULL, path, 1 << 20, NULL), QB_OK);
        assert_non_null(strstr(data, "\"Q0_K_M\""));
        assert_non_null(strstr(data, "\"MXFP14\""));
        assert_null(strstr(data, "\"Q15_K_M\""));
        free(data);
        exists(dir, "quality.dat", true);
        exists(dir, "quality.gp", true);
        exists(dir, "quality.png", st == QB_OK);
        exists(dir, "quality.svg", st == QB_OK);
    }
    assert_int_equal(qb_plot_quality(dir, rows, 1, &err), QB_ERR_UNSUPPORTED);
    rmdir(dir);
    for (int i = 0; i < 62; i++)
        qb_quality_record_release(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markdown_shows_what_is_there),
        cmocka_unit_test(json_has_every_field),
        cmocka_unit_test(the_chart_takes_what_has_a_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
