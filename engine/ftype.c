/*
 * The table of file types (ftypes.def).
 */
#include "engine/ftype.h"
#include "base/nearest.h"
#include <strings.h>

enum row {
#define QB_FTYPE(id, ...) ROW_##id,
#include "engine/ftypes.def"
#undef QB_FTYPE
    ROW_COUNT
};
enum { QB_GGML_NONE = -1 };

static const struct qb_ftype table[] = {
#define QB_FTYPE(id, name, gguf_id, display, base, layout, mix, edge)                                        \
    {name, gguf_id, display, QB_GGML_##base, QB_LAYOUT_##layout, ROW_##mix, QB_GGML_##edge},
#include "engine/ftypes.def"
#undef QB_FTYPE
};

static const struct {
    const char *name;
    enum row row;
} aliases[] = {{"Q3_K", ROW_Q3_K_M}, {"Q4_K", ROW_Q4_K_M}, {"Q5_K", ROW_Q5_K_M}};

static const struct qb_ftype *const card[] = {
    &table[ROW_F32],    &table[ROW_F16],    &table[ROW_Q8_0],   &table[ROW_Q6_K_L], &table[ROW_Q6_K],
    &table[ROW_Q5_K_L], &table[ROW_Q5_K_M], &table[ROW_Q5_K_S], &table[ROW_Q4_K_L], &table[ROW_Q4_1],
    &table[ROW_Q4_K_M], &table[ROW_Q4_K_S], &table[ROW_Q4_0],   &table[ROW_IQ4_NL], &table[ROW_Q3_K_XL],
    &table[ROW_IQ4_XS], &table[ROW_Q3_K_L], &table[ROW_Q3_K_M], &table[ROW_IQ3_M],  &table[ROW_Q3_K_S],
    &table[ROW_IQ3_XS], &table[ROW_Q2_K_L], &table[ROW_Q2_K],   &table[ROW_IQ2_M],  &table[ROW_IQ2_S]};

const struct qb_ftype *qb_ftypes(size_t *n)
{
    *n = QB_ARRAY_LEN(table);
    return table;
}

const struct qb_ftype *const *qb_ftype_card(size_t *n)
{
    *n = QB_ARRAY_LEN(card);
    return card;
}

bool qb_ftype_is_pure(const struct qb_ftype *f)
{
    return f->base_type_id == QB_GGML_NVFP4 || f->base_type_id == QB_GGML_Q1_0 ||
           f->base_type_id == QB_GGML_Q2_0;
}

const struct qb_ftype *qb_ftype_by_name(const char *name)
{
    for (size_t i = 0; i < QB_ARRAY_LEN(table); i++)
        if (strcasecmp(table[i].name, name) == 0)
            return &table[i];
    for (size_t i = 0; i < QB_ARRAY_LEN(aliases); i++)
        if (strcasecmp(aliases[i].name, name) == 0)
            return &table[aliases[i].row];
    return NULL;
}

const struct qb_ftype *qb_ftype_nearest(const char *name)
{
    size_t best = 0;
    for (size_t i = 1; i < QB_ARRAY_LEN(table); i++)
        if (qb_name_distance(name, table[i].name) < qb_name_distance(name, table[best].name))
            best = i;
    return &table[best];
}

const struct qb_ftype *qb_ftype_by_gguf_id(int id)
{
    for (size_t i = 0; id >= 0 && i < QB_ARRAY_LEN(table); i++)
        if (table[i].gguf_id == id)
            return &table[i];
    return NULL;
}
