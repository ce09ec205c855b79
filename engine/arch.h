/*
 * Architectures: one row of archs.def and one file arch_NAME.c each.
 */
#ifndef QB_ENGINE_ARCH_H
#define QB_ENGINE_ARCH_H

#include "engine/model.h"

struct qb_forward;

struct qb_arch {
    const char *name; /* "llama": general.architecture */
    bool rope_neox;   /* which elements rope pairs */
    bool qkv_bias;    /* q, k and v biases are required */
    /* One layer: the graph, readable top to bottom, in terms of the steps of forward.h. Runs on every worker.
     */
    void (*layer)(struct qb_forward *f, int layer);
};
#define QB_ARCH(id, name, neox, bias) void qb_layer_##id(struct qb_forward *f, int layer);
#include "engine/archs.def"
#undef QB_ARCH

const struct qb_arch *qb_archs(size_t *n);
const struct qb_arch *qb_arch_by_name(const char *name); /* NULL when not built */

#endif
