/* file_type.h - what a file is by its content, and whether it is one that is kept.
 *
 * Pure. What its sender says of a file decides nothing: a type is known by its first bytes, text by
 * being text from end to end, and an archive by the list of what is in it. A name can only make
 * things worse: what a computer would run under its name is refused whatever is in it. */
#ifndef COLLECTOR_FILE_TYPE_H
#define COLLECTOR_FILE_TYPE_H

#include <stddef.h>

typedef struct file_type {
    const char *content_type; /* constant; NULL: refused */
    char refusal[120];        /* then: why, in words; "" otherwise */
} file_type;

/* Judges all of a file; `name` as its sender gave it. */
void file_type_judge(const void *data, size_t size, const char *name, file_type *ret);

#endif
