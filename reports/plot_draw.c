/*
 * Writes data and script of a chart and runs gnuplot.
 */
#include "base/file.h"
#include "reports/plot.h"
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define PATH_SIZE 4096

extern char **environ;

static enum qb_status write_text(const char *dir, const char *stem, const char *ending,
                                 const struct qb_buf *b, struct qb_err *err)
{
    char path[PATH_SIZE];
    struct qb_atomic file;
    QB_TRY(qb_buf_status(b, "the chart", err));
    snprintf(path, sizeof path, "%s/%s%s", dir, stem, ending);
    QB_TRY(qb_atomic_open(&file, path, err));
    fwrite(b->data, 1, b->len, file.file);
    return qb_atomic_commit(&file, err);
}

/* A shell would be simpler, but the folder's name is the user's. */
static enum qb_status run_gnuplot(const char *dir, const char *stem, struct qb_err *err)
{
    char script[64];
    snprintf(script, sizeof script, "%s.gp", stem);
    char *const argv[] = {"gnuplot", script, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, dir);
    posix_spawn_file_actions_adddup2(&actions, 2, 1); /* stdout is for data */
    pid_t pid;
    int bad = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ), status = 0;
    posix_spawn_file_actions_destroy(&actions);
    if (bad)
        return qb_fail(err, QB_ERR_NOT_FOUND, "gnuplot cannot be started: %s (script and data are in '%s')",
                       strerror(bad), dir);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return qb_fail(err, QB_ERR_NOT_FOUND, "gnuplot failed (script and data are in '%s')", dir);
    return QB_OK;
}

enum qb_status qb_plot_draw(const char *dir, const char *stem, const struct qb_buf *data,
                            const struct qb_buf *script, struct qb_err *err)
{
    QB_TRY(write_text(dir, stem, ".dat", data, err));
    QB_TRY(write_text(dir, stem, ".gp", script, err));
    return run_gnuplot(dir, stem, err);
}
