/*
 * Memory of the KV cache (kernels/vector.h has the layout).
 */
#include "engine/forward.h"

#include <string.h>
#include <strings.h>

static const char *const names[] = {"f32", "f16", "q8_0"};
_Static_assert(QB_ARRAY_LEN(names) == QB_KV_TYPE_COUNT, "one name per type");

const char *qb_kv_type_name(enum qb_kv_type type)
{
    return (unsigned)type < QB_KV_TYPE_COUNT ? names[type] : "?";
}

bool qb_kv_type_parse(const char *name, enum qb_kv_type *out)
{
    for (int i = 0; i < QB_KV_TYPE_COUNT; i++)
        if (strcasecmp(name, names[i]) == 0) {
            *out = (enum qb_kv_type)i;
            return true;
        }
    return false;
}

static size_t values_bytes(enum qb_kv_type type, size_t n)
{
    static const size_t size[] = {4, 2, 1};
    return qb_align_up(n * size[type], 64);
}

static size_t scales_bytes(enum qb_kv_type type, size_t n)
{
    return type == QB_KV_Q8_0 ? qb_align_up(n / 32 * sizeof(uint16_t), 64) : 0;
}

size_t qb_kv_bytes(enum qb_kv_type type_k, enum qb_kv_type type_v, int n_head_kv, int dim_k, int dim_v,
                   int64_t capacity)
{
    size_t rows = (size_t)n_head_kv * (size_t)capacity;
    size_t n_k = rows * (size_t)dim_k, n_v = rows * (size_t)dim_v;
    return values_bytes(type_k, n_k) + scales_bytes(type_k, n_k) + values_bytes(type_v, n_v) +
           scales_bytes(type_v, n_v);
}

void qb_kv_init(struct qb_kv *kv, enum qb_kv_type type_k, enum qb_kv_type type_v, int n_head_kv, int dim_k,
                int dim_v, int64_t capacity, void *memory)
{
    size_t rows = (size_t)n_head_kv * (size_t)capacity;
    size_t n_k = rows * (size_t)dim_k, n_v = rows * (size_t)dim_v;
    char *k = memory, *k_scale = k + values_bytes(type_k, n_k);
    char *v = k_scale + scales_bytes(type_k, n_k), *v_scale = v + values_bytes(type_v, n_v);
    *kv = (struct qb_kv){type_k, type_v, n_head_kv, dim_k, dim_v, capacity, k, v, NULL, NULL};
    if (type_k == QB_KV_Q8_0)
        kv->k_scale = (uint16_t *)(void *)k_scale;
    if (type_v == QB_KV_Q8_0)
        kv->v_scale = (uint16_t *)(void *)v_scale;
}
