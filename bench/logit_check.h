/*
 * Is what will be timed also right?
 */
#ifndef QB_BENCH_LOGIT_CHECK_H
#define QB_BENCH_LOGIT_CHECK_H

#include "engine/session.h"

/* A batch so large that it takes the kernels that prompts take (stepped and fixed-point scales from 16 tiles
 * of 6 columns on, as many), then one token alone. */
#define QB_CHECK_TOKENS (QB_PLANES_BF16_COLS + 1)
#define QB_NMSE_LIMIT   1e-2

/*
 * Evaluate the first tokens on the session and on the reference path, and compare the logits:
 * nmse = sum (a - b)^2 / sum b^2, the larger of batch and single token.
 * @param o  the session's options with the reference kernel set
 * Errors: QB_ERR_CHECK when nmse is above the limit or not finite; *nmse is set then too.
 */
enum qb_status qb_check_logits(double *nmse, struct qb_session *s, const struct qb_model *m,
                               const struct qb_session_options *o, const int32_t *tokens, struct qb_err *err);
double qb_nmse(const float *got, const float *want, int64_t n);

#endif
