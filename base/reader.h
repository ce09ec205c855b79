/*
 * Bounds-checked little-endian cursor over memory, with a sticky error: read many fields, test once.
 * After the first failure every read returns 0 and moves nothing.
 */
#ifndef QB_BASE_READER_H
#define QB_BASE_READER_H

#include "base/err.h"

struct qb_reader {
    const uint8_t *data;
    size_t size;
    size_t pos;
    bool failed;
    size_t fail_pos;       /* offset of the field that did not fit */
    const char *fail_what; /* its name, static string */
};

void qb_reader_init(struct qb_reader *r, const void *data, size_t size);
size_t qb_reader_left(const struct qb_reader *r);
uint8_t qb_read_u8(struct qb_reader *r, const char *what);
uint16_t qb_read_u16(struct qb_reader *r, const char *what);
uint32_t qb_read_u32(struct qb_reader *r, const char *what);
uint64_t qb_read_u64(struct qb_reader *r, const char *what);
float qb_read_f32(struct qb_reader *r, const char *what);
double qb_read_f64(struct qb_reader *r, const char *what);
/* A view of n bytes inside the data, NULL on failure. */
const uint8_t *qb_read_bytes(struct qb_reader *r, size_t n, const char *what);
void qb_reader_seek(struct qb_reader *r, size_t pos, const char *what);
/* QB_ERR_FORMAT "'file': truncated at offset N while reading WHAT" when failed. */
enum qb_status qb_reader_status(const struct qb_reader *r, const char *file, struct qb_err *err);

#endif
