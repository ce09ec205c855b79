/*
 * The table of expanded blocks, from expansions.def.
 */
#include "kernels/expansion.h"

#define FORM_NIBBLES    struct qb_expanded_nibbles
#define FORM_SIGNED     struct qb_expanded_signed
#define FORM_TERNARY    struct qb_expanded_ternary
#define FORM_TERNARY_16 struct qb_expanded_ternary_16

#define QB_EXPANSION(id, bytes, form)                                                                        \
    _Static_assert(sizeof(FORM_##form) == (bytes) && (bytes) <= QB_MAX_EXPANDED_BYTES, #id);
#include "kernels/expansions.def"

#define QB_EXPANSION(id, bytes, form) [QB_FORMAT_##id] = {bytes, qb_expand_##id, qb_contract_##id},
static const struct qb_expansion expansions[QB_FORMAT_COUNT] = {
#include "kernels/expansions.def"
};

const struct qb_expansion *qb_expansion_of(const struct qb_format *f)
{
    const struct qb_expansion *e = &expansions[f->id];
    return e->block_bytes ? e : NULL;
}
