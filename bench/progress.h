/*
 * Progress on stderr: a bar with the time left on a terminal, lines otherwise when asked for.
 */
#ifndef QB_BENCH_PROGRESS_H
#define QB_BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct qb_progress {
    enum { QB_PROGRESS_OFF, QB_PROGRESS_LINES, QB_PROGRESS_BAR } mode;
    double total, done; /* estimated ns of work */
    uint64_t last_ns;   /* when the bar was last drawn */
};

/* Bar when stderr is a terminal, lines when only `wanted`, nothing when quiet. */
void qb_progress_init(struct qb_progress *p, bool wanted, bool quiet);
void qb_progress_step(struct qb_progress *p, double done_ns, const char *what);
/* A note that is not part of the estimate ("loading Q4_K_M"). */
void qb_progress_note(struct qb_progress *p, const char *what);
void qb_progress_end(struct qb_progress *p); /* clears the bar */

#endif
