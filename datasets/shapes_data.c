/*
 * datasets/model-shapes.json inside the program, put there by the assembler.
 */
#include "datasets/shapes_data.h"

__asm__(".pushsection .rodata\n"
        ".global qb_shapes_json\n"
        "qb_shapes_json:\n"
        ".incbin \"" QB_SHAPES_JSON "\"\n"
        ".byte 0\n"
        ".popsection\n");
