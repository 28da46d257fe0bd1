/* journal_format.h - how an entry of the journal lies in its segment: at a multiple of 8, checksum
 * (4 bytes), mark (4), size of the key (2), zero (2), size of the payload (4), id (8), time (8),
 * key, payload.
 *
 * The checksum covers the entry's place too, so that nothing is an entry but where it was written.
 * The mark is the checksum, and its complement once the entry is done with: no accident looks like
 * that. It is four aligned bytes, so it is written whole or not at all. Numbers are in the
 * machine's order: the files stay on it. */
#ifndef PROXY_JOURNAL_FORMAT_H
#define PROXY_JOURNAL_FORMAT_H

#include "journal.h"

enum { ENTRY_BYTES = 32 /* before the key */, ENTRY_KEY_MAX = 511 };

/* What an entry of that size takes. */
size_t entry_padded(size_t size);
/* Without checksum and mark; `ret` has room for it, padded. */
void entry_write(char *ret, const journal_entry *entry, size_t key_size);
/* Unpadded, as the first ENTRY_BYTES say. */
size_t entry_size(const char *entry);
/* Checksum and mark of an entry that was written, once its place is known. */
void entry_sign(char *entry, journal_place place);
/* The entry at the beginning of the bytes, which stays there, with its key in `key`. Returns its
 * size, unpadded; 0: none that counts. */
size_t entry_parse(const char *bytes, size_t size, journal_place place, journal_entry *ret,
                   char key[ENTRY_KEY_MAX + 1], bool *ret_marked);
/* Whether one with a key may begin here and end within `room`: worth to be parsed. Mark and
 * checksum agree in each, so that little else is. */
bool entry_may_begin(const char *bytes, size_t room);

#endif
