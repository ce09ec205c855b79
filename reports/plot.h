/*
 * Charts with gnuplot, from records only. Data and script stay beside the pictures, so that they can be
 * changed and drawn again: gnuplot speed.gp.
 */
#ifndef QB_REPORTS_PLOT_H
#define QB_REPORTS_PLOT_H

#include "base/buf.h"
#include "reports/record.h"

/*
 * DIR/speed.{dat,gp,png,svg}: bars of t/s per variant, a panel for prompts and one for generation, with
 * intervals and the percentage of Q4_0. Errors: QB_ERR_NOT_FOUND without gnuplot, QB_ERR_UNSUPPORTED when no
 * row has a speed.
 */
enum qb_status qb_plot_speed(const char *dir, const struct qb_record *rows, size_t n, struct qb_err *err);

/* Write DIR/STEM.dat and DIR/STEM.gp and run the script there. QB_ERR_NOT_FOUND without gnuplot. */
enum qb_status qb_plot_draw(const char *dir, const char *stem, const struct qb_buf *data,
                            const struct qb_buf *script, struct qb_err *err);

#endif
