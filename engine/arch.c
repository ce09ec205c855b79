/*
 * The table of architectures.
 */
#include "engine/arch.h"

#include <string.h>

#define QB_ARCH(id, name, neox, bias) {name, neox, bias, qb_layer_##id},
static const struct qb_arch archs[] = {
#include "engine/archs.def"
};
#undef QB_ARCH

const struct qb_arch *qb_archs(size_t *n)
{
    *n = QB_ARRAY_LEN(archs);
    return archs;
}

const struct qb_arch *qb_arch_by_name(const char *name)
{
    for (size_t i = 0; i < QB_ARRAY_LEN(archs); i++)
        if (strcmp(archs[i].name, name) == 0)
            return &archs[i];
    return NULL;
}
