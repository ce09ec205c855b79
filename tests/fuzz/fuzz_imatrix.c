/*
 * Any bytes as an importance matrix: read it, ask for every importance, describe it, merge it with itself and
 * with its other form, write it in both forms and read it again.
 */
#include "engine/imatrix.h"
#include "engine/imatrix_stats.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];

static void remove_file(void)
{
    unlink(path);
}

static void name_file(void)
{
    if (path[0])
        return;
    /* writers wait for the disk: memory is faster */
    snprintf(path, sizeof path, "%s/qbench-fuzz-imatrix-%d",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    atexit(remove_file);
}

static void check_entry(const struct qb_imatrix *im, const struct qb_imatrix_entry *e)
{
    struct qb_imatrix_stats s;
    size_t n = qb_imatrix_n_values(e);
    float *v = malloc(n * sizeof *v);
    if (qb_imatrix_find(im, e->name) != e)
        abort(); /* names are unique and in order */
    if (v) {
        qb_imatrix_importance(e, 0, n, v);
        for (size_t i = 0; i < n; i++)
            if (isnan(v[i]) || v[i] < 0)
                abort();
        free(v);
    }
    if (qb_imatrix_stats_of(&s, im, e, NULL) == QB_OK && (s.n_unseen > e->n_mat || s.layer < -1))
        abort();
    const int64_t ne[4] = {e->n_in, 1, e->n_mat, 1};
    if (qb_imatrix_check_tensor(im, e->name, ne, NULL) != QB_OK)
        abort();
}

/* What was written can be read, and has the same entries. Sums that overflowed may be refused. */
static void write_and_read(const struct qb_imatrix *im, enum qb_imatrix_form form)
{
    struct qb_imatrix *again;
    struct qb_err err;
    if (qb_imatrix_write(im, path, form, NULL, 0, &err) != QB_OK ||
        qb_imatrix_open(&again, path, &err) != QB_OK)
        return;
    for (size_t i = 0; i < again->n; i++)
        if (!qb_imatrix_find(im, again->entries[i].name))
            abort();
    struct qb_imatrix *sum;
    qb_imatrix_set_chunk_size(again, 7);
    if (qb_imatrix_create(&sum, 7, &err) == QB_OK) {
        if (again->chunk_size && im->chunk_size && qb_imatrix_merge(sum, im, &err) == QB_OK)
            qb_imatrix_merge(sum, again, &err);
        qb_imatrix_close(sum);
    }
    qb_imatrix_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qb_imatrix *im;
    struct qb_err err;
    const struct qb_imatrix_entry **list;
    name_file();
    if (qb_imatrix_open_memory(&im, data, size, "input", &err) != QB_OK)
        return 0;
    for (size_t i = 0; i < im->n; i++)
        check_entry(im, &im->entries[i]);
    if (qb_imatrix_by_layer(&list, im, &err) == QB_OK)
        free(list);
    qb_imatrix_set_chunk_size(im, 512);
    write_and_read(im, QB_IMATRIX_GGUF);
    write_and_read(im, QB_IMATRIX_DAT);
    qb_imatrix_close(im);
    return 0;
}
