/* journal_format.c - how an entry of the journal lies in its segment. No state, no file. */
#include "journal_format.h"

#include <string.h>
#include <zlib.h>

enum { UNSUMMED_BYTES = 8 }; /* of an entry: checksum and mark */

typedef struct entry_head {
    uint32_t checksum, mark;
    uint16_t key_size, zero;
    uint32_t size;
    int64_t id, now_ms;
} entry_head;
_Static_assert(sizeof(entry_head) == ENTRY_BYTES, "an entry's head has no holes");

/* Of everything behind checksum and mark. */
static uint32_t checksum_of(const char *entry, size_t size, journal_place place)
{
    uLong sum = crc32(0, (const Bytef *)&place, sizeof(place));

    return (uint32_t)crc32_z(sum, (const Bytef *)entry + UNSUMMED_BYTES, size - UNSUMMED_BYTES);
}

size_t entry_padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

void entry_write(char *ret, const journal_entry *entry, size_t key_size)
{
    const entry_head head = {
        0, 0, (uint16_t)key_size, 0, (uint32_t)entry->size, entry->id, entry->now_ms};
    const size_t size = ENTRY_BYTES + key_size + entry->size;

    memcpy(ret, &head, ENTRY_BYTES);
    memcpy(ret + ENTRY_BYTES, entry->key, key_size);
    if (entry->size)
        memcpy(ret + ENTRY_BYTES + key_size, entry->payload, entry->size);
    memset(ret + size, 0, entry_padded(size) - size);
}

size_t entry_size(const char *entry)
{
    entry_head head;

    memcpy(&head, entry, ENTRY_BYTES);
    return ENTRY_BYTES + (size_t)head.key_size + head.size;
}

void entry_sign(char *entry, journal_place place)
{
    const uint32_t sum = checksum_of(entry, entry_size(entry), place);

    memcpy(entry, (uint32_t[]){sum, sum}, UNSUMMED_BYTES);
}

size_t entry_parse(const char *bytes, size_t size, journal_place place, journal_entry *ret,
                   char key[ENTRY_KEY_MAX + 1], bool *ret_marked)
{
    entry_head head;
    size_t whole;

    if (size < ENTRY_BYTES)
        return 0;
    memcpy(&head, bytes, ENTRY_BYTES);
    whole = entry_size(bytes);
    if (head.key_size > ENTRY_KEY_MAX || head.zero || whole > size ||
        checksum_of(bytes, whole, place) != head.checksum)
        return 0;
    memcpy(key, bytes + ENTRY_BYTES, head.key_size);
    key[head.key_size] = '\0';
    *ret = (journal_entry){head.id,   key,         bytes + ENTRY_BYTES + head.key_size,
                           head.size, head.now_ms, place};
    *ret_marked = head.mark == ~head.checksum;
    return whole;
}

bool entry_may_begin(const char *bytes, size_t room)
{
    entry_head head;

    memcpy(&head, bytes, ENTRY_BYTES);
    return (head.mark == head.checksum || head.mark == ~head.checksum) && head.key_size > 0 &&
           head.key_size <= ENTRY_KEY_MAX && !head.zero && entry_size(bytes) <= room;
}
