/*
 * Any bytes as a GGUF file: parse, read every value and hyper-parameter, list and check all tensors, write
 * the metadata again.
 */
#include "engine/ftype.h"
#include "engine/gguf.h"
#include "engine/hparams.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sink; /* keeps the reads */

static void read_values(const struct qb_gguf *g)
{
    for (size_t i = 0; i < qb_gguf_n_kv(g); i++) {
        const struct qb_gguf_kv *kv = qb_gguf_kv_at(g, i);
        struct qb_gguf_str s;
        size_t pos = 0;
        int64_t whole;
        double real;
        for (size_t b = 0; b < kv->key.len; b++)
            sink += (uint8_t)kv->key.s[b];
        for (uint64_t k = 0; k < kv->n; k++) {
            sink += qb_gguf_array_i64(kv, k, &whole) ? (uint64_t)whole : 0;
            sink += qb_gguf_array_f64(kv, k, &real) && real > 0;
        }
        while (qb_gguf_array_next_str(kv, &pos, &s))
            for (size_t b = 0; b < s.len; b++)
                sink += (uint8_t)s.s[b];
    }
}

static void read_tensors(const struct qb_gguf *g)
{
    for (size_t i = 0; i < qb_gguf_n_tensors(g); i++) {
        const struct qb_gguf_tensor *t = qb_gguf_tensor_at(g, i);
        int64_t bad;
        if (qb_gguf_tensor_find(g, t->name) != t)
            abort(); /* names are unique, so the index must find this very tensor */
        if (qb_gguf_tensor_check(t, &bad, NULL) == QB_OK)
            sink += (uint64_t)bad;
        else
            sink += t->data[0] + t->data[t->bytes - 1];
    }
}

static void read_hparams(const struct qb_gguf *g)
{
    static struct qb_hparams hp;
    struct qb_err err;
    if (qb_hparams_read(&hp, g, &err) != QB_OK)
        return;
    struct qb_tensor_spec *specs;
    size_t n;
    sink += (uint64_t)qb_hparams_size_class(&hp)[0];
    if (qb_hparams_tensors(&hp, &specs, &n, &err) != QB_OK)
        return;
    struct qb_recipe_tensor *mix = calloc(n, sizeof *mix);
    for (size_t i = 0; mix && i < n; i++) {
        mix[i].name = specs[i].name;
        for (int d = 0; d < 4; d++)
            mix[i].ne[d] = specs[i].ne[d];
    }
    if (mix)
        sink += qb_recipe_apply(qb_ftype_by_name("Q4_K_M"), &hp, true, mix, n, &err);
    free(mix);
    free(specs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qb_gguf *g;
    struct qb_err err;
    if (qb_gguf_open_memory(&g, data, size, "input", &err) != QB_OK)
        return 0;
    read_values(g);
    read_tensors(g);
    read_hparams(g);
    qb_gguf_close(g);
    return 0;
}
