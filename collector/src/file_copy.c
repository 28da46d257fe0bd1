/* file_copy.c - one file from Discord into Convex's storage, step by step.
 * Owns the fetcher and, during a copy, the file's descriptor. Blocking; one thread at a time.
 * Invariants: every copy ends in exactly one outcome; what is uploaded has been judged whole; the
 * upload's address, which is a permission, is in no outcome and no log. */
#include "file_copy.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "discord/attachment.h"
#include "file_fetch.h"
#include "file_type.h"
#include "file_url.h"

enum { UPLOAD_TIMEOUT_MS = 60000, JSON_DEPTH = 24 };

struct file_copier {
    file_desk *desk;
    file_fetcher *fetcher;
    /* of the copy under way */
    const api_file_work *work;
    file_copied *told;
    char *url; /* renewed; owned */
    int fd;
    file_fetched got;
    file_type type;
};

/* ---- outcomes; each returns false: the copy is at its end ---- */

static bool end_with(file_copier *self, api_file_outcome_tag tag, const char *what,
                     const char *detail)
{
    file_copied *told = self->told;
    snprintf(told->text, sizeof told->text, *detail ? "%s: %s" : "%s%s", what, detail);
    told->outcome.tag = tag;
    convex_str text = convex_str_of(told->text);
    if (tag == API_FILE_OUTCOME_REFUSED)
        told->outcome.as.refused.reason = text;
    else if (tag == API_FILE_OUTCOME_FAILED)
        told->outcome.as.failed.reason = text;
    else
        told->outcome.as.retry = (api_file_outcome_retry){
            .error = text, .retry_after_ms = (double)self->got.retry_after_ms};
    return false;
}

static bool refused(file_copier *self, const char *why)
{
    return end_with(self, API_FILE_OUTCOME_REFUSED, why, "");
}

static bool later(file_copier *self, const char *what, const char *detail)
{
    return end_with(self, API_FILE_OUTCOME_RETRY, what, detail);
}

/* ---- renewing an address ---- */

/* Asks Discord and waits; NULL: nothing is asked any more, or no memory. */
static const discord_result *ask(file_copier *self, const char *url)
{
    const char *channel = self->work->channel_id.data, *message = self->work->message_id.data;
    discord_wait *wait = discord_wait_new();
    discord_status status = wait ? DISCORD_ECLOSED : DISCORD_ENOMEM;
    pthread_mutex_lock(&self->desk->lock); /* sending does not block */
    if (wait && self->desk->rest)
        status = url ? discord_rest_refresh_urls(self->desk->rest, &url, 1, discord_wait_done, wait)
                     : discord_rest_get_message(self->desk->rest, channel, message,
                                                discord_wait_done, wait);
    pthread_mutex_unlock(&self->desk->lock);
    const discord_result *result = status == DISCORD_OK ? discord_wait_result(wait) : NULL;
    discord_wait_free(wait);
    return result;
}

/* The address of the same file, anywhere in a message. */
static const char *find_same(const cJSON *item, const char *url, int depth)
{
    const cJSON *inner;
    if (cJSON_IsString(item))
        return file_url_same(item->valuestring, url) ? item->valuestring : NULL;
    for (inner = item ? item->child : NULL; inner && depth > 0; inner = inner->next) {
        const char *found = find_same(inner, url, depth - 1);
        if (found)
            return found;
    }
    return NULL;
}

static bool take_url(file_copier *self, const char *fresh)
{
    char *copy = strdup(fresh);
    if (!copy)
        return later(self, "no memory", "");
    free(self->url);
    self->url = copy;
    return true;
}

static bool renew_by_message(file_copier *self)
{
    const discord_result *result = ask(self, NULL);
    if (!result)
        return later(self, "the collector is stopping", "");
    const char *fresh =
        result->error.status == DISCORD_OK ? find_same(result->json, self->url, JSON_DEPTH) : NULL;
    bool going = false;
    if (fresh)
        going = take_url(self, fresh);
    else if (result->error.status == DISCORD_OK)
        end_with(self, API_FILE_OUTCOME_FAILED, "the message at Discord has it no longer", "");
    else if (result->error.status == DISCORD_ENOTFOUND)
        end_with(self, API_FILE_OUTCOME_FAILED, "its message is gone at Discord", "");
    else
        later(self, "its address is too old, and the message cannot be read",
              result->error.message);
    discord_result_unref(result);
    return going;
}

static bool renew(file_copier *self)
{
    const discord_result *result = ask(self, self->url);
    if (!result)
        return later(self, "the collector is stopping", "");
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(result->json, "refreshed_urls");
    const char *fresh = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, 0), "refreshed"));
    bool usable = result->error.status == DISCORD_OK && fresh && file_url_same(fresh, self->url);
    bool going = usable && take_url(self, fresh);
    discord_result_unref(result);
    return usable ? going : renew_by_message(self);
}

/* ---- steps ---- */

static bool open_room(file_copier *self)
{
    char path[4096];
    self->fd = open(self->desk->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (self->fd >= 0)
        return true;
    snprintf(path, sizeof path, "%s/file-XXXXXX", self->desk->directory);
    self->fd = mkostemp(path, O_CLOEXEC); /* a file system that knows no unnamed files */
    if (self->fd < 0)
        return later(self, "no room in the state directory", strerror(errno));
    unlink(path);
    return true;
}

static file_fetch_result fetch(file_copier *self)
{
    if (ftruncate(self->fd, 0) != 0 || lseek(self->fd, 0, SEEK_SET) != 0)
        return FILE_NO_ROOM;
    return file_fetch(self->fetcher, self->url, self->fd, &self->got);
}

static bool read_file(file_copier *self)
{
    int64_t expires = discord_attachment_expires_ms(self->url);
    bool renewed = expires >= 0 && expires <= daemon_wall_ms();
    if (renewed && !renew(self))
        return false;
    file_fetch_result result = fetch(self);
    if (!renewed && (result == FILE_EXPIRED || result == FILE_GONE)) {
        if (!renew(self))
            return false;
        result = fetch(self);
    }
    switch (result) {
    case FILE_FETCHED:
        return true;
    case FILE_NOT_ALLOWED:
    case FILE_TOO_LARGE:
        return refused(self, self->got.why);
    case FILE_GONE:
        return end_with(self, API_FILE_OUTCOME_FAILED, "Discord has it no longer", self->got.why);
    case FILE_NO_ROOM:
        return later(self, "no room in the state directory", self->got.why);
    case FILE_EXPIRED:
    case FILE_LATER:
        break;
    }
    return later(self, "it could not be fetched", self->got.why);
}

static bool judge(file_copier *self)
{
    size_t size = (size_t)self->got.size;
    void *data = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, self->fd, 0) : NULL;
    if (data == MAP_FAILED)
        return later(self, "it cannot be looked at", strerror(errno));
    file_type_judge(data ? data : "", size, self->work->filename.data, &self->type);
    if (data)
        munmap(data, size);
    return self->type.content_type ? true : refused(self, self->type.refusal);
}

static int on_progress(uint64_t done, int64_t total, void *user)
{
    const file_copier *self = user;
    return atomic_load(&self->desk->stop);
}

static bool upload(file_copier *self)
{
    convex_error error = {0};
    convex_uploaded stored;
    convex_upload upload = {.url = self->work->upload_url.data,
                            .content_type = self->type.content_type,
                            .use_fd = true,
                            .fd = self->fd,
                            .size = (uint64_t)self->got.size,
                            .sha256 = self->got.sha256,
                            .progress = on_progress,
                            .user = self,
                            .timeout_ms = UPLOAD_TIMEOUT_MS};
    if (lseek(self->fd, 0, SEEK_SET) != 0)
        return later(self, "it cannot be read back", strerror(errno));
    if (convex_http_upload(self->desk->http, &upload, &stored, &error) != CONVEX_OK)
        return later(self, "the backend did not store it", error.message);
    memcpy(self->told->storage_id, stored.storage_id, sizeof stored.storage_id);
    return true;
}

static void set_stored(file_copier *self)
{
    file_copied *told = self->told;
    for (size_t i = 0; i < sizeof self->got.sha256; i++)
        snprintf(told->sha256 + 2 * i, 3, "%02x", self->got.sha256[i]);
    told->outcome.tag = API_FILE_OUTCOME_STORED;
    told->outcome.as.stored =
        (api_file_outcome_stored){.storage_id = api_storage_id_of(told->storage_id),
                                  .content_type = convex_str_of(self->type.content_type),
                                  .size = (double)self->got.size,
                                  .sha256 = convex_str_of(told->sha256)};
}

void file_copy(file_copier *self, const api_file_work *work, file_copied *ret)
{
    memset(ret, 0, sizeof *ret);
    memset(&self->got, 0, sizeof self->got);
    self->work = work;
    self->told = ret;
    self->fd = -1;
    self->url = strdup(work->url.data);
    if (!self->url)
        later(self, "no memory", "");
    else if (work->size > (double)self->desk->max_bytes) {
        char why[120];
        snprintf(why, sizeof why, "%.0f bytes: larger than the %lld bytes that are kept",
                 work->size, (long long)self->desk->max_bytes);
        refused(self, why);
    } else if (open_room(self) && read_file(self) && judge(self) && upload(self))
        set_stored(self);
    if (self->fd >= 0)
        close(self->fd);
    free(self->url);
    self->url = NULL;
}

file_copier *file_copier_new(file_desk *desk)
{
    file_copier *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->desk = desk;
    file_fetch_options options = {desk->extra_origin, desk->max_bytes, &desk->stop};
    self->fetcher = file_fetcher_new(&options);
    if (self->fetcher)
        return self;
    free(self);
    return NULL;
}

void file_copier_free(file_copier *self)
{
    if (!self)
        return;
    file_fetcher_free(self->fetcher);
    free(self);
}
