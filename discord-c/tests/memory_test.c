/* memory_test.c - the nth allocation of the library or of cJSON fails: whatever is tried
 * then ends with a status, leaks nothing and works again with memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "discord/gateway.h"
#include "discord/text.h"
#include "inflate.h"
#include "message.h"
#include "rest.h"
#include "session.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

static long countdown = -1; /* -1: never fail */

static bool fails(void)
{
    return countdown >= 0 && countdown-- == 0;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

static uint32_t half(void *user)
{
    return UINT32_MAX / 2;
}

static void drain(dgw *s)
{
    dgw_action action;

    while (dgw_next_action(s, &action))
        ;
}

/* A session's life up to its first heartbeat; true when all of it worked. */
static bool live_once(void)
{
    static const char hello[] = "{\"op\":10,\"d\":{\"heartbeat_interval\":1000}}";
    static const char ready[] =
        "{\"op\":0,\"t\":\"READY\",\"s\":1,\"d\":{\"session_id\":\"\\u0061\"}}";
    dgw_config config = {.token = "t",
                         .shard_count = 2,
                         .url = "ws://h",
                         .connect_timeout_ms = 1000,
                         .max_backoff_ms = 1000,
                         .random = half};
    char frame[DGW_FRAME_MAX + 1];
    dgw_event event;
    size_t size;
    dgw *s = dgw_new(&config);

    if (!s)
        return false;
    dgw_start(s, 0);
    drain(s);
    dgw_opened(s, 0);
    dgw_text(s, hello, sizeof hello - 1, 0, &event);
    bool ok = dgw_next_frame(s, 0, frame, &size);
    ok = dgw_text(s, ready, sizeof ready - 1, 0, &event) && ok;
    dgw_tick(s, 600);
    ok = dgw_next_frame(s, 600, frame, &size) && ok;
    drain(s);
    dgw_free(s);
    return ok;
}

static bool split_once(void)
{
    static const char text[] =
        "```c\nint a;\nint b;\nint c;\nint d;\nint e;\nint f;\nint g;\nint h;\n"
        "int i;\nint j;\nint k;\n``` and an end of it";
    discord_parts parts = {0, NULL};
    discord_status status = discord_text_split(text, sizeof text - 1, 64, &parts);

    assert_true(status == DISCORD_OK || status == DISCORD_ENOMEM);
    assert_true(status == DISCORD_OK || parts.n == 0);
    discord_parts_done(&parts);
    return status == DISCORD_OK;
}

/* Both objects made and freed, without a thread. */
static bool objects_once(void)
{
    discord_rest_options ro = DISCORD_REST_OPTIONS_INIT;
    discord_gateway_options go = DISCORD_GATEWAY_OPTIONS_INIT;
    discord_resume_state state = {.session_id = "s", .seq = 1};
    discord_rest *rest = NULL;
    discord_gateway *gateway = NULL;

    ro.token = go.token = "t";
    ro.host_loop = 1;
    ro.api_url = "http://h";
    go.url = "ws://h";
    go.ca_file = "f";
    go.resume = &state;
    discord_status status = discord_rest_new(&ro, &rest, NULL);
    assert_true(status == DISCORD_OK || status == DISCORD_ENOMEM);
    bool ok = status == DISCORD_OK;
    status = discord_gateway_new(&go, &gateway, NULL);
    assert_true(status == DISCORD_OK || status == DISCORD_ENOMEM);
    ok = ok && status == DISCORD_OK;
    discord_gateway_free(gateway);
    discord_rest_free(rest);
    return ok;
}

/* A request checked, copied and queued; the REST object lends only its address. */
static bool request_once(void)
{
    char address[] = "http://h";
    struct discord_rest rest = {.api_url = address};
    discord_file file = {"a.png", "image/png", NULL, "x", 1};
    discord_request request = {.method = "POST",
                               .route = "/channels/{id}/messages",
                               .major = "1",
                               .path = "/channels/1/messages",
                               .json = "{}",
                               .files = &file,
                               .n_files = 1,
                               .reason = "r"};
    drest_job *job = NULL;
    discord_status status = drest_job_new(&rest, &request, NULL, NULL, &job);
    dbk *b = dbk_new(half, NULL);
    dbk_facts facts = {.status = 200, .bucket = "b", .remaining = 1, .reset_after_ms = 1};
    bool ok = status == DISCORD_OK && b && dbk_add(b, &job->entry, job->route, job->major, 0);

    assert_true(status == DISCORD_OK || status == DISCORD_ENOMEM);
    if (ok) {
        assert_ptr_equal(dbk_next(b, 0), &job->entry);
        dbk_answer(b, &job->entry, &facts, 0);
        dbk_done(b, &job->entry);
    }
    drest_job_free(job);
    dbk_free(b);
    return ok;
}

/* A compressed payload that makes the buffer grow. */
static bool inflate_once(void)
{
    static unsigned char sent[65536];
    static char text[200000];
    static size_t n_sent;
    z_stream z = {0};
    size_t size = 0;

    if (!n_sent) { /* with memory, before anything is to fail */
        long before = countdown;
        countdown = -1;
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (char)('a' + i % 7);
        z.next_in = (unsigned char *)text;
        z.avail_in = sizeof text;
        z.next_out = sent;
        z.avail_out = sizeof sent;
        assert_int_equal(deflateInit(&z, 6), Z_OK);
        assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
        n_sent = sizeof sent - z.avail_out;
        deflateEnd(&z);
        countdown = before;
    }
    dinflate *d = dinflate_new(sizeof text);
    bool ok = d && !dinflate_feed(d, sent, n_sent);
    const char *payload = ok ? dinflate_payload(d, &size) : NULL;
    ok = payload && size == sizeof text && memcmp(payload, text, size) == 0;
    dinflate_free(d);
    return ok;
}

/* A webhook's message put together, with all that it can have, and checked. */
static bool payload_once(void)
{
    discord_file file = {"a.png", "image/png", "d", "x", 1};
    discord_message m = {.content = "c",
                         .embeds_json = "[{\"title\":\"t\"}]",
                         .components_json = "[]",
                         .attachments_json = "[{\"id\":\"5\"}]",
                         .files = &file,
                         .n_files = 1};
    cJSON *payload = NULL;
    discord_status status = dmessage_payload(&m, &payload);

    cJSON_Delete(payload);
    return status == DISCORD_OK;
}

static void try_with_each_failure(bool (*once)(void))
{
    long n = 0;

    for (bool ok = false; !ok; n++) {
        assert_true(n < 10000);
        countdown = n;
        ok = once();
        if (countdown >= 0)
            countdown = -1;
        else
            ok = false; /* a failure was met: go on even when it was borne */
    }
    assert_true(n > 2);
    assert_true(once());
}

static void a_session_bears_any_failing_allocation(void **state)
{
    cJSON_Hooks hooks = {__wrap_malloc, free};

    cJSON_InitHooks(&hooks);
    try_with_each_failure(live_once);
    cJSON_InitHooks(NULL);
}

static void making_the_objects_bears_any_failing_allocation(void **state)
{
    try_with_each_failure(objects_once);
}

static void a_payload_bears_any_failing_allocation(void **state)
{
    cJSON_Hooks hooks = {__wrap_malloc, free};

    cJSON_InitHooks(&hooks);
    try_with_each_failure(payload_once);
    cJSON_InitHooks(NULL);
}

static void inflating_bears_any_failing_allocation(void **state)
{
    try_with_each_failure(inflate_once);
}

static void a_request_bears_any_failing_allocation(void **state)
{
    try_with_each_failure(request_once);
}

static void splitting_bears_any_failing_allocation(void **state)
{
    try_with_each_failure(split_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_bears_any_failing_allocation),
        cmocka_unit_test(making_the_objects_bears_any_failing_allocation),
        cmocka_unit_test(a_payload_bears_any_failing_allocation),
        cmocka_unit_test(inflating_bears_any_failing_allocation),
        cmocka_unit_test(a_request_bears_any_failing_allocation),
        cmocka_unit_test(splitting_bears_any_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
