/*
 * Check and benchmark of PACK: every layout of every format, against the scalar field by field packing, which
 * itself is checked by taking the group apart again.
 */
#include "base/err.h"
#include "tests/kernel_check/check.h"

#define BENCH_GROUP 16
#define BENCH_K     2048
#define BENCH_ROWS  8192

static void fill_random(struct qb_check *c, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)qb_rng_u64(qb_check_rng(c));
}

/* One group of rows of n_k weights that lie `gap` bytes apart; `align` of the packed group. */
static void check_group(struct qb_check *c, qb_pack_fn *fn, enum qb_layout_id layout,
                        const struct qb_format *f, int64_t n_k, size_t gap, size_t align)
{
    size_t rows = (size_t)qb_layout_get(layout)->rows, row_bytes = qb_format_bytes(f, n_k);
    size_t stride = row_bytes + gap, bytes = stride * (rows - 1) + row_bytes;
    size_t packed_bytes = rows * qb_layout_bytes(layout, f, n_k);
    qb_check_case(c, "%s %s, %lld weights a row, %zu bytes apart, aligned to %zu", f->name,
                  qb_layout_name(layout), (long long)n_k, gap, align);
    uint8_t *plain = qb_check_input(c, bytes, 1), *want = qb_check_output(c, packed_bytes, 1);
    uint8_t *got = qb_check_output(c, packed_bytes, align);
    uint8_t *back = qb_check_output(c, bytes, 1);
    fill_random(c, plain, bytes);
    fn(layout, f, n_k, plain, stride, got);
    qb_layout_pack(layout, f, n_k, plain, stride, want);
    if (!qb_check_bytes(c, "packed group", got, want, packed_bytes))
        return;
    qb_layout_unpack(layout, f, n_k, got, back, stride);
    for (size_t r = 0; r < rows; r++)
        qb_check_bytes(c, "row taken out again", back + r * stride, plain + r * stride, row_bytes);
}

void qb_check_pack(struct qb_check *c, const struct qb_kernel *k)
{
    static const int blocks[] = {1, 2, 3, 8, 21, 64};
    qb_pack_fn *fn = (qb_pack_fn *)k->fn;
    for (int l = 0; l < QB_LAYOUT_COUNT; l++) {
        const struct qb_layout *layout = qb_layout_get((enum qb_layout_id)l);
        for (int i = 0; i < QB_FORMAT_COUNT * (int)QB_ARRAY_LEN(blocks); i++) {
            const struct qb_format *f = qb_format_get((enum qb_format_id)(i / (int)QB_ARRAY_LEN(blocks)));
            int64_t n = blocks[i % (int)QB_ARRAY_LEN(blocks)] * (f->id == QB_FORMAT_BF16 ? 2 : 1);
            if (!qb_layout_fits(layout->id, f, layout->rows) || qb_check_failed(c))
                continue;
            check_group(c, fn, layout->id, f, n * f->block_elems, 0, 64);
            check_group(c, fn, layout->id, f, n * f->block_elems, 5, 1);
        }
    }
}

struct pack_job {
    qb_pack_fn *fn;
    const uint8_t *plain;
    uint8_t *packed;
};

static void run_pack(void *arg)
{
    const struct pack_job *j = arg;
    const struct qb_format *f = qb_format_get(QB_FORMAT_Q4_K);
    size_t row_bytes = qb_format_bytes(f, BENCH_K);
    for (size_t r = 0; r < BENCH_ROWS; r += BENCH_GROUP)
        j->fn(QB_LAYOUT_R16, f, BENCH_K, j->plain + r * row_bytes, row_bytes, j->packed + r * row_bytes);
}

/* Q4_K to r16, beyond the caches of a core. */
void qb_bench_pack(struct qb_check *c, const struct qb_kernel *k, struct qb_check_bench *b)
{
    size_t bytes = qb_format_bytes(qb_format_get(QB_FORMAT_Q4_K), BENCH_K) * BENCH_ROWS;
    struct pack_job *j = qb_check_input(c, sizeof *j, 64);
    *j = (struct pack_job){(qb_pack_fn *)k->fn, qb_check_input(c, bytes, 64), qb_check_output(c, bytes, 64)};
    *b = (struct qb_check_bench){run_pack, j, 0, 2 * (double)bytes};
}
