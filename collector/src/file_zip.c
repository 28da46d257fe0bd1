/* file_zip.c - the names in a zip archive.
 * Owns nothing; see file_zip.h. Facts: PKWARE's APPNOTE, sections 4.3.7, 4.3.12 and 4.3.16.
 * Invariant: nothing beyond the data is read, whatever the offsets in it say. */
#include "file_zip.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    END_SIZE = 22,
    COMMENT_MAX = 65535,
    ENTRY_SIZE = 46,
    LOCAL_SIZE = 30,
    FLAG_ENCRYPTED = 1 << 0,
    FLAG_HIDDEN_NAMES = 1 << 13,
    ZIP64 = 0xffff
};

typedef struct archive {
    const unsigned char *data;
    size_t size;
} archive;

static unsigned short_at(const unsigned char *d)
{
    return d[0] | (unsigned)d[1] << 8;
}

static size_t long_at(const unsigned char *d)
{
    return short_at(d) | (size_t)short_at(d + 2) << 16;
}

static bool room(const archive *self, size_t at, size_t len)
{
    return at <= self->size && len <= self->size - at;
}

/* The end record, with a comment that reaches exactly to the archive's end; NULL: none. */
static const unsigned char *find_end(const archive *self)
{
    for (size_t comment = 0; comment <= COMMENT_MAX && room(self, 0, END_SIZE + comment);
         comment++) {
        const unsigned char *end = self->data + self->size - comment - END_SIZE;
        if (memcmp(end, "PK\x05\x06", 4) == 0 && short_at(end + 20) == comment)
            return end;
    }
    return NULL;
}

/* Does what lies at `at` call itself by the same name? */
static bool is_local(const archive *self, size_t at, const unsigned char *name, size_t len)
{
    const unsigned char *local = self->data + at;
    return room(self, at, LOCAL_SIZE) && memcmp(local, "PK\x03\x04", 4) == 0 &&
           short_at(local + 26) == len && room(self, at + LOCAL_SIZE, len) &&
           memcmp(local + LOCAL_SIZE, name, len) == 0;
}

file_zip_result file_zip_list(const void *data, size_t size, file_zip_fn *fn, void *user)
{
    const archive self = {data, size};
    const unsigned char *end = find_end(&self);
    if (!end || short_at(end + 10) == ZIP64)
        return FILE_ZIP_BROKEN;
    size_t at = long_at(end + 16), stop = (size_t)(end - self.data);
    for (unsigned left = short_at(end + 10); left > 0; left--) {
        const unsigned char *entry = self.data + at;
        if (at > stop || stop - at < ENTRY_SIZE || memcmp(entry, "PK\x01\x02", 4) != 0)
            return FILE_ZIP_BROKEN;
        size_t name = short_at(entry + 28);
        size_t whole = ENTRY_SIZE + name + short_at(entry + 30) + short_at(entry + 32);
        if (stop - at < whole || memchr(entry + ENTRY_SIZE, 0, name) ||
            !is_local(&self, long_at(entry + 42), entry + ENTRY_SIZE, name))
            return FILE_ZIP_BROKEN;
        if (short_at(entry + 8) & (FLAG_ENCRYPTED | FLAG_HIDDEN_NAMES))
            return FILE_ZIP_ENCRYPTED;
        fn((const char *)entry + ENTRY_SIZE, name, user);
        at += whole;
    }
    return at == stop ? FILE_ZIP_OK : FILE_ZIP_BROKEN;
}
