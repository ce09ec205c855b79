/*
 * The table of panel forms, expanded from panel_forms.def.
 */
#include "kernels/panel_form.h"
#include "kernels/formats/format_ops.h"

static const struct {
    enum qb_format_id format;
    enum qb_isa isa;
    enum qb_act_kind act;
    int sub, offset_shift;
    void (*codes)(const void *block, struct qb_codes *out);
    bool magnitudes, int_scales;
    int cut;
} forms[] = {
#define QB_PANEL_FORM(format, isa, act, sub, offset_shift, codes, magnitudes, int_scales, cut)               \
    {QB_FORMAT_##format, QB_ISA_##isa, QB_ACT_##act, sub, offset_shift, codes, magnitudes, int_scales, cut},
#include "kernels/panel_forms.def"
#undef QB_PANEL_FORM
};

struct qb_format qb_panel_form(const struct qb_format *f, enum qb_isa isa)
{
    struct qb_format form = *f;
    for (size_t i = 0; i < QB_ARRAY_LEN(forms); i++) {
        if (forms[i].format != f->id || forms[i].isa != isa)
            continue;
        form.act = forms[i].act;
        form.sub = forms[i].sub;
        form.offset_shift = forms[i].offset_shift;
        form.codes = forms[i].codes;
        form.magnitudes = forms[i].magnitudes;
        form.int_scales = forms[i].int_scales;
        form.cut = forms[i].cut;
    }
    return form;
}
