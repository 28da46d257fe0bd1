/* file_copy_test.c - one file on its way, when the network, the disk or memory ends in the middle.
 * The file server is a thread of this program; Discord's and Convex's answers are scripts: the
 * linker puts the __wrap_ functions in their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "file_copy.h"
#include "result.h"

#define TEXT "a plan in words, as long as it has to be\n"
#define LATE "?ex=10&is=1&hm=a" /* signed until 1970 */

/* ---- what runs out ---- */

static int allocations_left = -1; /* negative: there is enough */
static size_t write_max;          /* bytes at once; 0: all */
static int64_t room = -1;         /* bytes on the disk; negative: enough */

static bool may_allocate(void)
{
    return allocations_left < 0 || allocations_left-- > 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
    return may_allocate() ? __real_strdup(text) : NULL;
}

CURL *__real_curl_easy_init(void);
CURL *__wrap_curl_easy_init(void);
CURL *__wrap_curl_easy_init(void)
{
    return may_allocate() ? __real_curl_easy_init() : NULL;
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    size_t n = write_max && size > write_max ? write_max : size;
    if (room == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (room > 0 && (int64_t)n > room)
        n = (size_t)room;
    room -= room > 0 ? (int64_t)n : 0;
    return __real_write(fd, bytes, n);
}

/* ---- the file server ---- */

static struct {
    int fd;
    pthread_t thread;
    char origin[40];
    pthread_mutex_t lock;
    char answer[512];
    size_t cut; /* after so many bytes of it the connection ends */
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void serve_one(int connection)
{
    char request[4096], answer[512];
    size_t len = 0, size;
    ssize_t n;
    pthread_mutex_lock(&server.lock);
    size = strlen(server.answer) < server.cut ? strlen(server.answer) : server.cut;
    memcpy(answer, server.answer, sizeof answer);
    pthread_mutex_unlock(&server.lock);
    while (len < sizeof request - 1 &&
           (n = recv(connection, request + len, sizeof request - 1 - len, 0)) > 0) {
        len += (size_t)n;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    send(connection, answer, size, MSG_NOSIGNAL);
    shutdown(connection, SHUT_WR);
    while (recv(connection, request, sizeof request, 0) > 0)
        ; /* until the other side has read all */
    close(connection);
}

static void *serve(void *user)
{
    int connection;
    while ((connection = accept(server.fd, NULL, NULL)) >= 0)
        serve_one(connection);
    return NULL;
}

static int start_server(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server.fd, 16), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&address, &size), 0);
    snprintf(server.origin, sizeof server.origin, "http://127.0.0.1:%d", ntohs(address.sin_port));
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop_server(void **state)
{
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
    return 0;
}

/* Returns the answer's length. */
static size_t serves(const char *body, size_t cut)
{
    pthread_mutex_lock(&server.lock);
    snprintf(server.answer, sizeof server.answer,
             "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\nconnection: close\r\n\r\n%s", strlen(body),
             body);
    server.cut = cut;
    size_t len = strlen(server.answer);
    pthread_mutex_unlock(&server.lock);
    return len;
}

/* ---- the scripted rest ---- */

static struct {
    size_t uploads, renewals;
    char uploaded[256];
    cJSON *fresh;
} script;

convex_status __wrap_convex_http_upload(convex_http *http, const convex_upload *upload,
                                        convex_uploaded *ret, convex_error *reterr);
convex_status __wrap_convex_http_upload(convex_http *http, const convex_upload *upload,
                                        convex_uploaded *ret, convex_error *reterr)
{
    ssize_t n = pread(upload->fd, script.uploaded, sizeof script.uploaded - 1, 0);
    assert_int_equal(n, upload->size);
    script.uploaded[n] = '\0';
    script.uploads++;
    snprintf(ret->storage_id, sizeof ret->storage_id, "stored");
    return CONVEX_OK;
}

discord_status __wrap_discord_rest_refresh_urls(discord_rest *rest, const char *const *urls,
                                                size_t count, discord_done_fn *on_done, void *user);
discord_status __wrap_discord_rest_refresh_urls(discord_rest *rest, const char *const *urls,
                                                size_t count, discord_done_fn *on_done, void *user)
{
    dresult *result = dresult_new();
    if (!result)
        return DISCORD_ENOMEM;
    result->json = cJSON_Duplicate(script.fresh, 1);
    result->public.json = result->json;
    script.renewals++;
    on_done(&result->public, user);
    discord_result_unref(&result->public);
    return DISCORD_OK;
}

/* ---- a copy ---- */

static char url[128];

static bool copy(const char *query, file_copied *ret)
{
    static int rest; /* only its address is used */
    file_desk desk = {.directory = "/tmp",
                      .extra_origin = server.origin,
                      .max_bytes = 1000,
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .rest = (discord_rest *)&rest};
    snprintf(url, sizeof url, "%s/attachments/1/2/plan.txt%s", server.origin, query);
    api_file_work work = {.channel_id = convex_str_of("1"),
                          .message_id = convex_str_of("2"),
                          .filename = convex_str_of("plan.txt"),
                          .url = convex_str_of(url),
                          .upload_url = convex_str_of("http://upload"),
                          .size = (double)strlen(TEXT)};
    file_copier *copier = file_copier_new(&desk);
    if (copier)
        file_copy(copier, &work, ret);
    file_copier_free(copier);
    return copier != NULL;
}

static int set_up(void **state)
{
    char fresh[128];
    memset(&script, 0, sizeof script);
    snprintf(fresh, sizeof fresh, "%s/attachments/1/2/plan.txt?ex=7fffffff&is=1&hm=b",
             server.origin);
    script.fresh = cJSON_Parse("{\"refreshed_urls\":[{}]}");
    cJSON *list = cJSON_GetObjectItemCaseSensitive(script.fresh, "refreshed_urls");
    cJSON_AddStringToObject(cJSON_GetArrayItem(list, 0), "refreshed", fresh);
    return 0;
}

static int tear_down(void **state)
{
    cJSON_Delete(script.fresh);
    write_max = 0;
    room = allocations_left = -1;
    return 0;
}

static void assert_stored(const file_copied *told)
{
    if (told->outcome.tag != API_FILE_OUTCOME_STORED)
        fail_msg("%s", told->text);
    assert_string_equal(script.uploaded, TEXT);
    assert_true(told->outcome.as.stored.size == (double)strlen(TEXT));
    assert_int_equal(strlen(told->sha256), 64);
}

static void a_file_of_which_only_a_part_comes_is_never_stored(void **state)
{
    size_t length = serves(TEXT, SIZE_MAX);
    for (size_t cut = 0; cut <= length; cut++) {
        file_copied told;
        serves(TEXT, cut);
        assert_true(copy("", &told));
        if (cut == length)
            assert_stored(&told);
        else if (told.outcome.tag != API_FILE_OUTCOME_RETRY)
            fail_msg("after %zu bytes: %s", cut, told.text);
        assert_int_equal(script.uploads, cut == length);
    }
}

static void a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(void **state)
{
    serves(TEXT, SIZE_MAX);
    for (write_max = 1; write_max < strlen(TEXT); write_max += 5) {
        file_copied told;
        assert_true(copy("", &told));
        assert_stored(&told);
    }
}

static void a_disk_that_is_full_after_any_byte_is_tried_again_later(void **state)
{
    serves(TEXT, SIZE_MAX);
    for (int64_t n = 0; n < (int64_t)strlen(TEXT); n++) {
        file_copied told;
        room = n;
        assert_true(copy("", &told));
        assert_int_equal(told.outcome.tag, API_FILE_OUTCOME_RETRY);
        assert_non_null(strstr(told.text, "no room in the state directory"));
    }
    assert_int_equal(script.uploads, 0);
}

static void whichever_allocation_fails_the_copy_ends_in_one_outcome_and_is_made_later(void **state)
{
    bool stored = false;
    serves(TEXT, SIZE_MAX);
    for (int n = 0; !stored; n++) {
        file_copied told = {0};
        allocations_left = n;
        bool made = copy(LATE, &told);
        allocations_left = -1;
        assert_true(n < 100);
        if (!made)
            continue;
        stored = told.outcome.tag == API_FILE_OUTCOME_STORED;
        if (stored)
            assert_stored(&told);
        else
            assert_int_equal(told.outcome.tag, API_FILE_OUTCOME_RETRY);
    }
    assert_true(script.renewals > 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_file_of_which_only_a_part_comes_is_never_stored),
        CASE(a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all),
        CASE(a_disk_that_is_full_after_any_byte_is_tried_again_later),
        CASE(whichever_allocation_fails_the_copy_ends_in_one_outcome_and_is_made_later),
    };
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
