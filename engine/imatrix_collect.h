/*
 * Collecting an importance matrix while a session evaluates text: sums in double over a chunk, added to the
 * matrix (f32, as the files have it) when the chunk ends. So a matrix that was written and read again goes on
 * to the same bits.
 */
#ifndef QB_ENGINE_IMATRIX_COLLECT_H
#define QB_ENGINE_IMATRIX_COLLECT_H

#include "engine/imatrix.h"
#include "engine/session.h"

struct qb_collector;
/*
 * For all matrices of the layers ("blk."), and for that of the output if asked. The model is borrowed. Pair:
 * qb_collector_free (accepts NULL).
 */
enum qb_status qb_collector_create(struct qb_collector **out, const struct qb_model *m, bool with_output,
                                   struct qb_err *err);
void qb_collector_free(struct qb_collector *c);

/* For qb_session_observe: arg is the collector. The same bits whatever the number of workers. */
qb_observe_fn qb_collector_observe;
/*
 * Add what the chunk brought to `im`, and forget it. Errors: QB_ERR_CHECK when a sum is not finite, which
 * names the tensor and leaves `im` as it was; QB_ERR_MEMORY.
 */
enum qb_status qb_collector_end_chunk(struct qb_collector *c, struct qb_imatrix *im, struct qb_err *err);

#endif
