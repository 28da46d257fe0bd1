/* journal.c - segments: their files, their format, what a crash leaves of them.
 * The list of segments and the spare are under a lock; a segment's bytes up to `committed` never
 * change, but for marks. Invariants: an entry is read exactly when it was committed; a segment is
 * written by one run only, so nothing is ever appended behind what a crash left; the checksum of an
 * entry covers its segment's number and its offset, so what a file held under an earlier number is
 * never read; a segment is given up only when each of its entries is marked. That a crash in the
 * middle of a batch leaves some of its entries readable is harmless: they were received, and their
 * sender, who got no answer, sends them again under the same keys. Where an entry is damaged, the
 * next one that is whole is looked for: an entry that is read has the checksum of its very place.
 *
 * A file: a head of 32 bytes, then entries (journal_format.h). */
#include "journal_format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "daemon/log.h"

enum {
    SEGMENT_BYTES = 16 << 20,
    SEGMENTS = 16, /* as many bytes, if nothing else was said */
    HEAD_BYTES = 32,
    ZEROS_BYTES = 256 << 10,
    READ_BYTES = 256 << 10, /* at once; a larger entry is read whole */
    NAME_BYTES = 64
};
static const char magic[8] = "whjrnl2";

typedef struct segment segment;
struct segment {
    segment *next;
    uint64_t number;
    size_t size;      /* of the file */
    size_t committed; /* under the lock */
    size_t live;      /* entries that are not done with; under the lock */
    int fd;

    /* The reader's. */
    bool damaged;   /* something between its entries is none */
    size_t counted; /* what is damaged before here was counted */
};

typedef struct batch {
    char *bytes;
    size_t size, capacity, count;
} batch;

struct journal {
    char *directory;
    int directory_fd;
    size_t segment_bytes, max_bytes;
    bool read_only;
    journal_io io;
    int64_t last_id;
    atomic_bool untidy;
    atomic_size_t damaged_parts, damaged_bytes;

    pthread_mutex_t lock; /* of the next three */
    segment *first, *last;
    size_t bytes; /* of all segments */
    int spare_fd; /* of segment_bytes; -1: none */

    batch open; /* of whoever appends */

    /* Whoever commits has these. */
    batch sealed;
    segment *current; /* NULL: the next batch needs a new one */
    uint64_t next_number;

    /* The reader's. */
    char *buffer;
    size_t buffer_capacity;
};

/* ---- files ---- */

static void name_of(uint64_t number, char *ret, size_t size)
{
    snprintf(ret, size, "journal-%020llu", (unsigned long long)number);
}

/* Files on their way to a number: one made ahead by the reader, one made by the writer in need. */
static const char spare_name[] = "journal-spare", new_name[] = "journal-new";

static int write_zeros(journal *self, int fd, size_t size)
{
    char *zeros = calloc(1, ZEROS_BYTES);
    int r = zeros ? 0 : -ENOMEM;

    for (size_t at = 0; r == 0 && at < size;) {
        size_t left = size - at < ZEROS_BYTES ? size - at : ZEROS_BYTES;
        ssize_t n = self->io.pwrite(fd, zeros, left, (off_t)at);

        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EINTR)
            r = n == 0 ? -EIO : -errno;
    }
    free(zeros);
    return r;
}

static int set_aside(journal *self, const char *name)
{
    char aside[NAME_BYTES];

    snprintf(aside, sizeof(aside), "damaged-%.40s", name);
    daemon_log(DAEMON_ERROR, "a file of the journal is damaged and was set aside", "file=%s",
               aside);
    return renameat(self->directory_fd, name, self->directory_fd, aside) == 0 ? 0 : -errno;
}

/* Whether entries of this number were ever written to the file. -EUCLEAN: it cannot be said. */
static int check_head(int fd, uint64_t number)
{
    char head[HEAD_BYTES], zeros[HEAD_BYTES] = {0};
    uint64_t found;
    uint32_t sum;

    if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        memcmp(head, zeros, sizeof(head)) == 0)
        return 0;
    memcpy(&found, head + 8, sizeof(found));
    memcpy(&sum, head + 16, sizeof(sum));
    if (memcmp(head, magic, sizeof(magic)) != 0 ||
        sum != (uint32_t)crc32(0, (const Bytef *)head, 16))
        return -EUCLEAN;
    return found == number;
}

/* A file full of zeros. */
static int make_file(journal *self, const char *name, size_t size, int *ret_fd)
{
    int fd = openat(self->directory_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : write_zeros(self, fd, size);

    if (r == 0 && fsync(fd) != 0)
        r = -errno;
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        unlinkat(self->directory_fd, name, 0);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static void free_segment(segment *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

static int give_number(journal *self, const char *from, uint64_t number)
{
    char name[NAME_BYTES];

    name_of(number, name, sizeof(name));
    return renameat(self->directory_fd, from, self->directory_fd, name) == 0 ? 0 : -errno;
}

/* The spare under `number`, if there is one and it is large enough; else s->fd stays -1. */
static int take_spare(journal *self, segment *s)
{
    int r = 0;

    pthread_mutex_lock(&self->lock);
    if (self->spare_fd >= 0 && self->segment_bytes >= s->size) {
        r = give_number(self, spare_name, s->number);
        if (r == 0) {
            s->fd = self->spare_fd;
            s->size = self->segment_bytes;
            self->spare_fd = -1;
        }
    }
    pthread_mutex_unlock(&self->lock);
    return r;
}

static void link_segment(journal *self, segment *s)
{
    pthread_mutex_lock(&self->lock);
    if (self->last)
        self->last->next = s;
    else
        self->first = s;
    self->last = s;
    self->bytes += s->size;
    pthread_mutex_unlock(&self->lock);
}

/* A new segment for a batch of `need` bytes. The file is durable under its name before anything in
 * it counts. */
static int begin_segment(journal *self, size_t need)
{
    segment *s;
    const size_t size = need > self->segment_bytes ? need : self->segment_bytes;
    bool full;
    int r;

    pthread_mutex_lock(&self->lock);
    full = self->bytes + size > self->max_bytes;
    pthread_mutex_unlock(&self->lock);
    if (full)
        return -ENOBUFS;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    *s = (segment){NULL, self->next_number++, size, 0, 0, -1};
    r = take_spare(self, s);
    if (r == 0 && s->fd < 0) {
        r = make_file(self, new_name, s->size, &s->fd);
        if (r == 0)
            r = give_number(self, new_name, s->number);
    }
    if (r == 0 && fsync(self->directory_fd) != 0)
        r = -errno;
    if (r < 0) {
        free_segment(s);
        return r;
    }
    link_segment(self, s);
    self->current = s;
    atomic_store(&self->untidy, true);
    return 0;
}

/* ---- the writers ---- */

static bool room_in_batch(batch *to, size_t more)
{
    size_t wanted = to->size + more, capacity;
    char *bytes;

    if (wanted <= to->capacity)
        return true;
    capacity = to->capacity * 2 > wanted ? to->capacity * 2 : wanted;
    bytes = realloc(to->bytes, capacity);
    if (bytes == NULL)
        return false;
    to->bytes = bytes;
    to->capacity = capacity;
    return true;
}

int journal_append(journal *self, const journal_entry *entry)
{
    size_t key_size = strlen(entry->key);
    size_t size = ENTRY_BYTES + key_size + entry->size;
    batch *to = &self->open;

    if (key_size > ENTRY_KEY_MAX || entry->size > UINT32_MAX / 2)
        return -EINVAL;
    if (!room_in_batch(to, entry_padded(size)))
        return -ENOMEM;
    entry_write(to->bytes + to->size, entry, key_size);
    to->size += entry_padded(size);
    to->count++;
    return 0;
}

void journal_seal(journal *self)
{
    const batch empty = self->sealed;

    self->sealed = self->open;
    self->open = empty;
}

void journal_discard(journal *self)
{
    self->open.size = self->open.count = 0;
}

/* Where entries lie is known only now. */
static void sign_batch(journal *self, uint64_t number, size_t offset)
{
    for (size_t at = 0; at < self->sealed.size;) {
        char *entry = self->sealed.bytes + at;

        entry_sign(entry, (journal_place){number, offset + at});
        at += entry_padded(entry_size(entry));
    }
}

static int write_all(journal *self, int fd, const char *bytes, size_t size, size_t offset)
{
    while (size > 0) {
        ssize_t n = self->io.pwrite(fd, bytes, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? -EIO : -errno;
        bytes += n;
        size -= (size_t)n;
        offset += (size_t)n;
    }
    return 0;
}

static int write_head(journal *self, const segment *s)
{
    char head[HEAD_BYTES] = {0};
    uint32_t sum;

    memcpy(head, magic, sizeof(magic));
    memcpy(head + 8, &s->number, 8);
    sum = (uint32_t)crc32(0, (const Bytef *)head, 16);
    memcpy(head + 16, &sum, sizeof(sum));
    return write_all(self, s->fd, head, sizeof(head), 0);
}

static int write_batch(journal *self)
{
    segment *s = self->current;
    size_t offset = s->committed ? s->committed : HEAD_BYTES;
    int r = s->committed ? 0 : write_head(self, s);

    sign_batch(self, s->number, offset);
    if (r == 0)
        r = write_all(self, s->fd, self->sealed.bytes, self->sealed.size, offset);
    if (r == 0 && self->io.fdatasync(s->fd) != 0)
        r = -errno;
    if (r == 0) {
        pthread_mutex_lock(&self->lock);
        s->committed = offset + self->sealed.size;
        s->live += self->sealed.count;
        pthread_mutex_unlock(&self->lock);
    }
    return r;
}

int journal_commit(journal *self)
{
    size_t need = HEAD_BYTES + self->sealed.size;
    int r = 0;

    if (self->sealed.size == 0)
        return 0;
    if (self->current && self->current->committed + need > self->current->size)
        self->current = NULL;
    if (self->current == NULL)
        r = begin_segment(self, need);
    if (r == 0) {
        r = write_batch(self);
        if (r < 0)
            self->current = NULL;
    }
    self->sealed.size = self->sealed.count = 0;
    return r;
}

bool journal_is_untidy(const journal *self)
{
    return atomic_load(&self->untidy);
}

/* ---- reading ---- */

/* Reads [offset, offset + size) of the file into the buffer; less only at its end. */
static ssize_t fill(journal *self, int fd, size_t offset, size_t size)
{
    size_t got = 0;

    if (size > self->buffer_capacity) {
        char *buffer = realloc(self->buffer, size);

        if (buffer == NULL)
            return -ENOMEM;
        self->buffer = buffer;
        self->buffer_capacity = size;
    }
    while (got < size) {
        ssize_t n = pread(fd, self->buffer + got, size - got, (off_t)(offset + got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

/* ---- damage ---- */

/* 1: an entry stands at `offset`, before `limit`. */
static int stands_at(journal *self, const segment *s, size_t offset, size_t limit)
{
    char key[ENTRY_KEY_MAX + 1];
    journal_entry entry;
    bool marked;
    ssize_t n = limit - offset < ENTRY_BYTES ? 0 : fill(self, s->fd, offset, ENTRY_BYTES);

    if (n < ENTRY_BYTES || !entry_may_begin(self->buffer, limit - offset))
        return n < 0 ? (int)n : 0;
    n = fill(self, s->fd, offset, entry_size(self->buffer));
    return n < 0 ? (int)n
                 : entry_parse(self->buffer, (size_t)n, (journal_place){s->number, offset}, &entry,
                               key, &marked) > 0;
}

/* 1: the first entry behind `from` stands at `ret`. 0: there is none before `limit`. */
static int find_entry(journal *self, const segment *s, size_t from, size_t limit, size_t *ret)
{
    char key[ENTRY_KEY_MAX + 1];
    journal_entry entry;
    bool marked;

    for (size_t at = from + 8, i; at + ENTRY_BYTES <= limit; at += i) {
        ssize_t n = fill(self, s->fd, at, limit - at < READ_BYTES ? limit - at : READ_BYTES);
        int r = n < 0 ? (int)n : 0;

        if (n < ENTRY_BYTES)
            return r;
        for (i = 0; r == 0 && i + ENTRY_BYTES <= (size_t)n; i += 8) {
            const char *here = self->buffer + i;

            if (!entry_may_begin(here, limit - at - i))
                continue;
            if (i + entry_size(here) > (size_t)n)
                break; /* to be read from its beginning */
            *ret = at + i;
            r = entry_parse(here, (size_t)n - i, (journal_place){s->number, *ret}, &entry, key,
                            &marked) > 0;
        }
        if (r == 0 && i == 0) { /* larger than what is read at once */
            *ret = at;
            r = stands_at(self, s, at, limit);
            i = 8;
        }
        if (r != 0)
            return r;
    }
    return 0;
}

static void count_damage(journal *self, segment *s, size_t from, size_t to)
{
    if (to <= s->counted)
        return;
    s->counted = to;
    s->damaged = true;
    atomic_fetch_add(&self->damaged_parts, 1);
    atomic_fetch_add(&self->damaged_bytes, to - from);
    if (!self->read_only)
        daemon_log(DAEMON_ERROR,
                   "a part of the journal cannot be read, what was acknowledged in it is lost",
                   "segment=%llu offset=%zu bytes=%zu", (unsigned long long)s->number, from,
                   to - from);
}

/* Moves `at`, where no entry is, to the next one. 0: there is none. */
static int skip_damage(journal *self, segment *s, size_t limit, size_t *at)
{
    size_t next = 0;
    int r = find_entry(self, s, *at, limit, &next);

    if (r > 0 && self->read_only) { /* the owner may just have written it, or use the file again */
        if (check_head(s->fd, s->number) != 1)
            return 0;
        int stands = stands_at(self, s, *at, limit);
        if (stands != 0)
            return stands;
    }
    if (r > 0) {
        count_damage(self, s, *at, next);
        *at = next;
    }
    return r;
}

void journal_damage(const journal *self, size_t *ret_parts, size_t *ret_bytes)
{
    *ret_parts = atomic_load(&self->damaged_parts);
    *ret_bytes = atomic_load(&self->damaged_bytes);
}

/* ---- walking ---- */

/* The whole size of the entry that begins the buffer, as its head claims. */
static size_t claimed(const char *bytes, size_t size)
{
    return size < ENTRY_BYTES ? 0 : entry_padded(entry_size(bytes));
}

/* What walk() hands on, and how it ended. */
typedef struct walk {
    journal_entry_fn *fn; /* NULL: only looks how far entries go */
    void *user;
    size_t left; /* at most so many */
    bool marked; /* those that are done with, too */
    bool skips;  /* what is damaged */
    size_t taken;
    size_t end; /* offset behind the last one */
    int64_t last_id;
    bool stopped;
} walk;

/* The entries of the buffer; `size` of it lie at `place`. */
static void walk_buffer(journal *self, journal_place place, size_t size, walk *w)
{
    char key[ENTRY_KEY_MAX + 1];
    size_t at = 0, whole;
    journal_entry entry;
    bool marked;

    while (!w->stopped && w->left > 0) {
        journal_place here = {place.segment, place.offset + at};

        whole = entry_parse(self->buffer + at, size - at, here, &entry, key, &marked);
        if (whole == 0)
            return;
        here.offset += entry_padded(whole);
        marked = marked && !w->marked;
        if (w->fn && !marked && !w->fn(&entry, here, w->user)) {
            w->stopped = true;
            return;
        }
        at += entry_padded(whole);
        w->end = here.offset;
        w->last_id = entry.id;
        w->taken += !marked;
        w->left -= !marked;
        if (at > size)
            return;
    }
}

/* The entries of one file in [offset, limit). */
static int walk_file(journal *self, segment *s, size_t offset, size_t limit, walk *w)
{
    w->end = offset;
    while (!w->stopped && w->left > 0 && w->end < limit) {
        size_t begin = w->end, want = limit - begin < READ_BYTES ? limit - begin : READ_BYTES;
        ssize_t n = fill(self, s->fd, begin, want);
        int r;

        if (n >= 0 && claimed(self->buffer, (size_t)n) > (size_t)n && (size_t)n == want &&
            claimed(self->buffer, (size_t)n) <= limit - begin)
            n = fill(self, s->fd, begin, claimed(self->buffer, (size_t)n));
        if (n < 0)
            return (int)n;
        walk_buffer(self, (journal_place){s->number, begin}, (size_t)n, w);
        if (w->end != begin || w->stopped)
            continue;
        r = w->skips ? skip_damage(self, s, limit, &w->end) : 0;
        if (r <= 0)
            return r;
    }
    return 0;
}

/* The first segment that may have something from `at` on, and how far it was written. */
static segment *segment_at(journal *self, journal_place *at, size_t *ret_committed)
{
    segment *s;

    pthread_mutex_lock(&self->lock);
    for (s = self->first; s; s = s->next) {
        if (s->number < at->segment)
            continue;
        if (s->number > at->segment)
            *at = (journal_place){s->number, HEAD_BYTES};
        if (at->offset < HEAD_BYTES)
            at->offset = HEAD_BYTES;
        if (at->offset < s->committed)
            break;
    }
    *ret_committed = s ? s->committed : 0;
    pthread_mutex_unlock(&self->lock);
    return s;
}

int64_t journal_last_id(const journal *self)
{
    return self->last_id;
}

ssize_t journal_read(journal *self, journal_place at, size_t limit, journal_entry_fn *fn,
                     void *user)
{
    walk w = {.fn = fn, .user = user, .left = limit, .skips = true};
    size_t committed;
    segment *s;

    while (!w.stopped && w.left > 0 && (s = segment_at(self, &at, &committed)) != NULL) {
        int r = walk_file(self, s, at.offset, committed, &w);

        if (r < 0)
            return w.taken ? (ssize_t)w.taken : r;
        if (w.end == at.offset && !w.stopped) { /* was committed, and is no more */
            if (!self->read_only || check_head(s->fd, s->number) == 1)
                count_damage(self, s, at.offset, committed);
            w.end = committed;
        }
        at.offset = w.end;
    }
    return (ssize_t)w.taken;
}

int journal_get(journal *self, journal_place at, journal_entry_fn *fn, void *user)
{
    walk w = {.fn = fn, .user = user, .left = 1, .marked = true};
    const journal_place wanted = at;
    size_t committed;
    segment *s = segment_at(self, &at, &committed);
    int r;

    if (s == NULL || at.segment != wanted.segment || at.offset != wanted.offset)
        return -ENOENT;
    r = walk_file(self, s, at.offset, committed, &w);
    return r < 0 ? r : w.taken ? 0 : -ENOENT;
}

/* ---- marks ---- */

static int write_mark(journal *self, int fd, off_t offset)
{
    uint32_t sums[2];

    if (pread(fd, sums, sizeof(sums), offset) != (ssize_t)sizeof(sums))
        return -EIO;
    sums[1] = ~sums[0];
    return write_all(self, fd, (const char *)&sums[1], sizeof(sums[1]),
                     (size_t)offset + sizeof(sums[0]));
}

int journal_mark(journal *self, journal_place at)
{
    const journal_place wanted = at;
    size_t committed;
    segment *s = segment_at(self, &at, &committed);
    bool over;

    if (s == NULL || at.segment != wanted.segment)
        return -ENOENT;
    pthread_mutex_lock(&self->lock);
    over = --s->live == 0 && s != self->last;
    pthread_mutex_unlock(&self->lock);
    if (over)
        atomic_store(&self->untidy, true);
    return write_mark(self, s->fd, (off_t)at.offset);
}

/* ---- segments that come and go ---- */

/* Its file becomes the spare, or goes; a damaged one is kept for whoever wants to look. */
static void give_up(journal *self, segment *s)
{
    char name[NAME_BYTES];
    bool wanted;

    name_of(s->number, name, sizeof(name));
    pthread_mutex_lock(&self->lock);
    wanted = self->spare_fd < 0 && !s->damaged && s->size == self->segment_bytes && s->fd >= 0 &&
             renameat(self->directory_fd, name, self->directory_fd, spare_name) == 0;
    if (wanted) {
        self->spare_fd = s->fd;
        s->fd = -1;
    }
    pthread_mutex_unlock(&self->lock);
    if (s->damaged)
        (void)set_aside(self, name);
    else if (!wanted)
        unlinkat(self->directory_fd, name, 0);
    free_segment(s);
}

/* Unlinks from the list what is done with. The last segment is the writer's, and says which ids
 * were given out. */
static segment *take_over(journal *self)
{
    segment *over = NULL, **at = &self->first;

    pthread_mutex_lock(&self->lock);
    while (*at && *at != self->last) {
        segment *s = *at;

        if (s->live > 0) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        self->bytes -= s->size;
        s->next = over;
        over = s;
    }
    pthread_mutex_unlock(&self->lock);
    return over;
}

static int make_spare(journal *self)
{
    bool there;
    int fd, r;

    pthread_mutex_lock(&self->lock);
    there = self->spare_fd >= 0 || self->bytes + self->segment_bytes > self->max_bytes;
    pthread_mutex_unlock(&self->lock);
    if (there)
        return 0;
    r = make_file(self, spare_name, self->segment_bytes, &fd);
    if (r < 0)
        return r;
    pthread_mutex_lock(&self->lock);
    self->spare_fd = fd;
    pthread_mutex_unlock(&self->lock);
    return 0;
}

int journal_tend(journal *self)
{
    segment *over;
    int r;

    if (!atomic_exchange(&self->untidy, false))
        return 0;
    over = take_over(self);
    while (over) {
        segment *s = over;

        over = s->next;
        give_up(self, s);
    }
    r = make_spare(self);
    if (r < 0)
        atomic_store(&self->untidy, true);
    return r;
}

/* ---- opening ---- */

/* Finds how far a segment of an earlier run goes. */
static int scan(journal *self, segment *s)
{
    struct stat status;
    walk w = {.left = SIZE_MAX, .skips = true};
    int r = fstat(s->fd, &status) == 0 ? check_head(s->fd, s->number) : -errno;

    if (r <= 0)
        return r;
    s->size = (size_t)status.st_size;
    r = walk_file(self, s, HEAD_BYTES, s->size, &w);
    s->committed = w.end;
    s->live = w.taken;
    /* Nothing is written behind it any more. If it cannot be cut, it is only larger. */
    if (r == 0 && !self->read_only && ftruncate(s->fd, (off_t)w.end) == 0)
        s->size = w.end;
    if (w.last_id > self->last_id)
        self->last_id = w.last_id;
    return r;
}

static int load_segment(journal *self, const char *name, uint64_t number)
{
    const int flags = self->read_only ? O_RDONLY : O_RDWR;
    segment *s = calloc(1, sizeof(*s));
    int r;

    if (s == NULL)
        return -ENOMEM;
    s->number = number;
    s->fd = openat(self->directory_fd, name, flags | O_CLOEXEC);
    r = s->fd < 0 ? -errno : scan(self, s);
    if (r == 0 && s->committed > HEAD_BYTES) {
        link_segment(self, s);
        return 0;
    }
    free_segment(s);
    if (r == 0) /* nothing was ever committed in it */
        return self->read_only || unlinkat(self->directory_fd, name, 0) == 0 ? 0 : -errno;
    if (self->read_only && (r == -EUCLEAN || r == -ENOENT))
        return 0; /* given up meanwhile, or the owner will say it */
    return r == -EUCLEAN ? set_aside(self, name) : r;
}

static int is_segment(const struct dirent *entry)
{
    return strncmp(entry->d_name, "journal-", 8) == 0 &&
           strspn(entry->d_name + 8, "0123456789") == 20 && entry->d_name[28] == '\0';
}

static int load(journal *self)
{
    struct dirent **names = NULL;
    int count = scandir(self->directory, &names, is_segment, alphasort), r = count < 0 ? -errno : 0;

    self->next_number = 1;
    for (int i = 0; i < count; i++) {
        uint64_t number = strtoull(names[i]->d_name + 8, NULL, 10);

        if (r == 0)
            r = load_segment(self, names[i]->d_name, number);
        if (number >= self->next_number)
            self->next_number = number + 1;
        free(names[i]);
    }
    free(names);
    return r;
}

int journal_open(const journal_options *options, journal **ret, char *reason, size_t reason_size)
{
    static const journal_io usual = {pwrite, fdatasync};
    journal *self = calloc(1, sizeof(*self));
    int r = 0;

    if (self == NULL)
        return -ENOMEM;
    pthread_mutex_init(&self->lock, NULL);
    self->spare_fd = self->directory_fd = -1;
    self->read_only = options->read_only;
    atomic_init(&self->untidy, true);
    self->io = options->io ? *options->io : usual;
    self->segment_bytes = options->segment_bytes ? options->segment_bytes : SEGMENT_BYTES;
    self->max_bytes = options->max_bytes ? options->max_bytes : SEGMENTS * self->segment_bytes;
    self->directory = strdup(options->directory);
    if (self->directory == NULL)
        r = -ENOMEM;
    if (r == 0) {
        self->directory_fd = open(options->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = self->directory_fd < 0 ? -errno : 0;
    }
    if (r == 0 && !self->read_only) {
        unlinkat(self->directory_fd, spare_name, 0); /* nothing was ever accepted in these two */
        unlinkat(self->directory_fd, new_name, 0);
    }
    if (r == 0)
        r = load(self);
    if (r < 0) {
        snprintf(reason, reason_size, "%s: %s", options->directory, strerror(-r));
        journal_close(self);
        return r;
    }
    *ret = self;
    return 0;
}

void journal_close(journal *self)
{
    if (self == NULL)
        return;
    while (self->first) {
        segment *s = self->first;

        self->first = s->next;
        free_segment(s);
    }
    if (self->spare_fd >= 0)
        close(self->spare_fd);
    if (self->directory_fd >= 0)
        close(self->directory_fd);
    pthread_mutex_destroy(&self->lock);
    free(self->directory);
    free(self->open.bytes);
    free(self->sealed.bytes);
    free(self->buffer);
    free(self);
}
