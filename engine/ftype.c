/*
 * The table of file types (ftypes.def).
 */
#include "engine/ftype.h"
#include <strings.h>

static const struct qb_ftype table[] = {
#define QB_FTYPE(id, name, gguf_id, display, base, layout)                                                   \
    {name, gguf_id, display, QB_GGML_##base, QB_LAYOUT_##layout},
#include "engine/ftypes.def"
#undef QB_FTYPE
};

const struct qb_ftype *qb_ftypes(size_t *n)
{
    *n = QB_ARRAY_LEN(table);
    return table;
}

const struct qb_ftype *qb_ftype_by_name(const char *name)
{
    for (size_t i = 0; i < QB_ARRAY_LEN(table); i++)
        if (strcasecmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const struct qb_ftype *qb_ftype_by_gguf_id(int id)
{
    for (size_t i = 0; id >= 0 && i < QB_ARRAY_LEN(table); i++)
        if (table[i].gguf_id == id)
            return &table[i];
    return NULL;
}
