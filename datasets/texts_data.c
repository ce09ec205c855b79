/*
 * Texts inside the program, put there by the assembler.
 */
#include "datasets/texts_data.h"

#define QB_TEXT(symbol, file)                                                                                \
    __asm__(".pushsection .rodata\n"                                                                         \
            ".global " #symbol "\n" #symbol ":\n"                                                            \
            ".incbin \"" file "\"\n"                                                                         \
            ".byte 0\n"                                                                                      \
            ".popsection\n")

QB_TEXT(qb_calibration_text, QB_CALIBRATION_TEXT);
QB_TEXT(qb_eval_text, QB_EVAL_TEXT);
