/*
 * Q2_K, Q4_K, Q5_K: sub-blocks with an integer scale and an integer minimum under two f16 factors. Free
 * scales and minima first; then the integer ones by the error after decoding; then the least-squares factors.
 */
#ifndef QB_KERNELS_ENCODE_ENCODE_ASYM_H
#define QB_KERNELS_ENCODE_ENCODE_ASYM_H

#include "kernels/encode/encode_bias.h"

struct qb_asym_shape {
    int subs, size;  /* sub-blocks and their weights: 256 in all */
    float hi;        /* highest code */
    float most;      /* highest integer scale and minimum */
    float evenness;  /* qb_weigh_by_size; 0: not called */
    int passes;      /* of the first search */
    int rounds;      /* of integer scales and factors */
    float shrink[4]; /* starts of the first search: qb_asym_search */
};

/* Everything that is chosen for a block. */
struct qb_asym_choice {
    uint8_t q[256], sc[16], mn[16];
    uint16_t d, dmin;          /* f16 */
    float d_value, dmin_value; /* what they say, in units of the block */
    float error;
};

QB_INLINE struct qb_encode_group qb_asym_group(const struct qb_asym_shape *s, const struct qb_encode_block *b,
                                               int k)
{
    return (struct qb_encode_group){b->x + s->size * k, b->w + s->size * k, s->size};
}

/* Lowest of four neighbouring integer scales around v. */
QB_INLINE float qb_asym_lowest(float v, float most)
{
    return qb_clamp(qb_rint_small(v - 1.5f), 0.0f, most - 3.0f);
}

/* Integer scale and minimum of sub-block k: of 4 x 4 around the wanted ones those of least error. */
QB_INLINE void qb_asym_choose_sub(const struct qb_asym_shape *s, const struct qb_encode_block *b, int k,
                                  struct qb_asym want, struct qb_asym_choice *c)
{
    float scale[QB_LANES], offset[QB_LANES], score[QB_LANES];
    float sc = qb_asym_lowest(want.scale * qb_encode_invert(c->d_value), s->most);
    float mn = qb_asym_lowest(-want.offset * qb_encode_invert(c->dmin_value), s->most);
    QB_FOR_LANES(l)
    {
        scale[l] = c->d_value * (sc + (float)(l % 4));
        offset[l] = -c->dmin_value * (mn + (float)(l / 4));
    }
    qb_asym_errors(qb_asym_group(s, b, k), s->hi, scale, offset, score);
    int best = qb_best_lane(score);
    c->error -= score[best];
    c->sc[k] = (uint8_t)((int)sc + best % 4);
    c->mn[k] = (uint8_t)((int)mn + best / 4);
}

/* The nearest codes of sub-block k under the scales that it has. */
QB_INLINE void qb_asym_take_codes(const struct qb_asym_shape *s, const struct qb_encode_block *b, int k,
                                  struct qb_asym_choice *c)
{
    float inv = qb_encode_invert(c->d_value * (float)c->sc[k]), offset = -c->dmin_value * (float)c->mn[k];
    for (int j = s->size * k; j < s->size * (k + 1); j += QB_LANES)
        qb_take_codes(b->x + j, offset, inv, 0.0f, s->hi, 0, c->q + j);
}

/* Integer scales and codes under the factors d, dmin. */
QB_INLINE void qb_asym_choose_all(const struct qb_asym_shape *s, const struct qb_encode_block *b,
                                  const struct qb_asym *want, float d, float dmin, struct qb_asym_choice *c)
{
    c->d_value = qb_encode_f16(d, b->unit, &c->d);
    c->dmin_value = qb_encode_f16(dmin, b->unit, &c->dmin);
    c->error = 0.0f;
    for (int k = 0; k < s->subs; k++) {
        qb_asym_choose_sub(s, b, k, want[k], c);
        qb_asym_take_codes(s, b, k, c);
    }
}

/* Sums over a sub-block for the factors: x ~ d A - dmin B with A = sc q, B = mn. */
struct qb_asym_factors {
    float aa, ab, bb, xa, xb;
};

QB_INLINE void qb_asym_add(const struct qb_asym_shape *s, const struct qb_encode_block *b, int k,
                           const struct qb_asym_choice *c, struct qb_asym_factors *f)
{
    float q1[QB_LANES] = {0}, q2[QB_LANES] = {0}, xq[QB_LANES] = {0}, w1[QB_LANES] = {0}, x1[QB_LANES] = {0};
    for (int h = 0; h < s->size; h += QB_LANES) {
        QB_FOR_LANES(l)
        {
            int i = s->size * k + h + l;
            float q = (float)c->q[i], w = b->w[i], x = b->x[i];
            q1[l] += w * q;
            q2[l] += w * q * q;
            xq[l] += w * x * q;
            w1[l] += w;
            x1[l] += w * x;
        }
    }
    float sc = (float)c->sc[k], mn = (float)c->mn[k];
    f->aa += sc * sc * qb_sum_lanes(q2);
    f->ab += sc * mn * qb_sum_lanes(q1);
    f->bb += mn * mn * qb_sum_lanes(w1);
    f->xa += sc * qb_sum_lanes(xq);
    f->xb += mn * qb_sum_lanes(x1);
}

/* Least-squares factors for fixed codes; false when there is no better pair of positive ones. */
QB_INLINE bool qb_asym_refit(const struct qb_asym_shape *s, const struct qb_encode_block *b,
                             const struct qb_asym_choice *c, float *d, float *dmin)
{
    struct qb_asym_factors f = {0};
    for (int k = 0; k < s->subs; k++)
        qb_asym_add(s, b, k, c, &f);
    if (!(f.aa > 0.0f))
        return false;
    float det = f.aa * f.bb - f.ab * f.ab;
    if (!(f.bb > 0.0f) || !(det > 1e-6f * f.aa * f.bb)) {
        *d = (f.xa + c->dmin_value * f.ab) / f.aa;
        *dmin = c->dmin_value;
    } else {
        *d = (f.xa * f.bb - f.xb * f.ab) / det;
        *dmin = (f.xa * f.ab - f.xb * f.aa) / det;
    }
    return *d > 0.0f && *dmin >= 0.0f;
}

/* The factors that are best for the codes, and the nearest codes under these. */
QB_INLINE void qb_asym_finish(const struct qb_asym_shape *s, const struct qb_encode_block *b,
                              struct qb_asym_choice *c)
{
    float d, dmin;
    if (!qb_asym_refit(s, b, c, &d, &dmin))
        return;
    c->d_value = qb_encode_f16(d, b->unit, &c->d);
    c->dmin_value = qb_encode_f16(dmin, b->unit, &c->dmin);
    for (int k = 0; k < s->subs; k++)
        qb_asym_take_codes(s, b, k, c);
}

/* Choose a block of 256. False: all zero. */
QB_INLINE bool qb_asym_choose(const struct qb_asym_shape *s, const float *x, const float *importance,
                              struct qb_asym_choice *c)
{
    struct qb_encode_block b;
    struct qb_asym want[16];
    float max_scale = 0.0f, max_min = 0.0f, d, dmin;
    qb_encode_load(&b, x, importance, 256);
    if (b.unit == 0.0f)
        return false;
    if (s->evenness > 0.0f)
        qb_weigh_by_size(&b, 256, s->evenness);
    for (int k = 0; k < s->subs; k++) {
        want[k] = qb_asym_search(qb_asym_group(s, &b, k), s->hi, 0.0f, s->shrink, s->passes);
        max_scale = want[k].scale > max_scale ? want[k].scale : max_scale;
        max_min = -want[k].offset > max_min ? -want[k].offset : max_min;
    }
    qb_asym_choose_all(s, &b, want, max_scale / s->most, max_min / s->most, c);
    for (int r = 1; r < s->rounds && qb_asym_refit(s, &b, c, &d, &dmin); r++) {
        struct qb_asym_choice next;
        qb_asym_choose_all(s, &b, want, d, dmin, &next);
        if (next.error < c->error)
            *c = next;
    }
    qb_asym_finish(s, &b, c);
    return true;
}

#endif
