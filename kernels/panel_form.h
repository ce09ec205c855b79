/*
 * Which form the panels of a format have under the decoders of an ISA level: mostly that of formats.def, the
 * others are rows of panel_forms.def. Tile class, activations, oracle and scalar decoder follow the form;
 * GEMV takes the activations only.
 */
#ifndef QB_KERNELS_PANEL_FORM_H
#define QB_KERNELS_PANEL_FORM_H

#include "kernels/cpu.h"
#include "kernels/format.h"

/* The format with the traits (act, sub, offset_shift, codes, magnitudes, int_scales, cut) of its panels under
 * decoders of level `isa`. */
struct qb_format qb_panel_form(const struct qb_format *f, enum qb_isa isa);

#endif
