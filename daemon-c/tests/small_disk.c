/* small_disk.c - a disk of few bytes.
 * Owns the name of its folder. A file counts with its length. Invariant: a call that would make the
 * folder hold more than it may changes nothing. */
#include "small_disk.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STANDS_IN __attribute__((visibility("default")))

static char disk[4096];
static int64_t capacity;
static int full_error;

void small_disk_set(const char *folder, int64_t bytes, int error)
{
    snprintf(disk, sizeof disk, "%s", folder ? folder : "");
    capacity = bytes;
    full_error = error;
}

__attribute__((constructor)) static void begin(void)
{
    const char *setting = getenv("SMALL_DISK");
    char *folder = NULL;
    long long bytes = setting ? strtoll(setting, &folder, 10) : 0;

    if (folder && *folder == ':')
        small_disk_set(folder + 1, bytes, ENOSPC);
}

int64_t small_disk_used(void)
{
    DIR *directory = opendir(disk);
    int64_t used = 0;
    struct stat info;

    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (fstatat(dirfd(directory), entry->d_name, &info, 0) == 0 && S_ISREG(info.st_mode))
            used += info.st_size;
    if (directory)
        closedir(directory);
    return used;
}

static int is_ours(int fd)
{
    char link[64], path[4200];
    size_t length = strlen(disk);

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = length > 0 ? readlink(link, path, sizeof path - 1) : -1;
    return n > (ssize_t)length && path[length] == '/' && memcmp(path, disk, length) == 0;
}

static int has_room(int fd, int64_t end)
{
    struct stat info;

    if (!is_ours(fd) || fstat(fd, &info) != 0 || end <= info.st_size)
        return 1;
    return small_disk_used() + end - info.st_size <= capacity;
}

typedef ssize_t pwrite_fn(int, const void *, size_t, off_t);
typedef int fallocate_fn(int, off_t, off_t);

/* Calls libc's own of this name: ISO C has no cast from an object's address to a function's. */
static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static ssize_t write_at(const char *name, int fd, const void *bytes, size_t size, off_t offset)
{
    pwrite_fn *fn;
    void *found = real(name);

    memcpy(&fn, &found, sizeof fn);
    if (has_room(fd, (int64_t)offset + (int64_t)size))
        return fn(fd, bytes, size, offset);
    errno = full_error;
    return -1;
}

STANDS_IN ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return write_at("pwrite", fd, bytes, size, offset);
}

STANDS_IN ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    return write_at("pwrite64", fd, bytes, size, offset);
}

STANDS_IN int posix_fallocate(int fd, off_t offset, off_t size)
{
    fallocate_fn *fn;
    void *found = real("posix_fallocate");

    memcpy(&fn, &found, sizeof fn);
    return has_room(fd, (int64_t)(offset + size)) ? fn(fd, offset, size) : full_error;
}
