/*
 * Texts of datasets/texts, NUL-terminated: the default for importance matrices (calibration-mixed.txt), and
 * the default for perplexity and divergence (eval.txt).
 */
#ifndef QB_DATASETS_TEXTS_DATA_H
#define QB_DATASETS_TEXTS_DATA_H

extern const char qb_calibration_text[];
extern const char qb_eval_text[];

#endif
