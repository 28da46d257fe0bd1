/* journal_fuzz.c - a segment that was written whole, and then damaged anywhere: what is read is
 * what was written, but for what its marks say is done with; what was not touched is read, unless
 * the file's head is damaged; and what is committed afterwards is read too. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT = 4096, ENTRIES = 8 };

static char directory[] = "/dev/shm/journal-fuzz-XXXXXX";
static bool made;

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static journal *open_journal(void)
{
    static const journal_io io = {pwrite, no_sync};
    const journal_options options = {
        .directory = directory, .segment_bytes = SEGMENT, .max_bytes = 8 * SEGMENT, .io = &io};
    char reason[300];
    journal *self = NULL;

    if (journal_open(&options, &self, reason, sizeof(reason)) != 0)
        abort();
    return self;
}

static int commit(journal *self)
{
    journal_seal(self);
    return journal_commit(self);
}

/* Entry i is of the size that byte i says, filled with i. */
static void commit_entry(journal *self, int i, uint8_t size)
{
    char key[16], payload[UINT8_MAX];

    snprintf(key, sizeof(key), "key-%d", i);
    memset(payload, i, size);
    if (journal_append(
            self,
            &(journal_entry){
                .id = i + 1, .key = key, .payload = payload, .size = size, .now_ms = i}) != 0 ||
        commit(self) != 0)
        abort();
}

typedef struct expected {
    const uint8_t *sizes;
    int next;
    bool whole[ENTRIES + 1]; /* not touched, not done with: must be read */
} expected;

static bool check(const journal_entry *entry, journal_place next, void *user)
{
    expected *e = user;
    const char *bytes = entry->payload;

    (void)next;
    if (entry->now_ms < e->next || entry->id != entry->now_ms + 1)
        abort();
    for (int i = e->next; i < entry->now_ms; i++)
        if (e->whole[i])
            abort();
    e->next = (int)entry->now_ms; /* a mark, or the end, may have taken those between */
    if (e->next < ENTRIES && entry->size != e->sizes[e->next])
        abort();
    for (size_t i = 0; i < entry->size; i++)
        if (bytes[i] != e->next)
            abort();
    e->next++;
    return true;
}

typedef struct marks {
    journal *journal;
    uint8_t which; /* a bit each */
} marks;

static bool mark_one(const journal_entry *entry, journal_place next, void *user)
{
    marks *m = user;

    (void)next;
    if (m->which >> entry->now_ms & 1 && journal_mark(m->journal, entry->place) != 0)
        abort();
    return true;
}

static void mark_some(journal *self, uint8_t which)
{
    marks m = {self, which};

    if (journal_read(self, (journal_place){0, 0}, 100, mark_one, &m) != ENTRIES)
        abort();
}

/* What is changed there is not whole any more; before the entries is the file's head. */
static void touch(expected *e, off_t at)
{
    off_t end = 32;

    if (at < end)
        memset(e->whole, 0, ENTRIES);
    for (int i = 0; i < ENTRIES; i++) {
        off_t begin = end;

        end += (32 + (off_t)strlen("key-0") + e->sizes[i] + 7) / 8 * 8;
        if (at >= begin && at < end)
            e->whole[i] = false;
    }
}

/* Triples: where, two bytes, and what to change there. */
static void damage(const uint8_t *data, size_t size, expected *e)
{
    char path[400];
    int fd;

    snprintf(path, sizeof(path), "%s/journal-%020d", directory, 1);
    fd = open(path, O_RDWR);
    for (; size >= 3; data += 3, size -= 3) {
        off_t at = (data[0] * 256 + data[1]) % SEGMENT;
        uint8_t byte;

        if (pread(fd, &byte, 1, at) != 1)
            abort();
        byte ^= data[2];
        if (pwrite(fd, &byte, 1, at) != 1)
            abort();
        touch(e, at);
    }
    close(fd);
}

static void remove_files(void)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL)
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static void remove_directory(void)
{
    remove_files();
    rmdir(directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    expected e = {.sizes = data};
    journal *self;

    if (size < ENTRIES)
        return 0;
    if (!made) {
        if (mkdtemp(directory) == NULL)
            abort();
        made = true;
        atexit(remove_directory);
        daemon_log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    }
    self = open_journal();
    for (int i = 0; i < ENTRIES; i++)
        commit_entry(self, i, data[i]);
    mark_some(self, data[0]);
    journal_close(self);
    for (int i = 0; i <= ENTRIES; i++)
        e.whole[i] = i == ENTRIES || !(data[0] >> i & 1);
    damage(data + ENTRIES, size - ENTRIES, &e);
    self = open_journal();
    commit_entry(self, ENTRIES, 9);
    if (journal_read(self, (journal_place){0, 0}, 100, check, &e) < 0 || e.next != ENTRIES + 1)
        abort();
    journal_close(self);
    remove_files();
    return 0;
}
