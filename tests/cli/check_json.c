/*
 * For the command-line tests: check_json [-l] KEY... reads a JSON array of flat objects (-l: JSON Lines) from
 * stdin and prints the values of the keys, a line a row. Fails on invalid JSON, an absent key, or a nested
 * object.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "check_json: %s%s%s\n", what, detail ? ": " : "", detail ? detail : "");
    exit(1);
}

static void print_value(const json_t *v)
{
    if (json_is_string(v))
        printf("%s", json_string_value(v));
    else if (json_is_integer(v))
        printf("%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        printf("%s", json_real_value(v) > 0 ? "positive" : json_real_value(v) < 0 ? "negative" : "zero");
    else if (json_is_boolean(v))
        printf("%s", json_is_true(v) ? "true" : "false");
    else if (json_is_array(v))
        printf("[%zu]", json_array_size(v));
    else
        printf("null");
}

static void check_row(json_t *row, char **keys, int n)
{
    const char *key;
    json_t *v;
    if (!json_is_object(row))
        fail("a row is not an object", NULL);
    json_object_foreach(row, key, v) if (json_is_object(v)) fail("a nested object", key);
    for (int i = 0; i < n; i++) {
        v = json_object_get(row, keys[i]);
        if (!v)
            fail("no such key", keys[i]);
        printf("%s", i ? " " : "");
        print_value(v);
    }
    printf("\n");
}

static void check_array(char **keys, int n)
{
    json_error_t error;
    json_t *root = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error), *row;
    size_t i;
    if (!root)
        fail("invalid JSON", error.text);
    if (!json_is_array(root))
        fail("not an array", NULL);
    json_array_foreach(root, i, row) check_row(row, keys, n);
    json_decref(root);
}

static void check_lines(char **keys, int n)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        json_error_t error;
        json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        if (!row)
            fail("invalid JSON", error.text);
        check_row(row, keys, n);
        json_decref(row);
    }
    free(line);
}

int main(int argc, char **argv)
{
    int lines = argc > 1 && !strcmp(argv[1], "-l");
    if (lines)
        check_lines(argv + 2, argc - 2);
    else
        check_array(argv + 1, argc - 1);
    return 0;
}
