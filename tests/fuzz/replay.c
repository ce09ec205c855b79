/*
 * Runs a fuzz entry on every file of a folder: the corpus as a regression test, without libFuzzer. Each file
 * is also cut at several lengths and has single bytes changed, so that a small corpus reaches many error
 * paths.
 */
#include "base/file.h"
#include "base/rng.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CUTS = 64, CHANGES = 256, MAX_FILE = 1 << 20 };

/* The entry gets a block of exactly `size` bytes, so that the sanitizers see a read past its end. */
static void run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        QB_BUG("no memory for %zu bytes", size);
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_variations(uint8_t *data, size_t size)
{
    struct qb_rng rng;
    qb_rng_init(&rng, size, 0);
    for (size_t i = 0; i < CUTS; i++)
        run_copy(data, size * i / CUTS);
    /* Headers come first and are what parsers trust: half of the changes hit the first 512 bytes. */
    for (size_t i = 0; i < CHANGES && size; i++) {
        size_t span = i % 2 && size > 512 ? 512 : size;
        size_t at = qb_rng_below(&rng, (uint32_t)span);
        uint8_t old = data[at];
        data[at] = i % 4 == 0 ? 0xff : (uint8_t)qb_rng_u64(&rng);
        run_copy(data, size);
        data[at] = old;
    }
}

static bool replay_file(const char *folder, const char *name)
{
    char path[4096];
    char *data;
    size_t size;
    struct qb_err err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (qb_read_file(&data, &size, path, MAX_FILE, &err) != QB_OK) {
        fprintf(stderr, "replay: %s\n", err.message);
        return false;
    }
    run_copy((const uint8_t *)data, size);
    run_variations((uint8_t *)data, size);
    free(data);
    return true;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    size_t n = 0;
    bool ok = true;
    for (struct dirent *e = readdir(folder); e && ok; e = readdir(folder)) {
        if (e->d_name[0] == '.')
            continue;
        ok = replay_file(argv[1], e->d_name);
        n++;
    }
    closedir(folder);
    printf("%zu files, %zu inputs\n", n, n * (1 + CUTS + CHANGES));
    return ok && n > 0 ? 0 : 1;
}
