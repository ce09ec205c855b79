/*
 * Quantizing in memory gives the tensors, and the model, that quantizing to a file gives.
 */
#include "engine/quantize_bank.h"

#include "engine/session.h"
#include "tests/unit/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL   QB_SOURCE_DIR "/datasets/models/qbench-tiny-7m-F16.gguf"
#define N_PLANS 4

static const char *const names[N_PLANS] = {"Q8_0", "Q4_K_M", "Q4_0_8_8", "Q5_K_M"};
static char folder[] = "/tmp/qb_test_bank_XXXXXX";
static struct qb_pool *pool;
static struct qb_gguf *source;
static struct qb_quant_plan plans[N_PLANS];
static const struct qb_quant_plan *list[N_PLANS];

static int start(void **state)
{
    (void)state;
    int pu[] = {-1, -1};
    struct qb_placement p = {.n_threads = 2, .pu = pu, .oversubscribed = true};
    struct qb_quant_options o = {.recipe = QB_RECIPE_DEFAULTS};
    if (!mkdtemp(folder) || qb_pool_create(&pool, &p, NULL) != QB_OK ||
        qb_gguf_open(&source, MODEL, NULL) != QB_OK)
        return -1;
    for (int i = 0; i < N_PLANS; i++) {
        list[i] = &plans[i];
        if (qb_quant_plan_file(&plans[i], source, qb_ftype_by_name(names[i]), &o, NULL) != QB_OK)
            return -1;
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (int i = 0; i < N_PLANS; i++)
        qb_quant_plan_release(&plans[i]);
    qb_gguf_close(source);
    qb_pool_free(pool);
    return rmdir(folder);
}

static struct qb_quant_bank *make_bank(void)
{
    struct qb_quant_bank *b = NULL;
    struct qb_err err = {0};
    struct qb_quant_bank_job job = {.source = source, .plans = list, .n_plans = N_PLANS, .pool = pool};
    if (qb_quant_bank_create(&b, &job, &err) != QB_OK)
        fail_msg("%s", err.message);
    return b;
}

static void write_file(int plan, char *path, size_t size)
{
    struct qb_quant_output out = {.plan = &plans[plan], .path = path};
    struct qb_quant_job job = {.source = source, .outputs = &out, .n_outputs = 1, .pool = pool};
    struct qb_err err = {0};
    snprintf(path, size, "%s/%s.gguf", folder, names[plan]);
    if (qb_quant_run(&job, &err) != QB_OK)
        fail_msg("%s", err.message);
}

static void tensors_equal_those_of_a_file(void **state)
{
    (void)state;
    struct qb_quant_bank *b = make_bank();
    for (int i = 0; i < N_PLANS; i++) {
        char path[128];
        struct qb_gguf *g;
        const struct qb_gguf_tensor *got;
        write_file(i, path, sizeof path);
        assert_int_equal(qb_gguf_open(&g, path, NULL), QB_OK);
        assert_int_equal(qb_quant_bank_tensors(b, (size_t)i, &got, NULL), QB_OK);
        for (size_t k = 0; k < qb_gguf_n_tensors(source); k++) {
            const struct qb_gguf_tensor *want = qb_gguf_tensor_find(g, got[k].name);
            assert_non_null(want);
            assert_int_equal(got[k].type_id, want->type_id);
            assert_ptr_equal(got[k].format, want->format);
            assert_int_equal(got[k].layout, want->layout);
            assert_int_equal(got[k].bytes, want->bytes);
            assert_memory_equal(got[k].data, want->data, want->bytes);
        }
        qb_gguf_close(g);
        unlink(path);
    }
    qb_quant_bank_free(b);
}

/* Q4_K_M and Q5_K_M keep some tensors in Q6_K: made once. */
static void equal_types_are_shared(void **state)
{
    (void)state;
    struct qb_quant_bank *b = make_bank();
    const struct qb_gguf_tensor *a, *c;
    int shared = 0;
    assert_int_equal(qb_quant_bank_tensors(b, 1, &a, NULL), QB_OK);
    assert_int_equal(qb_quant_bank_tensors(b, 3, &c, NULL), QB_OK);
    for (size_t k = 0; k < qb_gguf_n_tensors(source); k++) {
        if (a[k].type_id != c[k].type_id)
            continue;
        assert_ptr_equal(a[k].data, c[k].data);
        shared += a[k].type_id == QB_GGML_Q6_K;
    }
    assert_true(shared > 0);
    qb_quant_bank_free(b);
}

static void logits_of(const struct qb_model *m, const struct qb_kernel_set *set, float *out)
{
    const int32_t ids[] = {352, 373, 779, 290, 1164};
    struct qb_session_options o = {.set = set, .pool = pool, .n_ctx = 16, .n_batch = 16, .n_ubatch = 16};
    struct qb_session *s;
    assert_int_equal(qb_session_create(&s, m, &o, NULL), QB_OK);
    assert_int_equal(qb_session_eval(s, ids, 5, QB_LOGITS_LAST, out, NULL), QB_OK);
    qb_session_free(s);
}

static void the_model_equals_that_of_a_file(void **state)
{
    (void)state;
    struct qb_quant_bank *b = make_bank();
    struct qb_kernel_set set;
    assert_int_equal(qb_kernel_set_select(&set, QB_ISA_AUTO, NULL), QB_OK);
    for (int i = 0; i < N_PLANS; i++) {
        char path[128];
        struct qb_model *file, *memory;
        struct qb_model_options o = {
            .layout = i == 1 ? QB_LAYOUT_R16 : QB_LAYOUT_PLAIN, .set = &set, .pool = pool};
        const struct qb_gguf_tensor *tensors;
        write_file(i, path, sizeof path);
        assert_int_equal(qb_model_open(&file, path, &o, NULL), QB_OK);
        assert_int_equal(qb_quant_bank_tensors(b, (size_t)i, &tensors, NULL), QB_OK);
        assert_int_equal(qb_model_from_tensors(&memory, source, tensors, plans[i].ftype, 77, &o, NULL),
                         QB_OK);
        assert_int_equal(memory->tensor_bytes, file->tensor_bytes);
        assert_int_equal(memory->n_params, file->n_params);
        assert_int_equal(memory->file_bytes, 77);
        assert_int_equal(memory->hp.ftype, plans[i].ftype->gguf_id);
        size_t n = (size_t)file->hp.n_vocab;
        float *want = malloc(n * sizeof *want), *got = malloc(n * sizeof *got);
        logits_of(file, &set, want);
        logits_of(memory, &set, got);
        assert_memory_equal(got, want, n * sizeof *got);
        free(want);
        free(got);
        qb_model_close(file);
        qb_model_close(memory);
        unlink(path);
    }
    qb_quant_bank_free(b);
}

static bool refuse(void *arg, double share, const char *tensor)
{
    (void)tensor;
    assert_true(share >= 0 && share <= 1);
    return ++*(int *)arg < 3;
}

static void the_user_can_stop_it(void **state)
{
    (void)state;
    int asked = 0;
    struct qb_quant_bank *b = NULL;
    struct qb_quant_bank_job job = {.source = source,
                                    .plans = list,
                                    .n_plans = N_PLANS,
                                    .pool = pool,
                                    .progress = refuse,
                                    .progress_arg = &asked};
    assert_int_equal(qb_quant_bank_create(&b, &job, NULL), QB_ERR_INTERRUPTED);
    assert_int_equal(asked, 3);
    assert_null(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_equal_those_of_a_file),
        cmocka_unit_test(equal_types_are_shared),
        cmocka_unit_test(the_model_equals_that_of_a_file),
        cmocka_unit_test(the_user_can_stop_it),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
