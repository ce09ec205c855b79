/*
 * Quantizing files: the plan, the same bytes for any number of threads and for several types at once, what is
 * copied, parts, finished outputs, and everything that is refused.
 */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/quantize.h"
#include "engine/quantize_override.h"
#include "kernels/encode.h"
#include "tests/unit/cmocka_all.h"
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/qb_test_quantize_XXXXXX";
static char source_path[128];
static struct qb_pool *pools[4]; /* by number of threads */

/* ---- a small model of every kind of tensor ---- */

struct tensor {
    const char *name;
    int n_dims;
    int64_t ne[4];
    int type_id;
};

static const struct tensor tensors[] = {
    {"token_embd.weight", 2, {256, 3000}, QB_GGML_F16},
    {"blk.1.attn_v.weight", 2, {256, 48}, QB_GGML_F32},
    {"blk.0.attn_norm.weight", 1, {256}, QB_GGML_F32},
    {"blk.0.attn_q.weight", 2, {256, 96}, QB_GGML_BF16},
    {"blk.0.attn_k.weight", 2, {96, 96}, QB_GGML_F16},
    {"blk.0.ffn_gate_inp.weight", 2, {256, 5}, QB_GGML_F32},
    {"blk.0.ffn_down_exps.weight", 3, {512, 40, 5}, QB_GGML_F16},
    {"blk.10.ffn_up.weight", 2, {256, 40}, QB_GGML_F16},
    {"blk.9.ffn_up.weight", 2, {256, 40}, QB_GGML_F16},
    {"output.weight", 2, {256, 3000}, QB_GGML_BF16},
};

static size_t n_values(const struct tensor *t)
{
    size_t n = 1;
    for (int d = 0; d < t->n_dims; d++)
        n *= (size_t)t->ne[d];
    return n;
}

/* The value at an index of a tensor; NULL: random ones. */
struct plant {
    const char *tensor;
    size_t index;
    float value;
};

static void fill(float *x, size_t n, uint64_t seed)
{
    struct qb_rng rng;
    qb_rng_init(&rng, 5, seed);
    for (size_t i = 0; i < n; i++)
        x[i] = 0.05f * qb_rng_normal(&rng);
}

static void write_data(struct qb_gguf_writer *w, const struct tensor *t, uint64_t seed,
                       const struct plant *plant)
{
    size_t n = n_values(t), bytes;
    int64_t ne[4] = {t->ne[0], t->n_dims > 1 ? t->ne[1] : 1, t->n_dims > 2 ? t->ne[2] : 1, 1};
    float *x = malloc(n * sizeof *x);
    fill(x, n, seed);
    if (plant && strcmp(plant->tensor, t->name) == 0)
        x[plant->index] = plant->value;
    assert_true(qb_ggml_bytes(t->type_id, ne, &bytes));
    uint8_t *out = malloc(bytes);
    if (t->type_id == QB_GGML_F32) {
        memcpy(out, x, bytes);
    } else if (plant && strcmp(plant->tensor, t->name) == 0 && !isfinite(plant->value)) {
        memset(out, 0, bytes); /* the encoder refuses such values */
        uint16_t bits = t->type_id == QB_GGML_F16 ? 0x7c00 : 0x7f80;
        memcpy(out + 2 * plant->index, &bits, 2);
    } else {
        const struct qb_format *f = qb_format_by_gguf_id(t->type_id);
        assert_int_equal(qb_encode_rows(f, x, (int64_t)n / ne[0], ne[0], NULL, out, NULL), QB_OK);
    }
    assert_int_equal(qb_gguf_write(w, out, bytes, NULL), QB_OK);
    free(out);
    free(x);
}

static void write_source(const char *path, uint32_t alignment, const struct plant *plant)
{
    struct qb_gguf_writer *w;
    assert_int_equal(qb_gguf_writer_create(&w, path, NULL), QB_OK);
    assert_int_equal(qb_gguf_put_str(w, "general.architecture", "llama", NULL), QB_OK);
    if (alignment)
        assert_int_equal(qb_gguf_put_u32(w, "general.alignment", alignment, NULL), QB_OK);
    assert_int_equal(qb_gguf_put_u32(w, "general.file_type", 1, NULL), QB_OK);
    assert_int_equal(qb_gguf_put_u32(w, "llama.block_count", 11, NULL), QB_OK);
    assert_int_equal(qb_gguf_put_str(w, "general.name", "test model", NULL), QB_OK);
    assert_int_equal(qb_gguf_put_u32(w, "llama.attention.head_count", 8, NULL), QB_OK);
    assert_int_equal(qb_gguf_put_u32(w, "llama.expert_count", 5, NULL), QB_OK);
    for (size_t i = 0; i < QB_ARRAY_LEN(tensors); i++) {
        const struct tensor *t = &tensors[i];
        int64_t ne[4] = {t->ne[0], t->n_dims > 1 ? t->ne[1] : 1, t->n_dims > 2 ? t->ne[2] : 1, 1};
        size_t bytes;
        assert_true(qb_ggml_bytes(t->type_id, ne, &bytes));
        assert_int_equal(qb_gguf_add_tensor(w, t->name, t->n_dims, ne, t->type_id, bytes, NULL), QB_OK);
    }
    assert_int_equal(qb_gguf_begin_data(w, NULL), QB_OK);
    for (size_t i = 0; i < QB_ARRAY_LEN(tensors); i++)
        write_data(w, &tensors[i], i, plant);
    assert_int_equal(qb_gguf_writer_finish(w, NULL), QB_OK);
    qb_gguf_writer_free(w);
}

static int set_up(void **state)
{
    (void)state;
    static int pu[] = {-1, -1, -1};
    for (int n = 1; n < 4; n++) {
        struct qb_placement p = {.n_threads = n, .pu = pu, .oversubscribed = true};
        if (qb_pool_create(&pools[n], &p, NULL) != QB_OK)
            return -1;
    }
    if (!mkdtemp(folder))
        return -1;
    snprintf(source_path, sizeof source_path, "%s/source.gguf", folder);
    write_source(source_path, 0, NULL);
    return 0;
}

static int n_files(bool remove_them)
{
    char path[512];
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (remove_them)
            unlink(path);
    }
    closedir(d);
    return n;
}

static int tear_down(void **state)
{
    (void)state;
    n_files(true);
    rmdir(folder);
    for (int n = 1; n < 4; n++)
        qb_pool_free(pools[n]);
    return 0;
}

/* ---- one run ---- */

/* An importance matrix of the two kinds: plain and of experts. */
static struct qb_imatrix *make_imatrix(void)
{
    static struct qb_imatrix_entry entries[2];
    static struct qb_imatrix im;
    static float q[256], experts[512 * 5], ones[5] = {1, 1, 1, 1, 1};
    for (size_t i = 0; i < QB_ARRAY_LEN(q); i++)
        q[i] = 1.0f + (float)(i % 7);
    for (size_t i = 0; i < QB_ARRAY_LEN(experts); i++)
        experts[i] = 1.0f + (float)(i / 512) * (float)(i % 3);
    entries[0] = (struct qb_imatrix_entry){"blk.0.attn_q.weight", 256, 1, q, NULL, ones};
    entries[1] = (struct qb_imatrix_entry){"blk.0.ffn_down_exps.weight", 512, 5, experts, NULL, ones};
    im = (struct qb_imatrix){.path = "", .entries = entries, .n = 2, .n_chunks = 7};
    return &im;
}

struct setup {
    const char *ftypes[4]; /* up to the first NULL */
    int n_threads;
    const struct qb_imatrix *imatrix;
    bool pure, keep_split;
    uint64_t split_bytes;
    const char *source; /* NULL: source_path */
};

static void path_of(char out[160], const char *ftype)
{
    snprintf(out, 160, "%s/out-%s.gguf", folder, ftype);
}

static enum qb_status run(const struct setup *s, struct qb_err *err)
{
    struct qb_gguf *g = NULL;
    struct qb_quant_plan plans[4] = {0};
    struct qb_quant_output outputs[4];
    char paths[4][160];
    struct qb_quant_options o = {
        .recipe = QB_RECIPE_DEFAULTS, .imatrix = s->imatrix, .keep_split = s->keep_split};
    o.recipe.pure = s->pure;
    enum qb_status st = qb_gguf_open(&g, s->source ? s->source : source_path, err);
    struct qb_quant_job job = {.source = g,
                               .imatrix = s->imatrix,
                               .outputs = outputs,
                               .pool = pools[s->n_threads ? s->n_threads : 1]};
    for (size_t i = 0; i < 4 && s->ftypes[i] && !st; i++) {
        path_of(paths[i], s->ftypes[i]);
        outputs[i] = (struct qb_quant_output){&plans[i], paths[i], s->keep_split, s->split_bytes};
        st = qb_quant_plan_file(&plans[i], g, qb_ftype_by_name(s->ftypes[i]), &o, err);
        struct qb_quant_consent c = {true, false};
        if (!st)
            st = qb_quant_plan_check(&plans[i], &c, err);
        job.n_outputs++;
    }
    if (!st)
        st = qb_quant_run(&job, err);
    for (size_t i = 0; i < job.n_outputs; i++) {
        uint64_t bytes;
        if (!st) {
            assert_true(qb_quant_output_is_done(&job, &outputs[i]));
            assert_int_equal(qb_quant_output_bytes(&bytes, &job, &outputs[i], err), QB_OK);
            if (!s->keep_split && !s->split_bytes) {
                struct stat file;
                assert_int_equal(stat(paths[i], &file), 0);
                assert_int_equal(file.st_size, bytes); /* what a dry run says */
            }
        }
        qb_quant_plan_release(&plans[i]);
    }
    qb_gguf_close(g);
    return st;
}

static char *contents(const char *ftype, size_t *len)
{
    char path[160], *text;
    path_of(path, ftype);
    assert_int_equal(qb_read_file(&text, len, path, 1 << 28, NULL), QB_OK);
    return text;
}

static struct qb_gguf *open_output(const char *ftype)
{
    char path[160];
    struct qb_gguf *g;
    path_of(path, ftype);
    assert_int_equal(qb_gguf_open(&g, path, NULL), QB_OK);
    return g;
}

/* ---- what comes out ---- */

static void bytes_do_not_depend_on_threads_or_company(void **state)
{
    (void)state;
    static const char *const ftypes[] = {"Q4_K_M", "Q4_0_8_8", "IQ4_XS", "Q8_0", "F16", "BF16", "Q4_0"};
    const struct qb_imatrix *im = make_imatrix();
    for (size_t i = 0; i < QB_ARRAY_LEN(ftypes); i++) {
        size_t len_one, len_three, len_many;
        struct qb_err err = {0};
        assert_int_equal(run(&(struct setup){.ftypes = {ftypes[i]}, .n_threads = 1, .imatrix = im}, &err),
                         QB_OK);
        char *one = contents(ftypes[i], &len_one);
        assert_int_equal(run(&(struct setup){.ftypes = {ftypes[i]}, .n_threads = 3, .imatrix = im}, &err),
                         QB_OK);
        char *three = contents(ftypes[i], &len_three);
        struct setup many = {.ftypes = {"Q5_K_M", "Q6_K", ftypes[i]}, .n_threads = 2, .imatrix = im};
        assert_int_equal(run(&many, &err), QB_OK);
        char *company = contents(ftypes[i], &len_many);
        assert_int_equal(len_one, len_three);
        assert_int_equal(len_one, len_many);
        assert_memory_equal(one, three, len_one);
        assert_memory_equal(one, company, len_one);
        free(one);
        free(three);
        free(company);
    }
}

/* Every tensor has the bytes that the encoder makes of its rows, experts with importances of their own. */
static void tensors_hold_what_the_encoder_makes(void **state)
{
    (void)state;
    const struct qb_imatrix *im = make_imatrix();
    assert_int_equal(run(&(struct setup){.ftypes = {"Q4_K_S"}, .n_threads = 2, .imatrix = im}, NULL), QB_OK);
    struct qb_gguf *out = open_output("Q4_K_S"), *in;
    assert_int_equal(qb_gguf_open(&in, source_path, NULL), QB_OK);
    const char *name = "blk.0.ffn_down_exps.weight";
    const struct qb_gguf_tensor *t = qb_gguf_tensor_find(out, name), *src = qb_gguf_tensor_find(in, name);
    float *x = malloc(512 * 40 * 5 * sizeof *x), *w = malloc(512 * sizeof *w);
    uint8_t *want = malloc(t->bytes);
    src->format->decode(src->data, x, 512 * 40 * 5);
    for (int e = 0; e < 5; e++) {
        qb_imatrix_importance(&im->entries[1], (size_t)e * 512, 512, w);
        assert_int_equal(
            qb_encode_rows(t->format, x + e * 512 * 40, 40, 512, w, want + (size_t)e * t->bytes / 5, NULL),
            QB_OK);
    }
    assert_memory_equal(want, t->data, t->bytes);
    free(want);
    free(w);
    free(x);
    qb_gguf_close(in);
    qb_gguf_close(out);
}

static void files_are_in_order_and_keep_what_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int type_id;
    } want[] = {{"output.weight", QB_GGML_Q6_K},
                {"token_embd.weight", QB_GGML_Q4_K},
                {"blk.0.attn_k.weight", QB_GGML_Q5_0}, /* rows of 96 */
                {"blk.0.attn_norm.weight", QB_GGML_F32},
                {"blk.0.attn_q.weight", QB_GGML_Q4_K},
                {"blk.0.ffn_down_exps.weight", QB_GGML_Q5_K},
                {"blk.0.ffn_gate_inp.weight", QB_GGML_F32},
                {"blk.1.attn_v.weight", QB_GGML_Q5_K},
                {"blk.9.ffn_up.weight", QB_GGML_Q4_K},
                {"blk.10.ffn_up.weight", QB_GGML_Q4_K}};
    static const char *const keys[] = {
        "general.architecture",       "general.file_type",  "llama.block_count",           "general.name",
        "llama.attention.head_count", "llama.expert_count", "general.quantization_version"};
    assert_int_equal(run(&(struct setup){.ftypes = {"Q4_K_S"}}, NULL), QB_OK);
    struct qb_gguf *g = open_output("Q4_K_S");
    assert_int_equal(qb_gguf_n_tensors(g), QB_ARRAY_LEN(want));
    for (size_t i = 0; i < QB_ARRAY_LEN(want); i++) {
        assert_string_equal(qb_gguf_tensor_at(g, i)->name, want[i].name);
        assert_int_equal(qb_gguf_tensor_at(g, i)->type_id, want[i].type_id);
    }
    assert_int_equal(qb_gguf_n_kv(g), QB_ARRAY_LEN(keys));
    for (size_t i = 0; i < QB_ARRAY_LEN(keys); i++)
        assert_memory_equal(qb_gguf_kv_at(g, i)->key.s, keys[i], strlen(keys[i]));
    uint64_t v;
    assert_true(qb_gguf_get_u64(g, "general.file_type", &v) && v == 14);
    assert_true(qb_gguf_get_u64(g, "general.quantization_version", &v) && v == 2);
    qb_gguf_close(g);
}

static void importance_matrix_is_noted(void **state)
{
    (void)state;
    assert_int_equal(run(&(struct setup){.ftypes = {"Q4_K_S"}, .imatrix = make_imatrix()}, NULL), QB_OK);
    struct qb_gguf *g = open_output("Q4_K_S");
    uint64_t v;
    assert_true(qb_gguf_get_u64(g, "quantize.imatrix.entries_count", &v) && v == 2);
    assert_true(qb_gguf_get_u64(g, "quantize.imatrix.chunks_count", &v) && v == 7);
    assert_non_null(qb_gguf_find(g, "quantize.imatrix.file"));
    qb_gguf_close(g);
}

static void alignment_is_kept(void **state)
{
    (void)state;
    char path[160];
    snprintf(path, sizeof path, "%s/aligned.gguf", folder);
    write_source(path, 256, NULL);
    assert_int_equal(run(&(struct setup){.ftypes = {"Q4_0"}, .source = path}, NULL), QB_OK);
    struct qb_gguf *g = open_output("Q4_0");
    assert_int_equal(qb_gguf_alignment(g), 256);
    qb_gguf_close(g);
}

static void parts_hold_the_same_tensors(void **state)
{
    (void)state;
    n_files(false);
    struct setup split = {.ftypes = {"Q8_0"}, .split_bytes = 900000}, again = {.ftypes = {"Q4_K_M"}};
    assert_int_equal(run(&(struct setup){.ftypes = {"Q8_0"}}, NULL), QB_OK);
    struct qb_gguf *whole = open_output("Q8_0"), *g, *kept;
    char path[160];
    snprintf(path, sizeof path, "%s/out-Q8_0-00001-of-00003.gguf", folder);
    assert_int_equal(run(&split, NULL), QB_OK);
    assert_int_equal(qb_gguf_open(&g, path, NULL), QB_OK);
    assert_int_equal(qb_gguf_n_files(g), 3);
    assert_int_equal(qb_gguf_n_tensors(g), qb_gguf_n_tensors(whole));
    for (size_t i = 0; i < qb_gguf_n_tensors(g); i++) {
        const struct qb_gguf_tensor *a = qb_gguf_tensor_at(g, i), *b = qb_gguf_tensor_at(whole, i);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    /* parts of the input are parts of the output */
    again.source = path;
    again.keep_split = true;
    assert_int_equal(run(&again, NULL), QB_OK);
    snprintf(path, sizeof path, "%s/out-Q4_K_M-00002-of-00003.gguf", folder);
    assert_int_equal(qb_gguf_open(&kept, path, NULL), QB_OK);
    for (size_t i = 0; i < qb_gguf_n_tensors(kept); i++) {
        const struct qb_gguf_tensor *t = qb_gguf_tensor_at(kept, i);
        assert_int_equal(t->file, qb_gguf_tensor_find(g, t->name)->file);
    }
    qb_gguf_close(kept);
    qb_gguf_close(g);
    qb_gguf_close(whole);
}

/* An output that is older, or of another plan, is not finished. */
static void finished_outputs_are_known(void **state)
{
    (void)state;
    char path[160];
    struct qb_gguf *g;
    struct qb_quant_plan plan, other;
    struct qb_quant_options o = {.recipe = QB_RECIPE_DEFAULTS};
    assert_int_equal(run(&(struct setup){.ftypes = {"Q4_0"}}, NULL), QB_OK);
    path_of(path, "Q4_0");
    assert_int_equal(qb_gguf_open(&g, source_path, NULL), QB_OK);
    assert_int_equal(qb_quant_plan_file(&plan, g, qb_ftype_by_name("Q4_0"), &o, NULL), QB_OK);
    o.recipe.output_type = QB_GGML_Q8_0;
    assert_int_equal(qb_quant_plan_file(&other, g, qb_ftype_by_name("Q4_0"), &o, NULL), QB_OK);
    struct qb_quant_job job = {.source = g};
    struct qb_quant_output a = {.plan = &plan, .path = path}, b = {.plan = &other, .path = path};
    assert_true(qb_quant_output_is_done(&job, &a));
    assert_false(qb_quant_output_is_done(&job, &b));
    a.split_bytes = 100000;
    assert_false(qb_quant_output_is_done(&job, &a));
    a.split_bytes = 0;
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    assert_false(qb_quant_output_is_done(&job, &a));
    qb_quant_plan_release(&plan);
    qb_quant_plan_release(&other);
    qb_gguf_close(g);
}

/* ---- what is refused ---- */

static void bad_weights_are_named(void **state)
{
    (void)state;
    static const struct {
        struct plant plant;
        const char *ftype, *message;
    } cases[] = {
        {{"blk.0.attn_q.weight", 300, INFINITY},
         "Q4_0",
         "'blk.0.attn_q.weight': value inf at index 300 (row 1, column 44)"},
        {{"token_embd.weight", 700000, INFINITY},
         "Q4_K_M",
         "'token_embd.weight': value inf at index 700000 (row 2734"},
        {{"blk.1.attn_v.weight", 5, NAN}, "IQ4_XS", "'blk.1.attn_v.weight': value nan at index 5"},
        {{"blk.0.attn_norm.weight", 17, NAN},
         "Q4_0",
         "'blk.0.attn_norm.weight': the value at index 17 is not finite"},
        {{"blk.1.attn_v.weight", 999, 1e6f},
         "F16",
         "'blk.1.attn_v.weight': value 1e+06 at index 999 is too large for F16"},
        {{"blk.1.attn_v.weight", 999, 1e8f},
         "Q8_0",
         "'blk.1.attn_v.weight': value 1e+08 at index 999 is too large for Q8_0"},
    };
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        char path[160];
        struct qb_err err = {0};
        snprintf(path, sizeof path, "%s/bad.gguf", folder);
        write_source(path, 0, &cases[i].plant);
        int before = n_files(false);
        char out[160];
        path_of(out, cases[i].ftype);
        before -= access(out, F_OK) == 0;
        unlink(out);
        struct setup s = {.ftypes = {cases[i].ftype}, .source = path, .n_threads = 3};
        assert_int_equal(run(&s, &err), QB_ERR_FORMAT);
        if (!strstr(err.message, cases[i].message))
            fail_msg("'%s' lacks '%s'", err.message, cases[i].message);
        assert_int_equal(n_files(false), before); /* no half file, no temporary */
    }
}

static void plans_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *ftype;
        bool imatrix, requantize, low;
        enum qb_status status;
        const char *message;
    } cases[] = {{"Q4_K_M", false, false, false, QB_OK, ""},
                 {"IQ2_XS", false, false, false, QB_ERR_USAGE, "needs an importance matrix"},
                 {"IQ2_XS", false, false, true, QB_OK, ""},
                 {"IQ2_XS", true, false, false, QB_ERR_USAGE, "'blk.1.attn_v.weight' would become Q2_K"},
                 {"IQ3_XXS", false, false, false, QB_ERR_USAGE, "would become IQ2_S"},
                 {"Q2_K_S", false, false, false, QB_ERR_USAGE, "would become Q2_K,"},
                 {"Q2_K", false, false, false, QB_OK, ""}};
    struct qb_gguf *g;
    assert_int_equal(qb_gguf_open(&g, source_path, NULL), QB_OK);
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_quant_plan p;
        struct qb_err err = {0};
        struct qb_quant_options o = {.recipe = QB_RECIPE_DEFAULTS,
                                     .imatrix = cases[i].imatrix ? make_imatrix() : NULL};
        struct qb_quant_consent c = {cases[i].requantize, cases[i].low};
        assert_int_equal(qb_quant_plan_file(&p, g, qb_ftype_by_name(cases[i].ftype), &o, &err), QB_OK);
        enum qb_status st = qb_quant_plan_check(&p, &c, &err);
        if (strcmp(cases[i].ftype, "IQ2_XS") == 0 && cases[i].imatrix)
            assert_int_equal(st, QB_ERR_USAGE); /* some matrices have no entry */
        else
            assert_int_equal(st, cases[i].status);
        if (st && !cases[i].imatrix && !strstr(err.message, cases[i].message))
            fail_msg("%s: '%s' lacks '%s'", cases[i].ftype, err.message, cases[i].message);
        qb_quant_plan_release(&p);
    }
    qb_gguf_close(g);
}

static void quantized_input_needs_consent(void **state)
{
    (void)state;
    char path[160];
    struct qb_gguf *g;
    struct qb_err err = {0};
    assert_int_equal(run(&(struct setup){.ftypes = {"Q8_0"}}, NULL), QB_OK);
    path_of(path, "Q8_0");
    assert_int_equal(qb_gguf_open(&g, path, NULL), QB_OK);
    struct qb_quant_plan p;
    struct qb_quant_options o = {.recipe = QB_RECIPE_DEFAULTS};
    struct qb_quant_consent no = {false, false}, yes = {true, false};
    assert_int_equal(qb_quant_plan_file(&p, g, qb_ftype_by_name("Q4_0"), &o, &err), QB_OK);
    assert_int_equal(qb_quant_plan_check(&p, &no, &err), QB_ERR_USAGE);
    assert_non_null(strstr(err.message, "Q8_0 already"));
    assert_int_equal(qb_quant_plan_check(&p, &yes, &err), QB_OK);
    qb_quant_plan_release(&p);
    /* the same type again is a copy */
    assert_int_equal(qb_quant_plan_file(&p, g, qb_ftype_by_name("Q8_0"), &o, &err), QB_OK);
    assert_int_equal(qb_quant_plan_check(&p, &no, &err), QB_OK);
    qb_quant_plan_release(&p);
    qb_gguf_close(g);
}

static bool stop_at_half(void *arg, double share, const char *tensor)
{
    (void)tensor;
    ++*(int *)arg;
    return share < 0.5;
}

static void a_stop_leaves_nothing(void **state)
{
    (void)state;
    int calls = 0, before;
    char path[160];
    struct qb_gguf *g;
    struct qb_quant_plan p;
    struct qb_err err = {0};
    struct qb_quant_options o = {.recipe = QB_RECIPE_DEFAULTS};
    path_of(path, "stopped");
    before = n_files(false);
    assert_int_equal(qb_gguf_open(&g, source_path, NULL), QB_OK);
    assert_int_equal(qb_quant_plan_file(&p, g, qb_ftype_by_name("Q4_0"), &o, &err), QB_OK);
    struct qb_quant_output out = {.plan = &p, .path = path};
    struct qb_quant_job job = {g, NULL, &out, 1, pools[2], stop_at_half, &calls};
    assert_int_equal(qb_quant_run(&job, &err), QB_ERR_INTERRUPTED);
    assert_true(calls > 1);
    assert_int_equal(n_files(false), before);
    out.path = "/no/such/folder/x.gguf";
    assert_int_equal(qb_quant_run(&job, &err), QB_ERR_IO);
    out.path = "/dev/full";
    job.progress = NULL;
    assert_int_equal(qb_quant_run(&job, &err), QB_ERR_IO);
    assert_non_null(strstr(err.message, "/dev/full"));
    qb_quant_plan_release(&p);
    qb_gguf_close(g);
}

/* ---- patterns ---- */

static void patterns_match_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *tensor;
        bool matches;
    } cases[] = {{"attn_v", "blk.3.attn_v.weight", true},
                 {"attn_v", "blk.3.attn_q.weight", false},
                 {"\\.(\\d*[13579])\\.attn_k", "blk.17.attn_k.weight", true},
                 {"\\.(\\d*[13579])\\.attn_k", "blk.18.attn_k.weight", false},
                 {"blk\\.([0-9]|1[01257]|31)\\.ffn_down", "blk.12.ffn_down.weight", true},
                 {"blk\\.([0-9]|1[01257]|31)\\.ffn_down", "blk.13.ffn_down.weight", false},
                 {"blk\\.(?:1|2)\\.", "blk.2.attn_k.weight", true},
                 {"blk.*?ffn", "blk.0.ffn_up.weight", true},
                 {"^blk\\.[\\d]{2}\\.", "blk.10.ffn_up.weight", true},
                 {"^blk\\.[\\d]{2}\\.", "blk.1.ffn_up.weight", false},
                 {"ATTN_K", "blk.0.attn_k.weight", true},
                 {"attn_k\\.weight$", "blk.0.attn_k.weight", true}};
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_overrides o = {0};
        char text[128];
        snprintf(text, sizeof text, "%s=q5_1", cases[i].pattern);
        assert_int_equal(qb_overrides_add(&o, text, NULL), QB_OK);
        int type = qb_overrides_match(&o, cases[i].tensor);
        if (type != (cases[i].matches ? QB_GGML_Q5_1 : -1))
            fail_msg("'%s' on '%s': %d", cases[i].pattern, cases[i].tensor, type);
        assert_true((qb_overrides_unused(&o) == NULL) == cases[i].matches);
        qb_overrides_release(&o);
    }
}

static void bad_patterns_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {{"attn_v", "is not PATTERN=TYPE"},        {"=q8_0", "is not PATTERN=TYPE"},
                 {"attn_v=", "is not PATTERN=TYPE"},       {"attn_v=q9_0", "unknown tensor type 'q9_0'"},
                 {"attn_v=i32", "unknown tensor type"},    {"(attn=q8_0", "bad pattern in '(attn=q8_0'"},
                 {"attn_v=q4_k_m", "did you mean 'Q4_K'"}, {"a(?=b)=q8_0", "bad pattern"}};
    struct qb_overrides o = {0};
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_err err = {0};
        assert_int_equal(qb_overrides_add(&o, cases[i].text, &err), QB_ERR_USAGE);
        if (!strstr(err.message, cases[i].message))
            fail_msg("'%s' lacks '%s'", err.message, cases[i].message);
    }
    assert_int_equal(o.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_do_not_depend_on_threads_or_company),
        cmocka_unit_test(tensors_hold_what_the_encoder_makes),
        cmocka_unit_test(files_are_in_order_and_keep_what_is_kept),
        cmocka_unit_test(importance_matrix_is_noted),
        cmocka_unit_test(alignment_is_kept),
        cmocka_unit_test(parts_hold_the_same_tensors),
        cmocka_unit_test(finished_outputs_are_known),
        cmocka_unit_test(bad_weights_are_named),
        cmocka_unit_test(plans_are_judged),
        cmocka_unit_test(quantized_input_needs_consent),
        cmocka_unit_test(a_stop_leaves_nothing),
        cmocka_unit_test(patterns_match_as_people_write_them),
        cmocka_unit_test(bad_patterns_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
