/*
 * UTF-8 as the Unicode standard defines it (no surrogates, nothing overlong, nothing above U+10FFFF).
 */
#ifndef QB_ENGINE_UTF8_H
#define QB_ENGINE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at s, 0 when the bytes there are no valid character. *cp may be NULL. */
static inline size_t qb_utf8_char(const char *s, size_t left, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (left == 0)
        return 0;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    if (cp)
        *cp = c;
    return n;
}

/* Length of the valid text at the start. */
static inline size_t qb_utf8_valid(const char *s, size_t len)
{
    size_t i = 0;
    for (size_t n; i < len && (n = qb_utf8_char(s + i, len - i, NULL)) > 0;)
        i += n;
    return i;
}

#endif
