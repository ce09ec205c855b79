/*
 * Products on the pool against plain double-precision sums over the same quantized activations: ragged rows,
 * batches on both sides of the fused limit, biases, residuals, several products at once, thread counts.
 */
#include "engine/matmul.h"

#include "base/rng.h"
#include "kernels/oracle/oracle.h"
#include "kernels/panel_form.h"
#include "tests/unit/cmocka_all.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CANARY 12345.0f

static struct qb_pool *pools[4];           /* by number of threads */
enum { BEST, REFERENCE, VECTORS, N_SETS }; /* VECTORS: the best without matrix units */
static struct qb_kernel_set sets[N_SETS];
static int slices[2]; /* expected so far: without, with fixed-point scales */

static int start(void **state)
{
    (void)state;
    for (int n = 1; n < 4; n++) {
        int pu[] = {-1, -1, -1};
        struct qb_placement p = {.n_threads = n, .pu = pu, .oversubscribed = true};
        if (qb_pool_create(&pools[n], &p, NULL) != QB_OK)
            return -1;
    }
    struct qb_err err = {0};
    enum qb_isa vectors = qb_cpu_isa() < QB_ISA_AMX ? qb_cpu_isa() : QB_ISA_AVX512BF16;
    if (qb_kernel_set_select(&sets[BEST], QB_ISA_AUTO, &err) != QB_OK ||
        qb_kernel_set_select_reference(&sets[REFERENCE], QB_ISA_AUTO, &err) != QB_OK ||
        qb_kernel_set_select(&sets[VECTORS], vectors, &err) != QB_OK) {
        print_error("%s\n", err.message);
        return -1;
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (int n = 1; n < 4; n++)
        qb_pool_free(pools[n]);
    return 0;
}

static void *get(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    assert_non_null(p);
    memset(p, 0, (bytes + 127) / 64 * 64);
    return p;
}

/* A random matrix; r16 where it fits. */
static struct qb_matrix make_matrix(const struct qb_format *f, enum qb_layout_id layout, int64_t rows,
                                    int64_t cols, uint64_t seed)
{
    struct qb_matrix m = {f, qb_layout_fits(layout, f, rows) ? layout : QB_LAYOUT_PLAIN, rows, cols, NULL};
    size_t row_bytes = qb_format_bytes(f, cols), packed_bytes = qb_matrix_row_bytes(&m);
    uint8_t *plain = get((size_t)rows * row_bytes);
    struct qb_rng rng;
    qb_rng_init(&rng, seed, 0);
    for (size_t at = 0; at < (size_t)rows * row_bytes; at += (size_t)f->block_bytes)
        f->synth(plain + at, 1.0f / sqrtf((float)cols), &rng);
    if (f->id == QB_FORMAT_Q8_0) /* too far above the other scales of row 3 */
        memcpy(plain + 3 * row_bytes, &(uint16_t){0x3c00}, sizeof(uint16_t));
    if (m.layout == QB_LAYOUT_PLAIN) {
        m.data = plain;
        return m;
    }
    uint8_t *packed = get((size_t)rows * packed_bytes);
    int step = qb_layout_get(m.layout)->rows;
    for (int64_t r = 0; r < rows; r += step)
        qb_layout_pack(m.layout, f, cols, plain + (size_t)r * row_bytes, row_bytes,
                       packed + (size_t)r * packed_bytes);
    free(plain);
    m.data = packed;
    return m;
}

/* One value; `cut`: the form of panels that cut the sums of integers; `fixed`: slices of K whose
 * panels take fixed-point scales. */
static double value(const struct qb_format *cut, const struct qb_matrix *m, const struct qb_act *a, int64_t r,
                    int c, const float *row, const double *x, unsigned fixed)
{
    double sum = 0;
    if (cut) {
        for (int64_t b = 0; b < m->n_cols / 256; b++)
            sum += qb_oracle_cut_block(cut, m, r, b, a, c);
        return sum;
    }
    for (int64_t k = 0, n, i = 0; k < m->n_cols; k += n, i++) {
        double most;
        n = m->n_cols - k < QB_PANEL_K ? m->n_cols - k : QB_PANEL_K;
        if (fixed >> i & 1)
            sum += qb_oracle_fixed(m, r, k, n, a, c, &most);
        for (int64_t j = k; !(fixed >> i & 1) && j < k + n; j++)
            sum += row[j] * x[j];
    }
    return sum;
}

/* One bit a slice of K. */
static unsigned fixed_slices(const struct qb_kernel_set *set, const struct qb_matrix *m,
                             const struct qb_act *a, int64_t r)
{
    int64_t row0 = r / QB_PANEL_ROWS * QB_PANEL_ROWS, left = m->n_rows - row0;
    unsigned fixed = 0;
    if (a->kind != QB_ACT_Q8_32 || !set->fix_scales || a->n_tiles < 16)
        return 0;
    for (int64_t k = 0, n, i = 0; k < m->n_cols; k += n, i++) {
        n = m->n_cols - k < QB_PANEL_K ? m->n_cols - k : QB_PANEL_K;
        bool is = qb_oracle_is_fixed(m, row0, left < QB_PANEL_ROWS ? (int)left : QB_PANEL_ROWS, k, n);
        fixed |= (unsigned)is << i;
        slices[is]++;
    }
    return fixed;
}

static void expected(const struct qb_kernel_set *set, const struct qb_matrix *m, const struct qb_act *a,
                     double *out)
{
    const struct qb_kernel *decoder = qb_kernel_set_row(set, QB_OP_DECODE_PANEL, m->format->id, m->layout);
    const struct qb_format form = qb_panel_form(m->format, decoder ? decoder->isa : QB_ISA_SCALAR);
    bool cuts = form.int_scales && !a->by_column && !qb_matmul_is_fused(set, m, a->n_cols);
    float *row = get((size_t)m->n_cols * sizeof *row);
    double *x = get((size_t)(m->n_cols * a->n_cols) * sizeof *x);
    for (int c = 0; c < a->n_cols; c++)
        for (int64_t k = 0; k < m->n_cols; k++)
            x[c * m->n_cols + k] = qb_oracle_act(a, c, k);
    for (int64_t r = 0; r < m->n_rows; r++) {
        qb_matrix_decode_row(m, r, row);
        unsigned fixed = fixed_slices(set, m, a, r);
        for (int c = 0; c < a->n_cols; c++)
            out[c * m->n_rows + r] = value(cuts ? &form : NULL, m, a, r, c, row, x + c * m->n_cols, fixed);
    }
    free(row);
    free(x);
}

/* ---- one call on a pool ---- */

struct call {
    const struct qb_kernel_set *set;
    const struct qb_product *p;
    int n;
    const struct qb_matrix *gate, *up;
    const struct qb_act *a;
    float *out;
    size_t ldo;
    void *scratch[3];
};

static void work(struct qb_worker *w, void *arg)
{
    struct call *c = arg;
    qb_pool_barrier(w);
    if (c->gate)
        qb_matmul_gate_up(w, c->set, c->gate, c->up, c->a, c->out, c->ldo, c->scratch[w->index]);
    else
        qb_matmul(w, c->set, c->p, c->n, c->a, c->scratch[w->index]);
}

static void run(struct call *c, int n_threads)
{
    for (int i = 0; i < n_threads; i++)
        c->scratch[i] = get(qb_matmul_scratch_bytes(c->a->n_cols));
    qb_pool_run(pools[n_threads], work, c);
    for (int i = 0; i < n_threads; i++)
        free(c->scratch[i]);
}

static struct qb_act make_act(const struct qb_kernel_set *set, const struct qb_format *f, int n_cols,
                              int64_t n_k, void **storage)
{
    struct qb_act a;
    struct qb_rng rng;
    enum qb_act_kind kind = qb_kernel_set_act(set, f, n_cols);
    *storage = get(qb_act_bytes(kind, n_cols, n_k));
    qb_act_init(&a, kind, n_cols, n_k, qb_kernel_set_tile_cols(set, kind, n_cols), *storage);
    float *x = get((size_t)n_cols * (size_t)n_k * sizeof *x);
    qb_rng_init(&rng, 7, (uint64_t)n_cols);
    for (int64_t i = 0; i < n_cols * n_k; i++)
        x[i] = qb_rng_normal(&rng);
    set->act[kind](x, (size_t)n_k, 0, n_cols, &a);
    free(x);
    return a;
}

static float *output(int n_cols, size_t ldo)
{
    float *out = get((size_t)n_cols * ldo * sizeof *out);
    for (size_t i = 0; i < (size_t)n_cols * ldo; i++)
        out[i] = CANARY;
    return out;
}

static void compare(const float *out, size_t ldo, const double *want, int64_t n_rows, int n_cols)
{
    for (int c = 0; c < n_cols; c++) {
        for (int64_t r = 0; r < n_rows; r++) {
            double got = out[(size_t)c * ldo + (size_t)r], w = want[c * n_rows + r];
            if (!(fabs(got - w) <= 2e-5 * (4 + fabs(w))))
                fail_msg("column %d row %d: %.9g, expected %.9g", c, (int)r, got, w);
        }
        for (size_t r = (size_t)n_rows; r < ldo; r++)
            assert_true(out[(size_t)c * ldo + r] == CANARY);
    }
}

static const enum qb_format_id formats[] = {QB_FORMAT_Q4_0, QB_FORMAT_Q4_K, QB_FORMAT_Q6_K, QB_FORMAT_F16,
                                            QB_FORMAT_Q5_1, QB_FORMAT_BF16, QB_FORMAT_IQ3_S};
static const int batches[] = {1, 2, 4, 5, 9, 40, 101};

#define N_PRODUCTS 4

/* Is it worth running? The largest batches are for one number of threads, and what BEST does is not repeated.
 */
static bool is_needed(int set, int n_cols, int n_threads)
{
    if (set == VECTORS && (!sets[BEST].planes || n_threads != 2))
        return false;
    return n_cols <= 40 || (n_threads == 2 && set != REFERENCE);
}

/* Products of different heights, with and without a bias, to the output or onto what is there (3). */
static void products(const struct qb_kernel_set *set, const struct qb_format *f, enum qb_layout_id layout,
                     int n_cols, int64_t n_k, int n_threads)
{
    const int64_t rows[N_PRODUCTS] = {208, 69, 96, 37};
    void *storage;
    struct qb_act a = make_act(set, f, n_cols, n_k, &storage);
    struct qb_matrix m[N_PRODUCTS];
    struct qb_product p[N_PRODUCTS];
    double *want[N_PRODUCTS];
    float bias[208];
    for (int i = 0; i < 208; i++)
        bias[i] = (float)(i % 13) - 6;
    for (int i = 0; i < N_PRODUCTS; i++) {
        bool with_bias = i < 2, accumulate = i == 1 || i == 2;
        m[i] = make_matrix(f, layout, rows[i], n_k, (uint64_t)i + 1);
        want[i] = get((size_t)(rows[i] * n_cols) * sizeof **want);
        expected(set, &m[i], &a, want[i]);
        size_t ldo = (size_t)rows[i] + 5;
        p[i] = (struct qb_product){&m[i], with_bias ? bias : NULL, output(n_cols, ldo), ldo, accumulate};
        for (int64_t j = 0; j < rows[i] * n_cols; j++)
            want[i][j] += (with_bias ? bias[j % rows[i]] : 0) + (accumulate ? 3.0 : 0);
        for (int64_t j = 0; accumulate && j < rows[i] * n_cols; j++)
            p[i].out[j / rows[i] * (int64_t)ldo + j % rows[i]] = 3;
    }
    struct call call = {.set = set, .p = p, .n = N_PRODUCTS, .a = &a};
    run(&call, n_threads);
    for (int i = 0; i < N_PRODUCTS; i++) {
        compare(p[i].out, p[i].ldo, want[i], rows[i], n_cols);
        free(want[i]);
        free(p[i].out);
        free((void *)(uintptr_t)m[i].data);
    }
    free(storage);
}

static enum qb_layout_id interleaved(enum qb_format_id f)
{
    return qb_expansion_of(qb_format_get(f)) ? QB_LAYOUT_X16 : QB_LAYOUT_R16;
}

static void products_match(void **state)
{
    (void)state;
    for (int s = 0; s < N_SETS; s++)
        for (size_t f = 0; f < QB_ARRAY_LEN(formats); f++)
            for (size_t b = 0; b < QB_ARRAY_LEN(batches); b++)
                for (int n = 1; n < 4; n++)
                    if (is_needed(s, batches[b], n))
                        products(&sets[s], qb_format_get(formats[f]),
                                 (f + b + (size_t)n) % 2 ? QB_LAYOUT_PLAIN : interleaved(formats[f]),
                                 batches[b], n == 2 ? 256 : 768, n);
}

static void gate_up(const struct qb_kernel_set *set, const struct qb_format *f, int64_t rows, int n_cols,
                    int n_threads)
{
    const int64_t n_k = 512;
    void *storage;
    struct qb_act a = make_act(set, f, n_cols, n_k, &storage);
    struct qb_matrix gate = make_matrix(f, QB_LAYOUT_R16, rows, n_k, 3),
                     up = make_matrix(f, QB_LAYOUT_R16, rows, n_k, 4);
    double *g = get((size_t)(rows * n_cols) * sizeof *g), *u = get((size_t)(rows * n_cols) * sizeof *u);
    expected(set, &gate, &a, g);
    expected(set, &up, &a, u);
    for (int64_t i = 0; i < rows * n_cols; i++)
        g[i] = g[i] / (1 + exp(-g[i])) * u[i];
    size_t ldo = (size_t)rows + 3;
    float *out = output(n_cols, ldo);
    struct call call = {.set = set, .gate = &gate, .up = &up, .a = &a, .out = out, .ldo = ldo};
    run(&call, n_threads);
    compare(out, ldo, g, rows, n_cols);
    free(g);
    free(u);
    free(out);
    free(storage);
    free((void *)(uintptr_t)gate.data);
    free((void *)(uintptr_t)up.data);
}

static void gate_and_up_match(void **state)
{
    (void)state;
    for (int s = 0; s < N_SETS; s++)
        for (size_t f = 0; f < QB_ARRAY_LEN(formats); f++)
            for (size_t b = 0; b < QB_ARRAY_LEN(batches); b++)
                for (int n = 1; n < 4; n++)
                    if (is_needed(s, batches[b], n))
                        gate_up(&sets[s], qb_format_get(formats[f]), n == 2 && batches[b] < 40 ? 1296 : 100,
                                batches[b], n);
}

/* More columns than a chunk, and so few panels that the columns are shared out too. */
static void wide_batches(void **state)
{
    (void)state;
    products(&sets[BEST], qb_format_get(QB_FORMAT_Q4_0), QB_LAYOUT_R16, 700, 768, 2);
    products(&sets[BEST], qb_format_get(QB_FORMAT_Q4_K), QB_LAYOUT_PLAIN, 1100, 768, 3);
    gate_up(&sets[BEST], qb_format_get(QB_FORMAT_Q6_K), 32, 200, 3);
}

/* Tiles enough for fixed-point scales, on one worker, so that no chunk has fewer; slices with and without. */
static void fixed_scales(void **state)
{
    (void)state;
    slices[0] = slices[1] = 0;
    products(&sets[VECTORS], qb_format_get(QB_FORMAT_Q8_0), QB_LAYOUT_PLAIN, 120, 1088, 1);
    products(&sets[VECTORS], qb_format_get(QB_FORMAT_Q8_0), QB_LAYOUT_R16, 130, 608, 1);
    gate_up(&sets[VECTORS], qb_format_get(QB_FORMAT_Q8_0), 100, 110, 1);
    if (sets[VECTORS].fix_scales)
        assert_true(slices[0] > 0 && slices[1] > 0);
}

static void shares_cut_every_matrix(void **state)
{
    (void)state;
    const struct qb_format *f = qb_format_get(QB_FORMAT_Q4_0), *g = qb_format_get(QB_FORMAT_Q8_0);
    struct qb_matrix m[] = {{f, QB_LAYOUT_PLAIN, 2048, 64, NULL},
                            {f, QB_LAYOUT_PLAIN, 40, 64, NULL},
                            {g, QB_LAYOUT_PLAIN, 256, 64, NULL}};
    const struct qb_matrix *list[] = {&m[0], &m[1], &m[2]};
    for (int n = 1; n <= 70; n++) {
        double most = 0, total = 0;
        int64_t at[3] = {0};
        for (int w = 0; w < n; w++) {
            double bytes = 0;
            for (int i = 0; i < 3; i++) {
                int64_t r0, r1;
                qb_matmul_share(list, 3, i, w, n, &r0, &r1);
                assert_int_equal(r0, at[i]);
                assert_true(r1 >= r0 && (r1 % 16 == 0 || r1 == m[i].n_rows));
                bytes += (double)(r1 - r0) * (double)qb_matrix_row_bytes(&m[i]);
                at[i] = r1;
            }
            total += bytes;
            most = bytes > most ? bytes : most;
        }
        for (int i = 0; i < 3; i++)
            assert_int_equal(at[i], m[i].n_rows);
        /* nobody has more than its share and a group of each matrix */
        assert_true(most <= total / n + 3 * 16.0 * (double)qb_matrix_row_bytes(&m[2]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_match),
        cmocka_unit_test(gate_and_up_match),
        cmocka_unit_test(wide_batches),
        cmocka_unit_test(fixed_scales),
        cmocka_unit_test(shares_cut_every_matrix),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
