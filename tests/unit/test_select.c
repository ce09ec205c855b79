/*
 * kernels/cpu, registry and select: ISA names, limits, completeness of every set, the reference path, layouts
 * and classes.
 */
#include "kernels/kernels.h"
#include "kernels/matrix.h"
#include "kernels/panel_form.h"
#include "tests/unit/cmocka_all.h"
#include <stdlib.h>
#include <string.h>

static void names_isa_levels(void **state)
{
    (void)state;
    enum qb_isa isa;
    for (int i = 0; i < QB_ISA_COUNT; i++) {
        assert_true(qb_isa_parse(qb_isa_name((enum qb_isa)i), &isa));
        assert_int_equal(isa, i);
    }
    assert_true(qb_isa_parse("auto", &isa));
    assert_int_equal(isa, QB_ISA_AUTO);
    assert_false(qb_isa_parse("", &isa));
    assert_false(qb_isa_parse("sse2", &isa));
}

static void environment_lowers_the_level(void **state)
{
    (void)state;
    enum qb_isa best = qb_cpu_isa();
    setenv("QBENCH_ISA", "scalar", 1);
    assert_int_equal(qb_cpu_isa(), QB_ISA_SCALAR);
    setenv("QBENCH_ISA", "amx", 1);
    assert_int_equal(qb_cpu_isa(), best);
    setenv("QBENCH_ISA", "avx512bf16", 1);
    assert_int_equal(qb_cpu_isa(), best == QB_ISA_AMX ? QB_ISA_AVX512BF16 : best);
    assert_false(qb_cpu_runs(QB_ISA_AMX));
    setenv("QBENCH_ISA", "avxvnni", 1);
    assert_true(qb_cpu_isa() <= QB_ISA_AVXVNNI && qb_cpu_runs(qb_cpu_isa()));
    setenv("QBENCH_ISA", "nonsense", 1);
    assert_int_equal(qb_cpu_isa(), best);
    unsetenv("QBENCH_ISA");
}

#if defined(__x86_64__)
/* Registers of leaf 1 ECX, leaf 7 EBX, ECX and EDX, leaf 7.1 EAX as the CPUs have them, cut to what matters;
 * XCR0; may the process use tiles. */
#define AVX2_L1C   0x38001000u /* OSXSAVE, AVX, F16C, FMA */
#define AVX2_L7B   0x00000120u /* AVX2, BMI2 */
#define AVX512_L7B 0xd0030120u /* and AVX512 F DQ CD BW VL */
#define AMX_L7D    0x03400000u /* AMX-BF16, AMX-TILE, AMX-INT8 */
#define BIT(isa)   (1u << QB_ISA_##isa)
#define BELOW(isa) (BIT(isa) - 1)

static void levels_follow_the_registers(void **state)
{
    (void)state;
    static const struct {
        struct qb_cpuid r;
        unsigned levels;
    } cpus[] = {
        /* Haswell, Alder Lake */
        {{AVX2_L1C, AVX2_L7B, 0, 0, 0, 7, false}, BIT(SCALAR) | BIT(AVX2)},
        {{AVX2_L1C, AVX2_L7B, 0, 0, 0x10, 7, false}, BIT(SCALAR) | BIT(AVX2) | BIT(AVXVNNI)},
        /* Cascade Lake; Cooper Lake, bf16 without VBMI; Zen 4; Zen 5 */
        {{AVX2_L1C, AVX512_L7B, 0x800, 0, 0, 0xe7, false}, BIT(SCALAR) | BIT(AVX2) | BIT(AVX512VNNI)},
        {{AVX2_L1C, AVX512_L7B, 0x800, 0, 0x20, 0xe7, false}, BIT(SCALAR) | BIT(AVX2) | BIT(AVX512VNNI)},
        {{AVX2_L1C, AVX512_L7B, 0x902, 0, 0x20, 0xe7, false},
         BIT(SCALAR) | BIT(AVX2) | BIT(AVX512VNNI) | BIT(AVX512VBMI) | BIT(AVX512BF16)},
        {{AVX2_L1C, AVX512_L7B, 0x902, 0, 0x30, 0xe7, false}, BELOW(AMX)},
        /* the same where the system saves only ymm, only xmm, or nothing */
        {{AVX2_L1C, AVX512_L7B, 0x902, 0, 0x30, 7, false}, BIT(SCALAR) | BIT(AVX2) | BIT(AVXVNNI)},
        {{AVX2_L1C, AVX512_L7B, 0x902, 0, 0x30, 3, false}, BIT(SCALAR)},
        {{AVX2_L1C & 0xf7ffffffu, AVX512_L7B, 0x902, 0, 0x30, 0, false}, BIT(SCALAR)},
        /* Sapphire Rapids */
        {{AVX2_L1C, AVX512_L7B, 0x902, AMX_L7D, 0x30, 0x600e7, true}, BELOW(COUNT)},
        /* where the process may not use tiles; where the system does not save their configuration, their
         * data, or zmm */
        {{AVX2_L1C, AVX512_L7B, 0x902, AMX_L7D, 0x30, 0x600e7, false}, BELOW(AMX)},
        {{AVX2_L1C, AVX512_L7B, 0x902, AMX_L7D, 0x30, 0x400e7, true}, BELOW(AMX)},
        {{AVX2_L1C, AVX512_L7B, 0x902, AMX_L7D, 0x30, 0x200e7, true}, BELOW(AMX)},
        {{AVX2_L1C, AVX512_L7B, 0x902, AMX_L7D, 0x30, 0xe7, true}, BELOW(AMX)},
        {{AVX2_L1C, AVX512_L7B, 0x902, AMX_L7D, 0x30, 0x60007, true}, BIT(SCALAR) | BIT(AVX2) | BIT(AVXVNNI)},
        /* where a hypervisor hides tiles, int8 or bf16 of AMX, and where it hides what the level stands on:
         * bf16, VBMI, GFNI, AVX-512 */
        {{AVX2_L1C, AVX512_L7B, 0x902, 0, 0x30, 0x600e7, true}, BELOW(AMX)},
        {{AVX2_L1C, AVX512_L7B, 0x902, AMX_L7D & ~(1u << 24), 0x30, 0x600e7, true}, BELOW(AMX)},
        {{AVX2_L1C, AVX512_L7B, 0x902, AMX_L7D & ~(1u << 25), 0x30, 0x600e7, true}, BELOW(AMX)},
        {{AVX2_L1C, AVX512_L7B, 0x902, AMX_L7D & ~(1u << 22), 0x30, 0x600e7, true}, BELOW(AMX)},
        {{AVX2_L1C, AVX512_L7B, 0x902, AMX_L7D, 0x10, 0x600e7, true}, BELOW(AVX512BF16)},
        {{AVX2_L1C, AVX512_L7B, 0x900, AMX_L7D, 0x30, 0x600e7, true}, BELOW(AVX512VBMI)},
        {{AVX2_L1C, AVX512_L7B, 0x802, AMX_L7D, 0x30, 0x600e7, true}, BELOW(AVX512VBMI)},
        {{AVX2_L1C, AVX2_L7B, 0, AMX_L7D, 0x10, 0x600e7, true}, BIT(SCALAR) | BIT(AVX2) | BIT(AVXVNNI)},
    };
    for (size_t i = 0; i < QB_ARRAY_LEN(cpus); i++)
        assert_int_equal(qb_cpu_levels(&cpus[i].r), cpus[i].levels);
}
#endif

/* The prefetchers of Intel stop at the end of a page; what is unknown is asked for in one step. */
static void streams_follow_the_vendor(void **state)
{
    (void)state;
    struct qb_cpu_stream intel = qb_cpu_stream_of("GenuineIntel");
    assert_true(intel.near_bytes > 0 && intel.near_bytes < 4096 && intel.far_bytes > 0);
    const char *const others[] = {"AuthenticAMD", "HygonGenuine", ""};
    for (size_t i = 0; i < QB_ARRAY_LEN(others); i++) {
        struct qb_cpu_stream s = qb_cpu_stream_of(others[i]);
        assert_int_equal(s.near_bytes, 6144);
        assert_int_equal(s.far_bytes, 0);
    }
}

/* Where a CPU has AVX512 without AVX-VNNI, nothing may fall back from 256-bit dot products to none. */
static void rows_of_avxvnni_have_rows_above(void **state)
{
    (void)state;
    size_t n;
    const struct qb_kernel *k = qb_kernels(&n);
    for (size_t i = 0; i < n; i++) {
        bool found = k[i].isa != QB_ISA_AVXVNNI;
        for (size_t j = 0; j < n; j++)
            if (k[j].op == k[i].op && k[j].key == k[i].key && k[j].key2 == k[i].key2)
                found |= k[j].isa == QB_ISA_AVX512VNNI || k[j].isa == QB_ISA_AVX512VBMI;
        assert_true(found);
    }
}

static void registry_rows_are_unique(void **state)
{
    (void)state;
    size_t n;
    const struct qb_kernel *rows = qb_kernels(&n);
    for (size_t i = 0; i < n; i++) {
        char text[64];
        assert_non_null(rows[i].fn);
        qb_kernel_key_text(&rows[i], text, sizeof text);
        assert_true(strlen(text) > 0);
        assert_non_null(strstr(rows[i].name, qb_isa_name(rows[i].isa)));
        assert_int_equal(strncmp(rows[i].name, "qb_", 3) == 0, 0);
        for (size_t j = i + 1; j < n; j++)
            assert_false(rows[i].op == rows[j].op && rows[i].key == rows[j].key &&
                         rows[i].key2 == rows[j].key2 && rows[i].isa == rows[j].isa);
    }
}

static int sub_of_panels(int format, enum qb_isa isa)
{
    return qb_panel_form(qb_format_get((enum qb_format_id)format), isa).sub;
}

/* AVX2 tiles of codes of 8 bits saturate with other activations than those of pairs, which panel_forms.def
 * gives them; magnitudes do not. */
static void check_pairs(const struct qb_kernel_set *set, int format)
{
    const struct qb_format *f = qb_format_get((enum qb_format_id)format);
    enum qb_tile_class class = qb_kernel_set_tile_class(set, f, QB_MANY_COLS);
    if (class != QB_TILE_S32_A32_WIDE && class != QB_TILE_S32_A256_WIDE)
        return;
    const struct qb_kernel *tile = qb_kernel_set_row(set, QB_OP_TILE, (int)class, 0);
    bool safe = qb_panel_form(f, set->isa).magnitudes || qb_act_is_pairs(qb_kernel_set_act(set, f, 1));
    assert_int_equal(tile->isa == QB_ISA_AVX2, safe);
}

/* GEMV of x16 for AVX2 counts on the activations that panel_forms.def gives it. */
static void check_gemv_pairs(const struct qb_kernel_set *set, int format, const struct qb_kernel *gemv)
{
    const struct qb_format *f = qb_format_get((enum qb_format_id)format);
    if (gemv->key2 == QB_LAYOUT_X16 && gemv->isa == QB_ISA_AVX2 &&
        qb_act_is_pairs(qb_panel_form(f, QB_ISA_AVX2).act))
        assert_true(qb_act_is_pairs(qb_kernel_set_act(set, f, 1)));
}

/* Panels of integer scales meet tiles of AVX512 or become planes, and these meet no others of the formats
 * that always have them there. */
static void check_int_scales(const struct qb_kernel_set *set, int format, const struct qb_kernel *panel)
{
    const struct qb_format *f = qb_format_get((enum qb_format_id)format);
    if (!f->quantized)
        return;
    const struct qb_kernel *tile =
        qb_kernel_set_row(set, QB_OP_TILE, (int)qb_kernel_set_tile_class(set, f, QB_MANY_COLS), 0);
    bool has = qb_panel_form(f, panel->isa).int_scales, always = qb_panel_form(f, tile->isa).int_scales;
    assert_true(!has || tile->isa == QB_ISA_AVX512VNNI || set->planes);
    assert_true(!always || has);
    if (set->planes && qb_act_block(f->act) == 256 && f->sub < 256)
        assert_true(has); /* planes of int8 need them */
}

static void check_set(const struct qb_kernel_set *set, enum qb_isa limit)
{
    for (int f = 0; f < QB_FORMAT_COUNT; f++) {
        check_pairs(set, f);
        for (int l = 0; l < QB_LAYOUT_COUNT; l++) {
            bool exists = qb_layout_fits((enum qb_layout_id)l, qb_format_get((enum qb_format_id)f),
                                         qb_layout_get((enum qb_layout_id)l)->rows);
            const struct qb_kernel *row = qb_kernel_set_row(set, QB_OP_GEMV, f, l);
            assert_int_equal(set->decode_panel[f][l] != NULL, exists);
            assert_int_equal(set->gemv[f][l] != NULL, exists);
            assert_int_equal(row != NULL, exists);
            if (row) {
                const struct qb_kernel *panel = qb_kernel_set_row(set, QB_OP_DECODE_PANEL, f, l);
                assert_int_equal(sub_of_panels(f, panel->isa), sub_of_panels(f, set->isa));
                check_int_scales(set, f, panel);
                check_gemv_pairs(set, f, row);
                assert_true(row->isa <= limit);
                assert_true((qb_gemv_fn *)row->fn == set->gemv[f][l]);
            }
        }
    }
    for (int kind = 0; kind < QB_ACT_KIND_COUNT; kind++)
        assert_in_range(set->tile_cols[kind], QB_GEMV_MAX_COLS, QB_MAX_TILE_COLS);
    for (int t = 0; t < QB_TILE_CLASS_COUNT; t++) {
        bool planes = t == QB_TILE_PLANES_INT8 || t == QB_TILE_PLANES_BF16;
        assert_true(set->tile[t] != NULL || (planes && !set->planes));
    }
    for (int f = 0; f < QB_FORMAT_COUNT; f++) {
        const struct qb_format *format = qb_format_get((enum qb_format_id)f);
        enum qb_tile_class class = qb_kernel_set_tile_class(set, format, QB_MANY_COLS);
        enum qb_act_kind kind = qb_kernel_set_act(set, format, QB_MANY_COLS);
        assert_true(qb_kernel_set_row(set, QB_OP_TILE, (int)class, 0)->max_cols >=
                    qb_kernel_set_tile_cols(set, kind, QB_MANY_COLS));
        assert_true(!set->planes || kind == QB_ACT_F32 || set->split_panel[kind] != NULL);
    }
}

static void selects_up_to_the_limit(void **state)
{
    (void)state;
    for (int i = 0; i < QB_ISA_COUNT; i++) {
        struct qb_kernel_set set;
        struct qb_err err;
        enum qb_status status = qb_kernel_set_select(&set, (enum qb_isa)i, &err);
        if (!qb_cpu_runs((enum qb_isa)i)) {
            assert_int_equal(status, QB_ERR_UNSUPPORTED);
            assert_non_null(strstr(err.message, qb_isa_name((enum qb_isa)i)));
            continue;
        }
        assert_int_equal(status, QB_OK);
        assert_int_equal(set.isa, i);
        check_set(&set, (enum qb_isa)i);
    }
    struct qb_kernel_set set;
    assert_int_equal(qb_kernel_set_select(&set, QB_ISA_AUTO, NULL), QB_OK);
    assert_int_equal(set.isa, qb_cpu_isa());
}

/* The bf16 kernels serve their own level and those above it. */
static void bf16_from_its_level_up(void **state)
{
    (void)state;
    for (int i = 0; i < QB_ISA_COUNT; i++) {
        struct qb_kernel_set set;
        if (!qb_cpu_runs((enum qb_isa)i))
            continue;
        assert_int_equal(qb_kernel_set_select(&set, (enum qb_isa)i, NULL), QB_OK);
        bool bf16 = i >= QB_ISA_AVX512BF16;
        assert_int_equal(set.bf16, bf16);
        assert_int_equal(qb_kernel_set_act(&set, qb_format_get(QB_FORMAT_BF16), 64),
                         bf16 ? QB_ACT_BF16 : QB_ACT_F32);
        assert_int_equal(qb_kernel_set_row(&set, QB_OP_GEMV, QB_FORMAT_BF16, QB_LAYOUT_R16)->isa >=
                             QB_ISA_AVX512BF16,
                         bf16);
    }
}

static void scalar_set_takes_no_copies(void **state)
{
    (void)state;
    struct qb_kernel_set set;
    assert_int_equal(qb_kernel_set_select(&set, QB_ISA_SCALAR, NULL), QB_OK);
    assert_false(set.bf16);
    for (int f = 0; f < QB_FORMAT_COUNT; f++)
        assert_int_equal(qb_kernel_set_auto_layout(&set, qb_format_get((enum qb_format_id)f), 64),
                         QB_LAYOUT_PLAIN);
    assert_int_equal(qb_kernel_set_act(&set, qb_format_get(QB_FORMAT_BF16), 64), QB_ACT_F32);
    assert_int_equal(qb_kernel_set_tile_class(&set, qb_format_get(QB_FORMAT_BF16), QB_MANY_COLS),
                     QB_TILE_F32);
}

static void auto_layout_fits_the_rows(void **state)
{
    (void)state;
    struct qb_kernel_set set;
    assert_int_equal(qb_kernel_set_select(&set, QB_ISA_AUTO, NULL), QB_OK);
    for (int f = 0; f < QB_FORMAT_COUNT; f++) {
        const struct qb_format *format = qb_format_get((enum qb_format_id)f);
        for (int rows = 1; rows < 70; rows++)
            assert_true(qb_layout_fits(qb_kernel_set_auto_layout(&set, format, rows), format, rows));
        if (set.isa >= QB_ISA_AVX2)
            assert_int_equal(qb_kernel_set_auto_layout(&set, format, 64), QB_LAYOUT_R16);
    }
}

static void reference_path_is_f32(void **state)
{
    (void)state;
    struct qb_kernel_set set;
    assert_int_equal(qb_kernel_set_select_reference(&set, QB_ISA_AUTO, NULL), QB_OK);
    assert_true(set.reference);
    for (int f = 0; f < QB_FORMAT_COUNT; f++) {
        const struct qb_format *format = qb_format_get((enum qb_format_id)f);
        assert_true(set.decode_panel[f][QB_LAYOUT_R16] == qb_decode_panel_f32);
        assert_null(set.gemv[f][QB_LAYOUT_PLAIN]);
        assert_null(qb_kernel_set_row(&set, QB_OP_DECODE_PANEL, f, QB_LAYOUT_PLAIN));
        assert_int_equal(qb_kernel_set_act(&set, format, 64), QB_ACT_F32);
        assert_int_equal(qb_kernel_set_tile_class(&set, format, QB_MANY_COLS), QB_TILE_F32);
        assert_int_equal(qb_kernel_set_auto_layout(&set, format, 64), QB_LAYOUT_PLAIN);
    }
    assert_non_null(set.tile[QB_TILE_F32]);
    assert_non_null(set.act[QB_ACT_F32]);
}

static void classes_follow_the_formats(void **state)
{
    (void)state;
    static const struct {
        enum qb_format_id format;
        enum qb_tile_class class;
    } expected[] = {
        {QB_FORMAT_Q4_0, QB_TILE_S32_A32},
        {QB_FORMAT_Q5_0, QB_TILE_S32_A32},
        {QB_FORMAT_Q8_0, QB_TILE_S32_A32_WIDE},
        {QB_FORMAT_IQ4_NL, QB_TILE_S32_A32_WIDE},
        {QB_FORMAT_MXFP4, QB_TILE_S32_A32},
        {QB_FORMAT_NVFP4, QB_TILE_S16_A32},
        {QB_FORMAT_Q4_1, QB_TILE_M32_A32},
        {QB_FORMAT_Q5_1, QB_TILE_M32_A32},
        {QB_FORMAT_IQ4_XS, QB_TILE_S32_A256_WIDE},
        {QB_FORMAT_Q4_K, QB_TILE_M32_A256},
        {QB_FORMAT_Q5_K, QB_TILE_M32_A256},
        {QB_FORMAT_Q6_K, QB_TILE_S16_A256},
        {QB_FORMAT_F16, QB_TILE_F32},
    };
    struct qb_kernel_set set, planes = {.isa = QB_ISA_AMX, .bf16 = true, .planes = true};
    assert_int_equal(qb_kernel_set_select(&set, QB_ISA_SCALAR, NULL), QB_OK);
    for (size_t i = 0; i < QB_ARRAY_LEN(expected); i++) {
        const struct qb_format *f = qb_format_get(expected[i].format);
        enum qb_act_kind few = qb_kernel_set_act(&planes, f, QB_GEMV_MAX_COLS);
        enum qb_act_kind many = qb_kernel_set_act(&planes, f, QB_MANY_COLS);
        enum qb_tile_class class = qb_kernel_set_tile_class(&planes, f, QB_MANY_COLS);
        assert_int_equal(qb_kernel_set_tile_class(&set, f, QB_MANY_COLS), expected[i].class);
        assert_int_equal(few, f->act);
        assert_int_equal(many, qb_act_block(f->act) == 32 ? QB_ACT_BF16 : f->act);
        bool one = qb_act_block(f->act) == 32 && f->min == QB_MIN_NONE;
        assert_int_equal(qb_kernel_set_act(&planes, f, QB_ONE_PLANE_COLS), one ? QB_ACT_BF16 : f->act);
        assert_int_equal(qb_kernel_set_act(&planes, f, QB_ONE_PLANE_COLS - 1), f->act);
        assert_int_equal(qb_kernel_set_act(&planes, f, QB_PLANES_BF16_COLS - 1), one ? QB_ACT_BF16 : f->act);
        assert_int_equal(qb_kernel_set_act(&planes, f, QB_PLANES_BF16_COLS), many);
        assert_int_equal(class, many == QB_ACT_F32    ? QB_TILE_F32
                                : many == QB_ACT_BF16 ? QB_TILE_PLANES_BF16
                                                      : QB_TILE_PLANES_INT8);
    }
}

static void classes_follow_the_panels(void **state)
{
    (void)state;
    static const struct {
        enum qb_isa isa;
        enum qb_tile_class class;
    } expected[] = {
        {QB_ISA_SCALAR, QB_TILE_S256_A256_WIDE},  {QB_ISA_AVX2, QB_TILE_S16_A256},
        {QB_ISA_AVXVNNI, QB_TILE_S256_A256_WIDE}, {QB_ISA_AVX512BF16, QB_TILE_S256_A256_WIDE},
        {QB_ISA_AMX, QB_TILE_S256_A256_WIDE},
    };
    for (size_t i = 0; i < QB_ARRAY_LEN(expected); i++) {
        const struct qb_kernel_set set = {.isa = expected[i].isa};
        assert_int_equal(qb_kernel_set_tile_class(&set, qb_format_get(QB_FORMAT_Q3_K), QB_MANY_COLS),
                         expected[i].class);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_isa_levels),
        cmocka_unit_test(environment_lowers_the_level),
#if defined(__x86_64__)
        cmocka_unit_test(levels_follow_the_registers),
#endif
        cmocka_unit_test(streams_follow_the_vendor),
        cmocka_unit_test(rows_of_avxvnni_have_rows_above),
        cmocka_unit_test(registry_rows_are_unique),
        cmocka_unit_test(selects_up_to_the_limit),
        cmocka_unit_test(bf16_from_its_level_up),
        cmocka_unit_test(scalar_set_takes_no_copies),
        cmocka_unit_test(auto_layout_fits_the_rows),
        cmocka_unit_test(reference_path_is_f32),
        cmocka_unit_test(classes_follow_the_formats),
        cmocka_unit_test(classes_follow_the_panels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
