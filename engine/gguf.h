/*
 * The GGUF container, in and out: no model knowledge. Hostile input: every length is checked against the
 * bytes that remain before anything is allocated; all messages name file and offset. Source: the GGUF
 * specification (versions 2 and 3, little-endian); docs/formats.md.
 */
#ifndef QB_ENGINE_GGUF_H
#define QB_ENGINE_GGUF_H

#include "base/err.h"
#include "base/file.h"
#include "kernels/layout.h"

enum qb_gguf_type {
    QB_GGUF_U8,
    QB_GGUF_I8,
    QB_GGUF_U16,
    QB_GGUF_I16,
    QB_GGUF_U32,
    QB_GGUF_I32,
    QB_GGUF_F32,
    QB_GGUF_BOOL,
    QB_GGUF_STRING,
    QB_GGUF_ARRAY,
    QB_GGUF_U64,
    QB_GGUF_I64,
    QB_GGUF_F64,
    QB_GGUF_TYPE_COUNT
};

/* A view into the mapping: not NUL-terminated. */
struct qb_gguf_str {
    const char *s;
    size_t len;
};

struct qb_gguf_kv {
    struct qb_gguf_str key;
    enum qb_gguf_type type;
    enum qb_gguf_type elem_type; /* ARRAY */
    uint64_t n;                  /* ARRAY: elements */
    const uint8_t *data;         /* the packed value (scalar, string body, or array payload) */
    size_t bytes;                /* of data */
};

struct qb_gguf_tensor {
    char name[64];
    int n_dims;
    int64_t ne[4];                  /* ne[0] is contiguous; missing dimensions are 1 */
    int type_id;                    /* as stored */
    const struct qb_format *format; /* NULL: a known ggml type that this build cannot decode */
    enum qb_layout_id layout;       /* PLAIN but for the historical interleaved ids */
    const uint8_t *data;            /* in the mapping of its file, aligned to 8 bytes or more */
    size_t bytes;
    int file; /* index of the split part */
};

/* ggml type ids ("QB_GGML_Q4_K"), stored with every tensor. */
enum qb_ggml_id {
#define QB_GGML(id, value, elems, bytes) QB_GGML_##id = value,
#include "engine/gguf_types.def"
#undef QB_GGML
    QB_GGML_ID_END
};
/* Block size of a type id; false when it is unknown or was removed. */
bool qb_ggml_block(int type_id, int *elems, int *bytes);
/* The id of a type name in any case ("q4_k"), -1 when unknown. */
int qb_ggml_id_by_name(const char *name);
/* Bytes of a tensor; false when the type is unknown, a block does not divide ne[0], or the size overflows. */
bool qb_ggml_bytes(int type_id, const int64_t ne[4], size_t *out);

struct qb_gguf; /* one model: all parts of a split set */

/*
 * Open a GGUF file, or a whole split set through any of its parts. Pair: qb_gguf_close (accepts NULL).
 * Errors: QB_ERR_IO, QB_ERR_FORMAT (malformed), QB_ERR_UNSUPPORTED (version 1, big-endian, removed types).
 */
enum qb_status qb_gguf_open(struct qb_gguf **out, const char *path, struct qb_err *err);
/* Parse one part from memory (fuzzing, tests): `name` is for messages; data is borrowed and aligned to 8
 * bytes. */
enum qb_status qb_gguf_open_memory(struct qb_gguf **out, const void *data, size_t size, const char *name,
                                   struct qb_err *err);
void qb_gguf_close(struct qb_gguf *g);

const char *qb_gguf_path(const struct qb_gguf *g);
int qb_gguf_n_files(const struct qb_gguf *g);
const char *qb_gguf_file_path(const struct qb_gguf *g, int file); /* of a part; NULL when there is none */
uint64_t qb_gguf_file_bytes(const struct qb_gguf *g);             /* of all parts */
uint32_t qb_gguf_version(const struct qb_gguf *g);
size_t qb_gguf_alignment(const struct qb_gguf *g);
const struct qb_mapping *qb_gguf_mapping(const struct qb_gguf *g, int file);

size_t qb_gguf_n_kv(const struct qb_gguf *g);
const struct qb_gguf_kv *qb_gguf_kv_at(const struct qb_gguf *g, size_t i);
const struct qb_gguf_kv *qb_gguf_find(const struct qb_gguf *g, const char *key);
/* Typed getters, lenient between integer types that are in range. false: absent or of another kind (out
 * untouched). */
bool qb_gguf_get_u64(const struct qb_gguf *g, const char *key, uint64_t *out);
bool qb_gguf_get_f64(const struct qb_gguf *g, const char *key, double *out);
bool qb_gguf_get_bool(const struct qb_gguf *g, const char *key, bool *out);
bool qb_gguf_get_str(const struct qb_gguf *g, const char *key, struct qb_gguf_str *out);
/* Element i of an integer or float array (converted), or of a string array. */
bool qb_gguf_array_i64(const struct qb_gguf_kv *kv, uint64_t i, int64_t *out);
bool qb_gguf_array_f64(const struct qb_gguf_kv *kv, uint64_t i, double *out);
/* Walk a string array: start with *pos = 0; false at the end. */
bool qb_gguf_array_next_str(const struct qb_gguf_kv *kv, size_t *pos, struct qb_gguf_str *out);

size_t qb_gguf_n_tensors(const struct qb_gguf *g);
const struct qb_gguf_tensor *qb_gguf_tensor_at(const struct qb_gguf *g, size_t i);
const struct qb_gguf_tensor *qb_gguf_tensor_find(const struct qb_gguf *g, const char *name);
/* The data will not be read again soon: its pages may go. Without effect on a model parsed from memory. */
void qb_gguf_tensor_drop(const struct qb_gguf *g, const struct qb_gguf_tensor *t);
/*
 * Are all block scales and float weights of t finite? *bad_block is the first bad one, or -1.
 * QB_ERR_UNSUPPORTED for a type that this build cannot decode.
 */
enum qb_status qb_gguf_tensor_check(const struct qb_gguf_tensor *t, int64_t *bad_block, struct qb_err *err);
const char *qb_gguf_type_name(int ggml_type_id); /* "Q4_K", "Q4_0_8_8", "?" */
const char *qb_gguf_value_type_name(enum qb_gguf_type t);

/*
 * Writer: collect metadata and tensor infos, then stream the data. Atomic: the file appears when finish
 * succeeds. create -> kv_* -> add_tensor for all -> begin_data -> write for every tensor in the order added
 * -> finish free at any time aborts (removes the temporary). All functions fail with a status that names the
 * path.
 */
struct qb_gguf_writer;
enum qb_status qb_gguf_writer_create(struct qb_gguf_writer **out, const char *path, struct qb_err *err);
enum qb_status qb_gguf_put_u32(struct qb_gguf_writer *w, const char *key, uint32_t v, struct qb_err *err);
enum qb_status qb_gguf_put_f32(struct qb_gguf_writer *w, const char *key, float v, struct qb_err *err);
enum qb_status qb_gguf_put_bool(struct qb_gguf_writer *w, const char *key, bool v, struct qb_err *err);
enum qb_status qb_gguf_put_str(struct qb_gguf_writer *w, const char *key, const char *v, struct qb_err *err);
enum qb_status qb_gguf_put_u32_array(struct qb_gguf_writer *w, const char *key, const uint32_t *v, size_t n,
                                     struct qb_err *err);
/* Copy a record of another file as it is. */
enum qb_status qb_gguf_put_kv(struct qb_gguf_writer *w, const struct qb_gguf_kv *kv, struct qb_err *err);
enum qb_status qb_gguf_add_tensor(struct qb_gguf_writer *w, const char *name, int n_dims, const int64_t *ne,
                                  int type_id, size_t bytes, struct qb_err *err);
enum qb_status qb_gguf_begin_data(struct qb_gguf_writer *w, struct qb_err *err);
/* Append to the current tensor; moves on (with padding) when its bytes are complete. */
enum qb_status qb_gguf_write(struct qb_gguf_writer *w, const void *data, size_t bytes, struct qb_err *err);
enum qb_status qb_gguf_writer_finish(struct qb_gguf_writer *w, struct qb_err *err); /* then free */
void qb_gguf_writer_free(struct qb_gguf_writer *w);

#endif
