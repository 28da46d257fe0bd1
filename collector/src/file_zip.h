/* file_zip.h - the names in a zip archive. Pure; unpacks nothing. */
#ifndef COLLECTOR_FILE_ZIP_H
#define COLLECTOR_FILE_ZIP_H

#include <stddef.h>

typedef enum file_zip_result {
    FILE_ZIP_OK,
    FILE_ZIP_ENCRYPTED, /* an entry has a password */
    FILE_ZIP_BROKEN     /* no list of contents, one that is cut or wrong, or of more than 4 GiB */
} file_zip_result;

/* `name` is borrowed and not terminated. */
typedef void file_zip_fn(const char *name, size_t size, void *user);

/* Reads the list at the archive's end, which is what programs that unpack go by, and checks that
 * each entry lies where it says, under the same name. */
file_zip_result file_zip_list(const void *data, size_t size, file_zip_fn *fn, void *user);

#endif
