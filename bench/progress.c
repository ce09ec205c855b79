/*
 * The progress bar.
 */
#include "bench/progress.h"
#include "base/clock.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR       28
#define REDRAW_NS 100000000ull

void qb_progress_init(struct qb_progress *p, bool wanted, bool quiet)
{
    *p = (struct qb_progress){.mode = QB_PROGRESS_OFF};
    if (quiet)
        return;
    if (isatty(STDERR_FILENO))
        p->mode = QB_PROGRESS_BAR;
    else if (wanted)
        p->mode = QB_PROGRESS_LINES;
}

static void time_left(double ns, char *out, size_t size)
{
    long s = (long)(ns / 1e9 + 0.5);
    if (s >= 3600)
        snprintf(out, size, "%ld h %02ld min left", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, size, "%ld min %02ld s left", s / 60, s % 60);
    else
        snprintf(out, size, "%ld s left", s);
}

static void draw(struct qb_progress *p, const char *what)
{
    double part = p->total > 0 ? p->done / p->total : 0;
    int full = (int)(part * BAR + 0.5);
    full = full < 0 ? 0 : full > BAR ? BAR : full;
    char bar[BAR + 1], left[48] = "";
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)full);
    bar[BAR] = 0;
    if (p->total > 0)
        time_left(p->total - p->done > 0 ? p->total - p->done : 0, left, sizeof left);
    fprintf(stderr, "\r\033[K[%s] %3.0f%% %s  %.60s", bar, 100 * (part > 1 ? 1 : part), left, what);
    fflush(stderr);
    p->last_ns = qb_now_ns();
}

void qb_progress_step(struct qb_progress *p, double done_ns, const char *what)
{
    if (p->mode == QB_PROGRESS_LINES)
        fprintf(stderr, "qbench: %3.0f%% %s\n", p->total > 0 ? 100 * p->done / p->total : 0, what);
    if (p->mode == QB_PROGRESS_BAR && qb_now_ns() - p->last_ns > REDRAW_NS)
        draw(p, what);
    p->done += done_ns;
}

void qb_progress_note(struct qb_progress *p, const char *what)
{
    if (p->mode == QB_PROGRESS_LINES)
        fprintf(stderr, "qbench: %s\n", what);
    if (p->mode == QB_PROGRESS_BAR)
        draw(p, what);
}

void qb_progress_end(struct qb_progress *p)
{
    if (p->mode == QB_PROGRESS_BAR)
        fprintf(stderr, "\r\033[K");
    p->mode = QB_PROGRESS_OFF;
}
