/*
 * llama: Llama 2 and 3, Mistral, TinyLlama, SmolLM2 and their relatives (Touvron et al., 2023).
 */
#include "engine/arch.h"
#include "engine/forward.h"

void qb_layer_llama(struct qb_forward *f, int layer)
{
    const struct qb_layer *l = &f->model->layers[layer];
    const struct qb_matrix *qkv[] = {&l->wq, &l->wk, &l->wv};

    qb_forward_norm(f, l->attn_norm, qkv, 3);
    qb_forward_qkv(f, l, layer);
    qb_forward_rope_store(f, layer);
    if (!qb_forward_outputs(f, layer))
        return;
    qb_forward_attention(f, layer);
    qb_forward_attn_output(f, l);
    qb_forward_ffn(f, l, layer);
}
