/* outbox_reserve.c - disk kept for taking entries out when there is no other any more.
 * Owns the file path.reserve. Works on the box, on its thread.
 * Invariant: a box that should have a reserve and has none is `spent`: it takes nothing in, so that
 * what the reserve left is there for deletes and for the log that moves into the file. */
#include "outbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MARGIN = 16, /* that part of it */
    PATH_SIZE = 4096,
    PAGE_SIZE = 4096,     /* SQLite's; a file of other pages is only judged worse */
    SHRINK_MIN_PAGES = 64 /* a file with fewer free ones is not worth writing anew */
};

static void name_reserve(const outbox *box, char ret[PATH_SIZE])
{
    snprintf(ret, PATH_SIZE, "%s.reserve", box->path);
}

/* More than is kept has to be there, or the next entry would cost the reserve again. */
static int allocate(int fd, int64_t bytes)
{
    struct stat info;
    int r = fstat(fd, &info) == 0 ? 0 : errno;

    if (r == 0 && info.st_size == bytes)
        return 0;
    if (r == 0)
        r = posix_fallocate(fd, 0, (off_t)(bytes + bytes / MARGIN));
    if (r == 0 && ftruncate(fd, (off_t)bytes) != 0)
        r = errno;
    return r == EDQUOT || r == EFBIG ? -ENOSPC : -r;
}

int outbox_reserve_make(outbox *box)
{
    char path[PATH_SIZE];
    int fd, r;

    if (box->options.reserve_bytes <= 0)
        return 0;
    name_reserve(box, path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    r = fd >= 0 ? allocate(fd, box->options.reserve_bytes) : -errno;
    if (fd >= 0)
        close(fd);
    if (r < 0) {
        unlink(path);
        outbox_say(&box->error, "%s: no room for %" PRId64 " bytes", path,
                   box->options.reserve_bytes);
    }
    box->spent = r < 0;
    return r;
}

void outbox_reserve_spend(outbox *box)
{
    char path[PATH_SIZE];

    if (box->options.reserve_bytes <= 0 || box->spent)
        return;
    name_reserve(box, path);
    unlink(path);
    box->spent = true;
}

/* Gives the pages of what was taken out back to the disk, when that is most of the file. */
static int shrink(outbox *box)
{
    int64_t free_pages = 0;
    int r = outbox_numbers(box, SQL_FREE_PAGES, &free_pages, 1);

    if (r < 0)
        return r;
    if (free_pages < SHRINK_MIN_PAGES || free_pages * PAGE_SIZE < box->counts.bytes ||
        box->counts.bytes > box->options.reserve_bytes / 2)
        return -ENOSPC;
    r = outbox_failure(box, sqlite3_exec(box->db, "VACUUM", NULL, NULL, NULL));
    if (r == 0)
        r = outbox_failure(
            box, sqlite3_wal_checkpoint_v2(box->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
    if (r == 0)
        box->wal_frames = 0;
    return r;
}

int outbox_regain(outbox *box)
{
    int r;

    if (box->failed)
        return -EIO;
    if (box->open_transaction)
        return -EINVAL;
    if (!box->spent)
        return 0;
    r = outbox_reserve_make(box);
    if (r == -ENOSPC && shrink(box) == 0)
        r = outbox_reserve_make(box);
    return box->failed ? -EIO : r;
}
