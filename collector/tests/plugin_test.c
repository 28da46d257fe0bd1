/* plugin_test.c - what a plugin may tell, and what it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

static long allocations_left = -1; /* before one fails; negative: none does */
static bool one_failed;

static bool fails(void)
{
    bool now = allocations_left == 0;
    if (allocations_left >= 0)
        allocations_left--;
    one_failed = one_failed || now;
    return now;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

#define NOW 1700000000000

static bool place(const char *channel_id, const char *guild_id, capture_place *ret, void *user)
{
    snprintf(ret->guild_id, sizeof ret->guild_id, "%s", guild_id ? guild_id : "6");
    snprintf(ret->channel_id, sizeof ret->channel_id, "%s", channel_id);
    return strcmp(channel_id, "45") == 0;
}

static const capture_rules rules = {.place = place};

static int read_body(const char *body, event_list *events, char error[160])
{
    places *threads = NULL;
    assert_int_equal(places_new(NULL, &threads), 0);
    error[0] = '\0';
    int r = plugin_read(body, strlen(body), threads, &rules, NOW, events, error, 160);
    places_free(threads);
    return r;
}

static void events_are_captured_like_the_gateways(void **state)
{
    event_list events = {0};
    char error[160];
    assert_int_equal(
        read_body("{\"events\":[{\"name\":\"MESSAGE_CREATE\",\"data\":{\"id\":\"1\",\"channel_id\":"
                  "\"45\",\"guild_id\":\"6\",\"author\":{\"id\":\"7\"},\"content\":\"BTC\"},"
                  "\"capturedAt\":5},{\"name\":\"MESSAGE_DELETE_BULK\",\"data\":{\"ids\":[\"2\","
                  "\"3\"],\"channel_id\":\"45\",\"guild_id\":\"6\"}},{\"name\":\"MESSAGE_DELETE\","
                  "\"data\":{\"id\":\"4\",\"channel_id\":\"46\",\"guild_id\":\"6\"}}]}",
                  &events, error),
        0);
    assert_int_equal(events.count, 3); /* channel 46 is not captured */
    assert_string_equal(events.items[0].key, "45/1");
    assert_non_null(strstr(events.items[0].json, "\"capturedAt\":5,"));
    assert_non_null(strstr(events.items[1].json, "\"capturedAt\":1700000000000,"));
    assert_string_equal(events.items[2].key, "45/3");
    event_list_done(&events);
}

static void a_refusal_names_the_field(void **state)
{
#define EVENT(name, data, more) "{\"events\":[{\"name\":\"" name "\",\"data\":" data more "}]}"
    static const struct {
        const char *body, *error;
    } cases[] = {
        {"", "the body is no JSON"},
        {"{\"events\":[]} x", "the body is no JSON"},
        {"{\"events\":[\"a\\u0000\"]}", "the body is no JSON, or has a NUL"},
        {"[]", "events is no list"},
        {"{\"events\":[]}", "events is no list of 1 to 64"},
        {"{\"events\":[1]}", "events[0].name"},
        {EVENT("TYPING_START", "{}", ""), "events[0].name"},
        {EVENT("MESSAGE_CREATE", "[]", ""), "events[0].data is no object"},
        {EVENT("MESSAGE_CREATE", "{\"id\":1}", ""), "events[0].data.id"},
        {EVENT("MESSAGE_CREATE", "{\"id\":\"1\"}", ""), "events[0].data.channel_id"},
        {EVENT("MESSAGE_DELETE_BULK", "{\"channel_id\":\"45\"}", ""), "events[0].data.ids"},
        {EVENT("MESSAGE_DELETE", "{\"id\":\"1\",\"channel_id\":\"45\",\"guild_id\":6}", ""),
         "events[0].data.guild_id"},
        {EVENT("CHANNEL_DELETE", "{\"id\":\"45\"}", ",\"capturedAt\":\"now\""),
         "events[0].capturedAt"},
        {EVENT("CHANNEL_DELETE", "{\"id\":\"45\"}", ",\"capturedAt\":1900000000000"),
         "events[0].capturedAt"},
        {EVENT("CHANNEL_DELETE", "{\"id\":\"45\"}", ",\"parentId\":\"x\""), "events[0].parentId"},
    };
    char error[160];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        event_list events = {0};
        assert_int_equal(read_body(cases[i].body, &events, error), -EBADMSG);
        if (!strstr(error, cases[i].error))
            fail_msg("%s: %s", cases[i].body, error);
        event_list_done(&events);
    }
}

#define MANY                                                                                       \
    "{\"events\":[{\"name\":\"MESSAGE_CREATE\",\"data\":{\"id\":\"1\",\"channel_id\":\"45\","      \
    "\"guild_id\":\"6\",\"author\":{\"id\":\"7\",\"username\":\"ana\"},\"content\":\"BTC long "    \
    "64000\","                                                                                     \
    "\"timestamp\":\"2026-01-02T03:04:05.678000+00:00\",\"embeds\":[{\"title\":\"t\"}],"           \
    "\"attachments\":[{\"id\":\"8\",\"filename\":\"a.png\",\"url\":\"https://x\",\"size\":1}]}},"  \
    "{\"name\":\"MESSAGE_DELETE_BULK\",\"data\":{\"ids\":[\"2\",\"3\"],\"channel_id\":\"45\","     \
    "\"guild_id\":\"6\"}}]}"

/* Else the plugin would be told that they are kept. */
static void whichever_allocation_fails_no_event_is_left_out(void **state)
{
    cJSON_Hooks hooks = {.malloc_fn = __wrap_malloc, .free_fn = free};
    event_list whole = {0};
    char error[160];
    places *threads = NULL;
    (void)state;
    assert_int_equal(read_body(MANY, &whole, error), 0);
    assert_int_equal(whole.count, 3);
    assert_int_equal(places_new(NULL, &threads), 0);
    cJSON_InitHooks(&hooks);
    for (long n = 0; n == 0 || one_failed; n++) {
        event_list events = {0};
        one_failed = false;
        allocations_left = n;
        int r = plugin_read(MANY, strlen(MANY), threads, &rules, NOW, &events, error, sizeof error);
        allocations_left = -1;
        if (r == 0) {
            assert_int_equal(events.count, whole.count);
            for (size_t i = 0; i < whole.count; i++)
                assert_string_equal(events.items[i].json, whole.items[i].json);
        } else {
            assert_int_equal(r, -ENOMEM); /* to be told again, not refused */
        }
        event_list_done(&events);
        assert_true(n < 2000);
    }
    cJSON_InitHooks(NULL);
    places_free(threads);
    event_list_done(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_captured_like_the_gateways),
        cmocka_unit_test(a_refusal_names_the_field),
        cmocka_unit_test(whichever_allocation_fails_no_event_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
