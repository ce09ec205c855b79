/*
 * qwen2: Qwen 2 and 2.5 (Yang et al., 2024). As llama, with biases on q, k and v and the other pairing of
 * rope.
 */
#include "engine/arch.h"
#include "engine/forward.h"

void qb_layer_qwen2(struct qb_forward *f, int layer)
{
    const struct qb_layer *l = &f->model->layers[layer];
    const struct qb_matrix *qkv[] = {&l->wq, &l->wk, &l->wv};

    qb_forward_norm(f, l->attn_norm, qkv, 3);
    qb_forward_qkv(f, l, layer); /* adds the biases */
    qb_forward_rope_store(f, layer);
    if (!qb_forward_outputs(f, layer))
        return;
    qb_forward_attention(f, layer);
    qb_forward_attn_output(f, l);
    qb_forward_ffn(f, l, layer);
}
