/*
 * How far apart two names are: for messages that suggest what a misspelt name may have meant.
 */
#ifndef QB_BASE_NEAREST_H
#define QB_BASE_NEAREST_H

/* Levenshtein distance of at most 63 characters each, without case. */
int qb_name_distance(const char *a, const char *b);

#endif
