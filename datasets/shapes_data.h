/*
 * The text of datasets/model-shapes.json, NUL-terminated.
 */
#ifndef QB_DATASETS_SHAPES_DATA_H
#define QB_DATASETS_SHAPES_DATA_H

extern const char qb_shapes_json[];

#endif
