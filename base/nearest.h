/*
 * How far apart two names are: for messages that suggest what a misspelt name may have meant.
 */
#ifndef QB_BASE_NEAREST_H
#define QB_BASE_NEAREST_H

#include <stdbool.h>

/* Levenshtein distance of at most 63 characters each, without case. */
int qb_name_distance(const char *a, const char *b);
/* Could `wrong` be a misspelt `right`? */
bool qb_name_is_near(const char *wrong, const char *right);

#endif
