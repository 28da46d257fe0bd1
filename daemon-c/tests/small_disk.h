/* small_disk.h - a disk of few bytes: what the files of one folder may hold together.
 *
 * Linked into a test, or loaded before a program with LD_PRELOAD and SMALL_DISK=BYTES:FOLDER.
 * Stands in for pwrite, pwrite64 and posix_fallocate, which then fail. */
#ifndef DAEMON_TEST_SMALL_DISK_H
#define DAEMON_TEST_SMALL_DISK_H

#include <stdint.h>

/* folder: copied, without links in it; NULL: the disk is as large as it is.
 * error: ENOSPC, or EDQUOT for a quota. */
void small_disk_set(const char *folder, int64_t bytes, int error);
int64_t small_disk_used(void);

#endif
