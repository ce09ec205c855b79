/*
 * The bounds-checked cursor of base/reader.h. Assumes a little-endian machine, as GGUF files do.
 */
#include "base/reader.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "only little-endian machines are supported"
#endif

void qb_reader_init(struct qb_reader *r, const void *data, size_t size)
{
    *r = (struct qb_reader){.data = data, .size = size};
}

size_t qb_reader_left(const struct qb_reader *r)
{
    return r->failed ? 0 : r->size - r->pos;
}

static void fail_at(struct qb_reader *r, size_t pos, const char *what)
{
    if (r->failed)
        return;
    r->failed = true;
    r->fail_pos = pos;
    r->fail_what = what;
}

const uint8_t *qb_read_bytes(struct qb_reader *r, size_t n, const char *what)
{
    if (r->failed || n > r->size - r->pos) {
        fail_at(r, r->pos, what);
        return NULL;
    }
    /* an empty view of empty data is still a success: never NULL */
    const uint8_t *view = r->data ? r->data + r->pos : (const uint8_t *)"";
    r->pos += n;
    return view;
}

static void read_into(struct qb_reader *r, void *out, size_t size, const char *what)
{
    const uint8_t *p = qb_read_bytes(r, size, what);
    if (p)
        memcpy(out, p, size);
}

uint8_t qb_read_u8(struct qb_reader *r, const char *what)
{
    uint8_t v = 0;
    read_into(r, &v, sizeof v, what);
    return v;
}

uint16_t qb_read_u16(struct qb_reader *r, const char *what)
{
    uint16_t v = 0;
    read_into(r, &v, sizeof v, what);
    return v;
}

uint32_t qb_read_u32(struct qb_reader *r, const char *what)
{
    uint32_t v = 0;
    read_into(r, &v, sizeof v, what);
    return v;
}

uint64_t qb_read_u64(struct qb_reader *r, const char *what)
{
    uint64_t v = 0;
    read_into(r, &v, sizeof v, what);
    return v;
}

float qb_read_f32(struct qb_reader *r, const char *what)
{
    float v = 0;
    read_into(r, &v, sizeof v, what);
    return v;
}

double qb_read_f64(struct qb_reader *r, const char *what)
{
    double v = 0;
    read_into(r, &v, sizeof v, what);
    return v;
}

void qb_reader_seek(struct qb_reader *r, size_t pos, const char *what)
{
    if (r->failed)
        return;
    if (pos > r->size)
        fail_at(r, pos, what);
    else
        r->pos = pos;
}

enum qb_status qb_reader_status(const struct qb_reader *r, const char *file, struct qb_err *err)
{
    if (!r->failed)
        return QB_OK;
    return qb_fail(err, QB_ERR_FORMAT, "'%s': truncated at offset %zu while reading %s", file, r->fail_pos,
                   r->fail_what);
}
