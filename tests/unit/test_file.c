/*
 * Mappings, atomic writes, small files, the clock and the log, in a folder that each test makes and removes.
 */
#include "base/file.h"

#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/cmocka_all.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int enter_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/qbench-test-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static size_t count_entries(void)
{
    DIR *d = opendir(".");
    assert_non_null(d);
    size_t n = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void assert_content(const char *path, const char *text)
{
    char *got;
    size_t len;
    assert_int_equal(qb_read_file(&got, &len, path, 4096, NULL), QB_OK);
    assert_string_equal(got, text);
    assert_int_equal(len, strlen(text));
    free(got);
}

static void commit_publishes_at_once(void **state)
{
    (void)state;
    struct qb_atomic a;
    put("out", "old");
    assert_int_equal(qb_atomic_open(&a, "out", NULL), QB_OK);
    fputs("new text", a.file);
    fflush(a.file);
    assert_content("out", "old");
    assert_int_equal(qb_atomic_commit(&a, NULL), QB_OK);
    assert_content("out", "new text");
    assert_int_equal(count_entries(), 1);
}

static void abort_leaves_nothing(void **state)
{
    (void)state;
    struct qb_atomic a;
    put("out", "old");
    assert_int_equal(qb_atomic_open(&a, "out", NULL), QB_OK);
    fputs("new", a.file);
    qb_atomic_abort(&a);
    assert_content("out", "old");
    assert_int_equal(qb_atomic_open(&a, "fresh", NULL), QB_OK);
    qb_atomic_abort(&a);
    assert_int_equal(count_entries(), 1);
    qb_atomic_abort(&a); /* ended already: nothing to do */
}

static void two_writers_do_not_meet(void **state)
{
    (void)state;
    struct qb_atomic a, b;
    assert_int_equal(qb_atomic_open(&a, "out", NULL), QB_OK);
    assert_int_equal(qb_atomic_open(&b, "out", NULL), QB_OK);
    fputs("a", a.file);
    fputs("b", b.file);
    assert_int_equal(qb_atomic_commit(&a, NULL), QB_OK);
    assert_int_equal(qb_atomic_commit(&b, NULL), QB_OK);
    assert_content("out", "b");
    assert_int_equal(count_entries(), 1);
}

static void write_errors_are_reported(void **state)
{
    (void)state;
    struct qb_atomic a;
    struct qb_err err = {0};
    assert_int_equal(qb_atomic_open(&a, "absent/out", &err), QB_ERR_IO);
    assert_string_equal(err.message, "cannot write 'absent/out': No such file or directory");
    assert_int_equal(qb_atomic_open(&a, ".", &err), QB_ERR_IO);
    if (access("/dev/full", W_OK) != 0)
        return;
    assert_int_equal(qb_atomic_open(&a, "/dev/full", &err), QB_OK);
    for (int i = 0; i < 100000; i++)
        fputs("0123456789", a.file);
    assert_int_equal(qb_atomic_commit(&a, &err), QB_ERR_IO);
    assert_non_null(strstr(err.message, "/dev/full"));
    struct stat st;
    assert_true(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode));
}

static void symbolic_links_are_followed(void **state)
{
    (void)state;
    struct qb_atomic a;
    put("real", "old");
    assert_int_equal(symlink("real", "link"), 0);
    assert_int_equal(qb_atomic_open(&a, "link", NULL), QB_OK);
    fputs("new", a.file);
    assert_int_equal(qb_atomic_commit(&a, NULL), QB_OK);
    assert_content("real", "new");
    struct stat st;
    assert_true(lstat("link", &st) == 0 && S_ISLNK(st.st_mode));
}

static void umask_decides_the_mode(void **state)
{
    (void)state;
    mode_t old = umask(027);
    struct qb_atomic a;
    struct stat st;
    assert_int_equal(qb_atomic_open(&a, "out", NULL), QB_OK);
    assert_int_equal(qb_atomic_commit(&a, NULL), QB_OK);
    umask(old);
    assert_int_equal(stat("out", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void mapping_shows_the_file(void **state)
{
    (void)state;
    struct qb_mapping m;
    put("f", "hello");
    assert_int_equal(qb_mapping_open(&m, "f", NULL), QB_OK);
    assert_int_equal(m.size, 5);
    assert_memory_equal(m.data, "hello", 5);
    qb_mapping_drop(&m, 0, 5);
    qb_mapping_drop(&m, 3, SIZE_MAX);
    qb_mapping_drop(&m, 99, 1);
    assert_memory_equal(m.data, "hello", 5);
    qb_mapping_close(&m);
    assert_null(m.data);
    put("empty", "");
    assert_int_equal(qb_mapping_open(&m, "empty", NULL), QB_OK);
    assert_int_equal(m.size, 0);
    qb_mapping_close(&m);
}

static void dropped_pages_read_the_same(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE + 1);
    assert_non_null(text);
    for (int i = 0; i < SIZE; i++)
        text[i] = (char)('a' + i % 23);
    text[SIZE] = '\0';
    put("f", text);
    struct qb_mapping m;
    assert_int_equal(qb_mapping_open(&m, "f", NULL), QB_OK);
    assert_memory_equal(m.data, text, SIZE);
    qb_mapping_drop(&m, 100, SIZE - 200);
    assert_memory_equal(m.data, text, SIZE);
    qb_mapping_close(&m);
    free(text);
}

static void a_mapping_copies_what_it_shows(void **state)
{
    (void)state;
    struct qb_mapping m;
    put("f", "hello world");
    assert_int_equal(qb_mapping_open(&m, "f", NULL), QB_OK);
    char out[] = "..........";
    qb_mapping_copy(&m, 3, 5, (uint8_t *)out + 1);
    assert_string_equal(out, ".lo wo....");
    qb_mapping_copy(&m, 11, 0, (uint8_t *)out);
    assert_string_equal(out, ".lo wo....");
    const struct qb_mapping memory = {.data = m.data, .size = m.size, .fd = -1};
    qb_mapping_copy(&memory, 0, 5, (uint8_t *)out);
    assert_string_equal(out, "helloo....");
    qb_mapping_close(&m);
}

static void odd_files_are_refused(void **state)
{
    (void)state;
    struct qb_mapping m;
    struct qb_err err = {0};
    assert_int_equal(qb_mapping_open(&m, "absent", &err), QB_ERR_NOT_FOUND);
    assert_string_equal(err.message, "cannot open 'absent': No such file or directory");
    assert_int_equal(qb_mapping_open(&m, ".", &err), QB_ERR_IO);
    assert_string_equal(err.message, "cannot read '.': is a directory");
    assert_int_equal(qb_mapping_open(&m, "/dev/null", &err), QB_ERR_IO);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(qb_mapping_open(&m, "pipe", &err), QB_ERR_IO); /* and does not wait for a writer */
    assert_string_equal(err.message, "cannot read 'pipe': not a regular file");
}

static void folders_are_made_with_parents(void **state)
{
    (void)state;
    struct stat st;
    struct qb_err err = {0};
    assert_int_equal(qb_mkdirs("a/b/c", NULL), QB_OK);
    assert_true(stat("a/b/c", &st) == 0 && S_ISDIR(st.st_mode));
    assert_int_equal(qb_mkdirs("a/b/c/", NULL), QB_OK);
    assert_int_equal(qb_mkdirs(".", NULL), QB_OK);
    char absolute[128];
    snprintf(absolute, sizeof absolute, "%s/x//y", folder);
    assert_int_equal(qb_mkdirs(absolute, NULL), QB_OK);
    assert_true(stat("x/y", &st) == 0);
    put("file", "");
    assert_int_equal(qb_mkdirs("file", &err), QB_ERR_IO);
    assert_int_equal(qb_mkdirs("file/sub", &err), QB_ERR_IO);
    assert_non_null(strstr(err.message, "'file"));
}

static void reading_respects_the_limit(void **state)
{
    (void)state;
    char *text = NULL;
    struct qb_err err = {0};
    put("f", "12345");
    assert_int_equal(qb_read_file(&text, NULL, "f", 5, NULL), QB_OK);
    assert_string_equal(text, "12345");
    free(text);
    text = NULL;
    assert_int_equal(qb_read_file(&text, NULL, "f", 4, &err), QB_ERR_FORMAT);
    assert_string_equal(err.message, "'f': larger than 4 bytes");
    assert_null(text);
    assert_int_equal(qb_read_file(&text, NULL, "absent", 4, &err), QB_ERR_NOT_FOUND);
    assert_int_equal(qb_read_file(&text, NULL, ".", 4, &err), QB_ERR_IO);
    put("empty", "");
    assert_content("empty", "");
    assert_int_equal(qb_read_file(&text, NULL, "/proc/self/status", 1 << 20, NULL), QB_OK);
    assert_non_null(strstr(text, "VmRSS:"));
    free(text);
}

static void first_line_only(void **state)
{
    (void)state;
    char line[8];
    put("f", "one\ntwo\n");
    assert_true(qb_read_line("f", line, sizeof line));
    assert_string_equal(line, "one");
    assert_true(qb_read_line("f", line, 3));
    assert_string_equal(line, "on");
    put("empty", "");
    assert_false(qb_read_line("empty", line, sizeof line));
    assert_false(qb_read_line("absent", line, sizeof line));
}

static void clock_runs_forward(void **state)
{
    (void)state;
    uint64_t a = qb_now_ns();
    usleep(2000);
    uint64_t b = qb_now_ns();
    assert_true(b - a >= 2000000 && b - a < 10000000000u);
    char text[32];
    qb_time_rfc3339(text, sizeof text);
    int y, mo, d, h, mi, s, end = 0;
    assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &y, &mo, &d, &h, &mi, &s, &end), 6);
    assert_int_equal(end, 20);
    assert_int_equal(strlen(text), 20);
    assert_true(y >= 2024 && mo >= 1 && mo <= 12 && d >= 1 && d <= 31 && h < 24 && mi < 60 && s <= 60);
}

/* What the log writes while `level` is set, as one string. */
static void capture_log(enum qb_log_level level, char *out, size_t size)
{
    fflush(stderr);
    int saved = dup(2);
    FILE *f = fopen("log", "w+");
    assert_non_null(f);
    dup2(fileno(f), 2);
    qb_log_set_level(level);
    qb_warn("w %d", 1);
    qb_info("i");
    qb_debug("d");
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    qb_log_set_level(QB_LOG_INFO);
    rewind(f);
    out[fread(out, 1, size - 1, f)] = '\0';
    fclose(f);
}

static void log_levels_filter(void **state)
{
    (void)state;
    char text[256];
    capture_log(QB_LOG_QUIET, text, sizeof text);
    assert_string_equal(text, "");
    capture_log(QB_LOG_WARN, text, sizeof text);
    assert_string_equal(text, "qbench: warning: w 1\n");
    capture_log(QB_LOG_DEBUG, text, sizeof text);
    assert_string_equal(text, "qbench: warning: w 1\nqbench: i\nqbench: debug: d\n");
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(commit_publishes_at_once),
        IN_FOLDER(abort_leaves_nothing),
        IN_FOLDER(two_writers_do_not_meet),
        IN_FOLDER(write_errors_are_reported),
        IN_FOLDER(symbolic_links_are_followed),
        IN_FOLDER(umask_decides_the_mode),
        IN_FOLDER(mapping_shows_the_file),
        IN_FOLDER(dropped_pages_read_the_same),
        IN_FOLDER(a_mapping_copies_what_it_shows),
        IN_FOLDER(odd_files_are_refused),
        IN_FOLDER(folders_are_made_with_parents),
        IN_FOLDER(reading_respects_the_limit),
        IN_FOLDER(first_line_only),
        IN_FOLDER(clock_runs_forward),
        IN_FOLDER(log_levels_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
