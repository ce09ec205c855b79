/*
 * Token ids of the texts in tokenizers/: plain, with special tokens parsed, with BOS and EOS added; and back
 * to text. Disputed cases and invalid UTF-8 are run, and must give the bytes back, but their ids are not
 * compared.
 */
#include "engine/tokenizer.h"
#include "tests/golden/golden.h"
#include <stdlib.h>
#include <string.h>

/* What is encoded under which key. */
static const struct {
    const char *key;
    unsigned flags;
} modes[] = {
    {"ids", 0},
    {"ids_parse_special", QB_ENCODE_PARSE_SPECIAL},
    {"ids_add_and_parse_special", QB_ENCODE_PARSE_SPECIAL | QB_ENCODE_ADD_SPECIAL},
};

static int nibble(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static void read_hex(const char *hex, struct qb_buf *out)
{
    qb_buf_clear(out);
    for (; hex[0] && hex[1]; hex += 2)
        qb_buf_putc(out, (char)(16 * nibble(hex[0]) + nibble(hex[1])));
}

static bool equal_ids(const struct qb_token_list *got, const json_t *want)
{
    if (!json_is_array(want) || json_array_size(want) != got->n)
        return false;
    for (size_t i = 0; i < got->n; i++)
        if (json_integer_value(json_array_get(want, i)) != got->ids[i])
            return false;
    return true;
}

static void describe(const struct qb_token_list *l, struct qb_buf *out)
{
    qb_buf_clear(out);
    for (size_t i = 0; i < l->n && i < 24; i++)
        qb_buf_printf(out, " %d", l->ids[i]);
}

/* The ids give the text back: exactly, or as the set says. */
static bool comes_back(const struct qb_tokenizer *t, const struct qb_token_list *l, const struct qb_buf *text,
                       const json_t *one)
{
    struct qb_buf got, other;
    qb_buf_init(&got, 0);
    qb_buf_init(&other, 0);
    qb_tokenizer_decode(t, l->ids, l->n, true, &got);
    read_hex(golden_string(one, "detokenized_hex"), &other);
    bool same = got.len == text->len && memcmp(got.data, text->data, got.len) == 0;
    bool as_told = json_object_get(one, "detokenized_hex") && got.len == other.len &&
                   memcmp(got.data, other.data, got.len) == 0;
    qb_buf_release(&got);
    qb_buf_release(&other);
    return same || as_told;
}

static void check_case(struct golden *g, const struct qb_tokenizer *t, const char *vocab, const json_t *one,
                       bool compare)
{
    const char *hex = golden_string(one, "hex");
    struct qb_buf text, said;
    qb_buf_init(&text, 0);
    qb_buf_init(&said, 0);
    read_hex(hex, &text);
    for (size_t m = 0; m < QB_ARRAY_LEN(modes); m++) {
        struct qb_token_list l = {0};
        struct qb_err err = {0};
        if (qb_tokenizer_encode(t, text.data, text.len, modes[m].flags, &l, &err) != QB_OK) {
            golden_fail(g, "%s %s: %s", vocab, hex, err.message);
        } else if (compare && !equal_ids(&l, json_object_get(one, modes[m].key))) {
            describe(&l, &said);
            golden_fail(g, "%s %s of '%s':%s", vocab, modes[m].key, golden_string(one, "text"), said.data);
        } else if (modes[m].flags == 0 && !comes_back(t, &l, &text, one)) {
            golden_fail(g, "%s: the ids of %s do not give it back", vocab, hex);
        } else {
            golden_pass(g);
        }
        qb_token_list_release(&l);
    }
    qb_buf_release(&text);
    qb_buf_release(&said);
}

static void check_facts(struct golden *g, const struct qb_tokenizer *t, const json_t *entry)
{
    const struct qb_special_ids *ids = qb_tokenizer_special(t);
    const struct {
        const char *key;
        int64_t got;
    } facts[] = {
        {"n_tokens", qb_tokenizer_n_tokens(t)},
        {"bos", ids->bos},
        {"eos", ids->eos},
        {"eot", ids->eot},
        {"pad", ids->padding},
    };
    for (size_t i = 0; i < QB_ARRAY_LEN(facts); i++)
        if (golden_int(entry, facts[i].key) != facts[i].got)
            golden_fail(g, "%s: %s is %lld", golden_string(entry, "name"), facts[i].key,
                        (long long)facts[i].got);
        else
            golden_pass(g);
    if (json_is_true(json_object_get(entry, "add_bos")) != qb_tokenizer_add_bos(t) ||
        json_is_true(json_object_get(entry, "add_eos")) != qb_tokenizer_add_eos(t))
        golden_fail(g, "%s: add_bos or add_eos", golden_string(entry, "name"));
    else
        golden_pass(g);
}

static void check_cases(struct golden *g, const struct qb_tokenizer *t, const json_t *entry)
{
    const char *vocab = golden_string(entry, "name");
    json_t *root = golden_index(g, golden_string(entry, "cases_file"));
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(root, "cases"), i, one)
        check_case(g, t, vocab, one, !json_object_get(one, "disputed"));
    json_array_foreach(json_object_get(root, "invalid_utf8"), i, one) check_case(g, t, vocab, one, false);
    json_decref(root);
}

static void check_vocab(struct golden *g, const json_t *entry)
{
    char name[GOLDEN_PATH], path[GOLDEN_PATH];
    struct qb_err err = {0};
    struct qb_gguf *file = NULL;
    struct qb_tokenizer *t = NULL;
    snprintf(name, sizeof name, "%s", golden_string(entry, "file"));
    size_t len = strlen(name);
    if (len > 3 && strcmp(name + len - 3, ".xz") == 0) /* the set may lie packed or not */
        name[len - 3] = '\0';
    if (!golden_path(g, name, path, sizeof path)) {
        golden_fail(g, "no file '%s'", name);
        return;
    }
    enum qb_status st = qb_gguf_open(&file, path, &err);
    if (!st)
        st = qb_tokenizer_create(&t, file, &err);
    qb_gguf_close(file);
    golden_forget(g, name, path);
    if (st == QB_ERR_UNSUPPORTED) {
        golden_skip(g, "%s", err.message);
    } else if (st) {
        golden_fail(g, "%s", err.message);
    } else {
        check_facts(g, t, entry);
        check_cases(g, t, entry);
    }
    qb_tokenizer_free(t);
}

/* ---- the part real/ ---- */

static void check_generated(struct golden *g, const struct qb_tokenizer *t, const char *name, const json_t *c)
{
    const json_t *ids = json_object_get(c, "greedy_file");
    struct qb_token_stream s;
    struct qb_buf text;
    qb_buf_init(&text, 0);
    qb_token_stream_init(&s, t, false, false);
    for (size_t i = 0; i < json_array_size(ids); i++)
        qb_token_stream_push(&s, (int32_t)json_integer_value(json_array_get(ids, i)), &text);
    qb_token_stream_end(&s, &text);
    if (strcmp(text.data, golden_string(c, "greedy_text_file")) != 0)
        golden_fail(g, "%s: generated text '%s'", name, text.data);
    else
        golden_pass(g);
    qb_buf_release(&text);
}

static void check_prompt(struct golden *g, const struct qb_tokenizer *t, const char *name, const json_t *c)
{
    const char *prompt = golden_string(c, "prompt");
    struct qb_token_list l = {0};
    struct qb_err err = {0};
    struct qb_buf said;
    qb_buf_init(&said, 0);
    enum qb_status st = qb_tokenizer_encode(t, prompt, strlen(prompt), QB_ENCODE_ADD_SPECIAL, &l, &err);
    describe(&l, &said);
    if (st || !equal_ids(&l, json_object_get(c, "tokens")))
        golden_fail(g, "%s: prompt:%s %s", name, said.data, err.message);
    else
        golden_pass(g);
    qb_buf_release(&said);
    qb_token_list_release(&l);
}

static void check_real(struct golden *g, const json_t *model)
{
    char path[GOLDEN_PATH];
    const char *name = golden_string(model, "name");
    struct qb_err err = {0};
    struct qb_gguf *file = NULL;
    struct qb_tokenizer *t = NULL;
    if (!golden_real_model(golden_string(model, "file"), path, sizeof path)) {
        golden_skip(g, "%s: no '%s' (QBENCH_REAL_MODELS names the folder of real models)", name,
                    golden_string(model, "file"));
        return;
    }
    enum qb_status st = qb_gguf_open(&file, path, &err);
    if (!st)
        st = qb_tokenizer_create(&t, file, &err);
    qb_gguf_close(file);
    json_t *c = golden_index(g, golden_string(model, "case"));
    if (st) {
        golden_fail(g, "%s", err.message);
    } else if (c) {
        check_prompt(g, t, name, c);
        check_generated(g, t, name, c);
    }
    json_decref(c);
    qb_tokenizer_free(t);
}

/* Every entry of a list in the part's index. A folder of another part has no such list. */
static int run_part(const char *part, const char *list, void (*check)(struct golden *, const json_t *),
                    int argc, char **argv)
{
    struct golden g;
    size_t i;
    json_t *entry;
    if (!golden_open(&g, part, argc, argv))
        return GOLDEN_SKIPPED;
    json_t *index = golden_index(&g, "index.json");
    bool other = index && !json_object_get(index, list);
    json_array_foreach(json_object_get(index, list), i, entry) check(&g, entry);
    json_decref(index);
    return other ? GOLDEN_SKIPPED : golden_close(&g);
}

int main(int argc, char **argv)
{
    int vocabs = run_part("tokenizers", "vocabs", check_vocab, argc, argv);
    int real = run_part("real", "models", check_real, argc, argv);
    if (vocabs == GOLDEN_SKIPPED)
        return real;
    return real == GOLDEN_SKIPPED ? vocabs : vocabs | real;
}
