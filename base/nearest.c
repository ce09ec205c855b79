/*
 * Levenshtein distance (1966).
 */
#include "base/nearest.h"
#include <string.h>

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static int min3(int a, int b, int c)
{
    int m = a < b ? a : b;
    return m < c ? m : c;
}

int qb_name_distance(const char *a, const char *b)
{
    int n = (int)strnlen(b, 63), row[64];
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1] && i < 64; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int same = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            diagonal = row[j];
            row[j] = min3(same, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[n];
}

bool qb_name_is_near(const char *wrong, const char *right)
{
    return qb_name_distance(wrong, right) <= 1 + (int)strnlen(wrong, 63) / 3;
}
