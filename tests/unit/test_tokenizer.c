/*
 * Tokenizers on small vocabularies whose ids can be worked out by hand, splitting into words, hostile
 * vocabularies.
 */
#include "base/log.h"
#include "base/rng.h"
#include "engine/pretok.h"
#include "engine/tokenizer.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/vocab_file.h"

#include <stdio.h>

/* ---- helpers ---- */

static struct qb_tokenizer *open_tokenizer(struct vocab_file *f, enum qb_status want)
{
    struct qb_gguf *g = NULL;
    struct qb_tokenizer *t = NULL;
    struct qb_err err = {0};
    assert_int_equal(vocab_file_open(f, &g, &err), QB_OK);
    assert_int_equal(qb_tokenizer_create(&t, g, &err), want);
    if (want != QB_OK)
        assert_true(err.message[0] != '\0');
    qb_gguf_close(g);
    vocab_file_release(f);
    return t;
}

/* The ids as text: "3 17 2". */
static const char *ids_of(const struct qb_tokenizer *t, const char *text, size_t len, unsigned flags)
{
    static char out[1024];
    struct qb_token_list l = {0};
    struct qb_err err = {0};
    size_t n = 0;
    assert_int_equal(qb_tokenizer_encode(t, text, len, flags, &l, &err), QB_OK);
    out[0] = '\0';
    for (size_t i = 0; i < l.n && n < sizeof out - 16; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%d", i ? " " : "", l.ids[i]);
    qb_token_list_release(&l);
    return out;
}

static const char *ids(const struct qb_tokenizer *t, const char *text, unsigned flags)
{
    return ids_of(t, text, strlen(text), flags);
}

static void assert_comes_back(const struct qb_tokenizer *t, const char *text, size_t len)
{
    struct qb_token_list l = {0};
    struct qb_buf out;
    qb_buf_init(&out, 0);
    assert_int_equal(qb_tokenizer_encode(t, text, len, 0, &l, NULL), QB_OK);
    qb_tokenizer_decode(t, l.ids, l.n, false, &out);
    assert_false(out.failed);
    assert_int_equal(out.len, len);
    assert_memory_equal(out.data, text, len);
    qb_token_list_release(&l);
    qb_buf_release(&out);
}

/* ---- byte-level BPE ---- */

/*
 * 0..255: the bytes in the order of the alphabet (so 'a' is at 'a' - 0x21 and the space at 220), then merged
 * texts, then special tokens. Types and merges are those of the real files.
 */
enum { BPE_FIRST = 256 };
static const char *const bpe_texts[] = {"ab",    "abc",    "bc",  "\304\240a", "cd",
                                        "<|x|>", "<|x|>y", "<u>", "<|im_end|>"};
static const char *const bpe_merges[] = {"b c", "a b", "ab c", "\xc4\xa0 a", "c d"};

static size_t spell_byte(int i, char out[3])
{
    static const int ranges[3][2] = {{0x21, 0x7e}, {0xa1, 0xac}, {0xae, 0xff}};
    int cp = 0x100 + i - 188;
    for (int r = 0, base = 0; r < 3; base += ranges[r][1] - ranges[r][0] + 1, r++)
        if (i >= base && i - base <= ranges[r][1] - ranges[r][0])
            cp = ranges[r][0] + i - base;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    out[0] = (char)(0xc0 | cp >> 6);
    out[1] = (char)(0x80 | (cp & 0x3f));
    return 2;
}

static void put_bpe(struct vocab_file *f, const char *pre)
{
    vocab_file_init(f);
    vocab_file_str(f, "tokenizer.ggml.model", "gpt2");
    vocab_file_str(f, "tokenizer.ggml.pre", pre);
    vocab_file_array(f, "tokenizer.ggml.tokens", QB_GGUF_STRING, BPE_FIRST + QB_ARRAY_LEN(bpe_texts));
    for (int i = 0; i < BPE_FIRST; i++) {
        char s[3];
        vocab_file_text(f, s, spell_byte(i, s));
    }
    for (size_t i = 0; i < QB_ARRAY_LEN(bpe_texts); i++)
        vocab_file_text(f, bpe_texts[i], strlen(bpe_texts[i]));
    vocab_file_array(f, "tokenizer.ggml.token_type", QB_GGUF_I32, BPE_FIRST + QB_ARRAY_LEN(bpe_texts));
    for (int32_t i = 0; i < (int32_t)(BPE_FIRST + QB_ARRAY_LEN(bpe_texts)); i++) {
        int32_t type = i < 261    ? QB_TOKEN_NORMAL
                       : i == 263 ? QB_TOKEN_USER_DEFINED
                       : i == 264 ? 1
                                  : QB_TOKEN_CONTROL;
        qb_buf_append(&f->kv, &type, sizeof type);
    }
    vocab_file_strs(f, "tokenizer.ggml.merges", bpe_merges, QB_ARRAY_LEN(bpe_merges));
    vocab_file_u32(f, "tokenizer.ggml.bos_token_id", 261);
    vocab_file_u32(f, "tokenizer.ggml.eos_token_id", 262);
}

static struct qb_tokenizer *make_bpe(const char *pre)
{
    struct vocab_file f;
    put_bpe(&f, pre);
    return open_tokenizer(&f, QB_OK);
}

static void bpe_merges_by_rank(void **state)
{
    (void)state;
    struct qb_tokenizer *t = make_bpe("qwen2");
    assert_string_equal(ids(t, "", 0), "");
    assert_string_equal(ids(t, "ab", 0), "256");
    assert_string_equal(ids(t, "abc", 0), "64 258");     /* "b c" comes before "a b" */
    assert_string_equal(ids(t, "abcd", 0), "64 258 67"); /* and before "c d" */
    assert_string_equal(ids(t, "ab a", 0), "256 259");
    assert_string_equal(ids(t, "bcbc", 0), "258 258");
    assert_comes_back(t, "\x00\n a\xc3\xa9 \xad\xff\x80", 10);
    qb_tokenizer_free(t);
}

static void bpe_whole_words(void **state)
{
    (void)state;
    struct qb_tokenizer *t = make_bpe("llama-bpe"); /* words that are tokens are not merged; BOS by default */
    assert_string_equal(ids(t, "abc", QB_ENCODE_ADD_SPECIAL), "261 257");
    assert_string_equal(ids(t, "abcd", 0), "64 258 67");
    qb_tokenizer_free(t);
}

static void special_tokens(void **state)
{
    (void)state;
    struct qb_tokenizer *t = make_bpe("qwen2");
    const struct qb_special_ids *special = qb_tokenizer_special(t);
    assert_int_equal(special->bos, 261);
    assert_int_equal(special->eot, 264); /* by its text */
    assert_int_equal(special->unknown, -1);
    assert_int_equal(qb_tokenizer_type(t, 264), QB_TOKEN_CONTROL); /* whatever the file says */
    assert_true(qb_tokenizer_is_end(t, 264) && qb_tokenizer_is_end(t, 262));
    assert_false(qb_tokenizer_is_end(t, 261) || qb_tokenizer_is_end(t, -1) ||
                 qb_tokenizer_is_end(t, 1 << 30));
    assert_false(qb_tokenizer_add_bos(t));
    assert_string_equal(ids(t, "a<|x|>b", QB_ENCODE_PARSE_SPECIAL), "64 261 65");
    assert_string_equal(ids(t, "<|x|>y<|x|>", QB_ENCODE_PARSE_SPECIAL), "262 261"); /* the longest first */
    assert_string_equal(ids(t, "a<u>b", 0), "64 263 65");                           /* user-defined: always */
    assert_string_equal(ids(t, "<|x|>", 0), "27 91 87 91 29");
    assert_string_equal(ids(t, "<|x|", QB_ENCODE_PARSE_SPECIAL), "27 91 87 91");
    qb_tokenizer_free(t);
}

static void added_tokens(void **state)
{
    (void)state;
    struct vocab_file f;
    put_bpe(&f, "qwen2");
    vocab_file_bool(&f, "tokenizer.ggml.add_bos_token", true);
    vocab_file_bool(&f, "tokenizer.ggml.add_eos_token", true);
    struct qb_tokenizer *t = open_tokenizer(&f, QB_OK);
    assert_string_equal(ids(t, "", QB_ENCODE_ADD_SPECIAL), "261 262");
    assert_string_equal(ids(t, "<|x|>", QB_ENCODE_ADD_SPECIAL | QB_ENCODE_PARSE_SPECIAL), "261 261 262");
    assert_string_equal(ids(t, "a", 0), "64");
    qb_tokenizer_free(t);
}

static void bpe_random_bytes_come_back(void **state)
{
    (void)state;
    size_t n;
    const struct qb_pretok_row *rows = qb_pretok_rows(&n);
    struct qb_rng rng;
    qb_rng_init(&rng, 7, 0);
    for (size_t r = 0; r < n; r++) {
        struct qb_tokenizer *t = make_bpe(rows[r].name);
        for (int k = 0; k < 20; k++) {
            char text[200];
            size_t len = qb_rng_below(&rng, sizeof text);
            for (size_t i = 0; i < len; i++)
                text[i] = k % 2 ? (char)qb_rng_u64(&rng)
                                : " \n\tab<'1.\xc3\xa9\xe4\xb8\x80"[qb_rng_below(&rng, 14)];
            assert_comes_back(t, text, len);
        }
        qb_tokenizer_free(t);
    }
}

/* Merges whose parts are no tokens: the result counts; what cannot be spelled as tokens gives its known
 * bytes. */
static void bpe_incomplete(void **state)
{
    (void)state;
    static const char *const texts[] = {"a", "b", "xyz"};
    static const char *const merges[] = {"y z", "x yz", "a b", "nospace", "a ", " b", ""};
    struct vocab_file f;
    vocab_file_init(&f);
    vocab_file_str(&f, "tokenizer.ggml.model", "gpt2");
    vocab_file_strs(&f, "tokenizer.ggml.tokens", texts, 3);
    vocab_file_strs(&f, "tokenizer.ggml.merges", merges, QB_ARRAY_LEN(merges));
    struct qb_tokenizer *t = open_tokenizer(&f, QB_OK);
    assert_string_equal(ids(t, "xyz", 0), "2");
    assert_string_equal(ids(t, "ab", 0), "0 1");
    assert_string_equal(ids(t, "yz! ", 0), "");
    assert_int_equal(qb_tokenizer_special(t)->bos, -1); /* 11 is outside */
    qb_tokenizer_free(t);
}

/* 2^20 times the same letter: with merges a+a, aa+aa, ... everything becomes 2^20 / 16 tokens. */
static void bpe_long_word(void **state)
{
    (void)state;
    static const char *const texts[] = {"a", "aa", "aaaa", "aaaaaaaa", "aaaaaaaaaaaaaaaa"};
    static const char *const merges[] = {"a a", "aa aa", "aaaa aaaa", "aaaaaaaa aaaaaaaa"};
    struct vocab_file f;
    vocab_file_init(&f);
    vocab_file_str(&f, "tokenizer.ggml.model", "gpt2");
    vocab_file_strs(&f, "tokenizer.ggml.tokens", texts, QB_ARRAY_LEN(texts));
    vocab_file_strs(&f, "tokenizer.ggml.merges", merges, QB_ARRAY_LEN(merges));
    struct qb_tokenizer *t = open_tokenizer(&f, QB_OK);
    size_t n = 1 << 20;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'a', n);
    struct qb_token_list l = {0};
    assert_int_equal(qb_tokenizer_encode(t, text, n, 0, &l, NULL), QB_OK);
    assert_int_equal(l.n, n / 16);
    for (size_t i = 0; i < l.n; i++)
        assert_int_equal(l.ids[i], 4);
    qb_token_list_release(&l);
    free(text);
    qb_tokenizer_free(t);
}

/* ---- scores ---- */

#define SPACE "\xe2\x96\x81"

static const struct {
    const char *text;
    float score;
    int type;
} spm[] = {
    {"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3},   {"<0xC3>", 0, 6}, {"<0xA9>", 0, 6},   {SPACE, -9, 1},
    {"a", -5, 1},    {"b", -5, 1},  {"ab", -2, 1},    {"ba", -1, 1},    {SPACE "a", -3, 1}, {"aa", -4, 1},
    {"<u>", 0, 4},   {"  ", 0, 4},  {"unused", 0, 5}, {"z", -5, 1},
};

static void put_spm(struct vocab_file *f)
{
    size_t n = QB_ARRAY_LEN(spm);
    vocab_file_init(f);
    vocab_file_str(f, "tokenizer.ggml.model", "llama");
    vocab_file_array(f, "tokenizer.ggml.tokens", QB_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        vocab_file_text(f, spm[i].text, strlen(spm[i].text));
    vocab_file_array(f, "tokenizer.ggml.scores", QB_GGUF_F32, n);
    for (size_t i = 0; i < n; i++)
        qb_buf_append(&f->kv, &spm[i].score, 4);
    vocab_file_array(f, "tokenizer.ggml.token_type", QB_GGUF_I32, n);
    for (size_t i = 0; i < n; i++)
        qb_buf_append(&f->kv, &spm[i].type, 4);
}

static void spm_merges_by_score(void **state)
{
    (void)state;
    struct vocab_file f;
    put_spm(&f);
    vocab_file_bool(&f, "tokenizer.ggml.add_space_prefix", false);
    struct qb_tokenizer *t = open_tokenizer(&f, QB_OK);
    assert_string_equal(ids(t, "ab", 0), "8");
    assert_string_equal(ids(t, "aba", 0), "6 9");      /* "ba" is better than "ab" */
    assert_string_equal(ids(t, "aaa", 0), "11 6");     /* a tie: the left one */
    assert_string_equal(ids(t, "a ab", 0), "6 5 8");   /* "ab" is better than " a" */
    assert_string_equal(ids(t, "\xc3\xa9", 0), "3 4"); /* as bytes */
    assert_string_equal(ids(t, "q", 0), "0");          /* no such byte: unknown */
    assert_string_equal(ids(t, "a  b", 0), "6 13 7");  /* two spaces are a user-defined token */
    assert_string_equal(ids(t, "a", QB_ENCODE_ADD_SPECIAL), "1 6");
    assert_comes_back(t, " a  b", 5);
    qb_tokenizer_free(t);
}

static void spm_space_prefix(void **state)
{
    (void)state;
    struct vocab_file f;
    put_spm(&f);
    struct qb_tokenizer *t = open_tokenizer(&f, QB_OK);
    assert_string_equal(ids(t, "", 0), "");
    assert_string_equal(ids(t, "a", 0), "10");
    assert_string_equal(ids(t, "a<s>a", QB_ENCODE_PARSE_SPECIAL),
                        "10 1 10"); /* after a special token again */
    assert_string_equal(ids(t, "a<u>a", 0), "10 12 10");
    assert_comes_back(t, "ab a", 4);
    assert_comes_back(t, " a", 2);
    assert_comes_back(t, "  ", 2);
    qb_tokenizer_free(t);
}

/* ---- decoding ---- */

static void decodes_as_they_come(void **state)
{
    (void)state;
    struct vocab_file f;
    put_spm(&f);
    struct qb_tokenizer *t = open_tokenizer(&f, QB_OK);
    struct qb_token_stream s;
    struct qb_buf out;
    qb_buf_init(&out, 0);
    qb_token_stream_init(&s, t, false, true);
    qb_token_stream_push(&s, 1, &out); /* BOS gives nothing and the space goes all the same */
    qb_token_stream_push(&s, 10, &out);
    assert_string_equal(out.data, "a");
    qb_token_stream_push(&s, 3, &out); /* half a character */
    assert_string_equal(out.data, "a");
    qb_token_stream_push(&s, 4, &out);
    assert_string_equal(out.data, "a\xc3\xa9");
    qb_token_stream_push(&s, 3, &out);
    qb_token_stream_push(&s, 10, &out); /* broken off */
    assert_string_equal(out.data, "a\xc3\xa9\xc3 a");
    qb_token_stream_push(&s, 3, &out);
    qb_token_stream_push(&s, 999, &out);
    qb_token_stream_push(&s, -5, &out);
    qb_token_stream_push(&s, 14, &out); /* unused */
    qb_token_stream_end(&s, &out);
    assert_string_equal(out.data, "a\xc3\xa9\xc3 a\xc3");
    qb_buf_clear(&out);
    const int32_t special[] = {1, 6, 2};
    qb_tokenizer_decode(t, special, 3, true, &out);
    assert_string_equal(out.data, "<s>a</s>");
    qb_buf_release(&out);
    qb_tokenizer_free(t);
}

/* ---- refusals ---- */

static void refuses(void **state)
{
    (void)state;
    static const char *const models[] = {"bert",   "t5",   "rwkv",     "plamo2",
                                         "gemma4", "none", "no_vocab", "\xff"};
    static const char *const two[] = {"a", "b"};
    struct vocab_file f;
    for (size_t i = 0; i < QB_ARRAY_LEN(models); i++) {
        vocab_file_init(&f);
        vocab_file_str(&f, "tokenizer.ggml.model", models[i]);
        open_tokenizer(&f, QB_ERR_UNSUPPORTED);
    }
    vocab_file_init(&f); /* nothing at all */
    vocab_file_str(&f, "general.name", "x");
    open_tokenizer(&f, QB_ERR_UNSUPPORTED);
    vocab_file_init(&f); /* no tokens */
    vocab_file_str(&f, "tokenizer.ggml.model", "gpt2");
    open_tokenizer(&f, QB_ERR_FORMAT);
    vocab_file_init(&f); /* no merges */
    vocab_file_str(&f, "tokenizer.ggml.model", "gpt2");
    vocab_file_strs(&f, "tokenizer.ggml.tokens", two, 2);
    open_tokenizer(&f, QB_ERR_FORMAT);
    vocab_file_init(&f); /* fewer scores than tokens */
    vocab_file_str(&f, "tokenizer.ggml.model", "llama");
    vocab_file_strs(&f, "tokenizer.ggml.tokens", two, 2);
    vocab_file_array(&f, "tokenizer.ggml.scores", QB_GGUF_F32, 1);
    qb_buf_append(&f.kv, "\0\0\0\0", 4);
    open_tokenizer(&f, QB_ERR_FORMAT);
    vocab_file_init(&f); /* types that are texts */
    vocab_file_str(&f, "tokenizer.ggml.model", "gpt2");
    vocab_file_strs(&f, "tokenizer.ggml.tokens", two, 2);
    vocab_file_strs(&f, "tokenizer.ggml.token_type", two, 2);
    open_tokenizer(&f, QB_ERR_FORMAT);
}

static void hostile_vocabulary(void **state)
{
    (void)state;
    static const char *const texts[] = {"a", "a", "", "\xff\xfe", "<0xZZ>", "\xe2\x96", "a a", "<0x41>"};
    struct vocab_file f;
    vocab_file_init(&f);
    vocab_file_str(&f, "tokenizer.ggml.model", "llama");
    vocab_file_strs(&f, "tokenizer.ggml.tokens", texts, QB_ARRAY_LEN(texts));
    vocab_file_array(&f, "tokenizer.ggml.scores", QB_GGUF_F32, QB_ARRAY_LEN(texts));
    for (size_t i = 0; i < QB_ARRAY_LEN(texts); i++)
        qb_buf_append(&f.kv, i % 2 ? "\0\0\xc0\x7f" : "\0\0\x80\x7f", 4); /* NaN, infinity */
    static const int32_t types[] = {4, 3, 4, 4, 6, 6, -7, 99};
    vocab_file_array(&f, "tokenizer.ggml.token_type", QB_GGUF_I32, QB_ARRAY_LEN(types));
    qb_buf_append(&f.kv, types, sizeof types);
    vocab_file_u32(&f, "tokenizer.ggml.bos_token_id", 4000000000u);
    vocab_file_u32(&f, "tokenizer.ggml.eos_token_id", 8);
    vocab_file_u32(&f, "tokenizer.ggml.unknown_token_id", 3);
    enum qb_log_level level = qb_log_get_level();
    qb_log_set_level(QB_LOG_QUIET);
    struct qb_tokenizer *t = open_tokenizer(&f, QB_OK);
    qb_log_set_level(level);
    assert_int_equal(qb_tokenizer_special(t)->eos, 2); /* the default stays */
    assert_int_equal(qb_tokenizer_find(t, "a", 1), 0); /* of equal texts the first */
    assert_string_equal(ids_of(t, "a\xff\xfe", 3, QB_ENCODE_ADD_SPECIAL | QB_ENCODE_PARSE_SPECIAL), "1 0 3");
    struct qb_buf out;
    qb_buf_init(&out, 0);
    for (int32_t i = -1; i < 9; i++)
        qb_tokenizer_piece(t, i, true, &out);
    assert_string_equal(out.data, "aa\xff\xfe<0xZZ>\xe2\x96");
    qb_buf_release(&out);
    qb_tokenizer_free(t);
}

/* ---- words ---- */

static enum qb_status add_word(void *arg, const char *word, size_t len, struct qb_err *err)
{
    (void)err;
    struct qb_buf *out = arg;
    qb_buf_puts(out, out->len ? "|" : "");
    qb_buf_append(out, word, len);
    return QB_OK;
}

static void splits_into_words(void **state)
{
    (void)state;
    static const struct {
        const char *pre, *text, *words;
    } cases[] = {
        {"gpt-2", "I'll  go 12345\n\n x", "I|'ll| | go| 12345|\n\n| x"},
        {"gpt-2", "I'LL\t\tx ", "I|'|LL|\t|\t|x| "},
        {"llama-bpe", "I'LL  go 12345\n\n x.\n", "I|'LL| | go| |123|45|\n\n| x|.\n"},
        {"qwen2", "a1234 \n \n  b,c", "a|1|2|3|4| \n \n| | b|,c"},
        {"qwen2", "e\xcc\x81t\xc3\xa9", "e|\xcc\x81t\xc3\xa9"}, /* a combining mark is no letter */
        {"qwen2",
         "a\xe1\xa0\x8e"
         "b",
         "a|\xe1\xa0\x8e"
         "b"}, /* U+180E is no white space */
        {"smollm", "a  12 b", "a|  |1|2| b"},
        {"falcon", "a, $b 1234", "a|,| |$|b| |123|4"},
        {"default", "a1234.", "a|123|4|."},
        {"tekken", "HelloWORLD Abc/\n", "Hello|WORLD| Abc|/\n"},
        {"gpt-4o", "don't 1234 xY", "don't| |123|4| x|Y"},
        {"deepseek-v3", "1234abc \xe4\xb8\x80\xe4\xb8\x81 (x)",
         "123|4|abc| |\xe4\xb8\x80\xe4\xb8\x81| (|x|)"},
        {"deepseek-coder", "a b\n1.", "a| b|\n|1|."},
        {"bloom", "ab cd, e.", "ab| cd|,| e|."},
        {"qwen2", "a\xff\xc3(", "a|\xff|\xc3|("}, /* invalid bytes are words */
    };
    for (size_t i = 0; i < QB_ARRAY_LEN(cases); i++) {
        struct qb_pretok *p = NULL;
        struct qb_buf out;
        const struct qb_pretok_row *row = qb_pretok_find(cases[i].pre, strlen(cases[i].pre));
        qb_buf_init(&out, 0);
        assert_non_null(row);
        assert_int_equal(qb_pretok_create(&p, row, NULL), QB_OK);
        assert_int_equal(qb_pretok_split(p, cases[i].text, strlen(cases[i].text), add_word, &out, NULL),
                         QB_OK);
        assert_string_equal(out.data, cases[i].words);
        qb_pretok_free(p);
        qb_buf_release(&out);
    }
    assert_null(qb_pretok_find("nosuch", 6));
    assert_null(qb_pretok_find("gpt-2", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bpe_merges_by_rank),
        cmocka_unit_test(bpe_whole_words),
        cmocka_unit_test(special_tokens),
        cmocka_unit_test(added_tokens),
        cmocka_unit_test(bpe_random_bytes_come_back),
        cmocka_unit_test(bpe_incomplete),
        cmocka_unit_test(bpe_long_word),
        cmocka_unit_test(spm_merges_by_score),
        cmocka_unit_test(spm_space_prefix),
        cmocka_unit_test(decodes_as_they_come),
        cmocka_unit_test(refuses),
        cmocka_unit_test(hostile_vocabulary),
        cmocka_unit_test(splits_into_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
