/* views_fuzz.c - results, one per line, for a paginated query, a group and an optimistic update.
 *
 *     <digit><JSON>   the query of that id (the newest ones, counted back) returns this
 *     <digit>!<text>  it throws this
 *     +  more is loaded        m  a mutation with an update is called
 *     -  the connection drops  y, n  the oldest mutation succeeds, fails */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "optimistic.h"
#include "pages.h"
#include "snapshot.h"
#include "sync_internal.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS = 8, MAX_STEPS = 200 };

static const char body[] = "\"udfPath\":\"m:x\",\"args\":[{}]";

typedef struct session {
    cvx_sync *sync;
    convex_mem mem;
    int64_t now;
    cvx_pages pages;
    cvx_group group;
    cvx_request calls[CALLS];
    int called, answered;
    cvx_text frame;
} session;

static void check_list(const convex_page_list *list)
{
    size_t count = convex_page_list_count(list);

    for (size_t i = 0; i < count; i++)
        if (!convex_page_list_at(list, i))
            abort();
    if (convex_page_list_at(list, count) ||
        (convex_page_list_status(list) == CONVEX_PAGES_FAILED) != !!convex_page_list_error(list))
        abort();
}

static void take_outputs(session *s)
{
    cvx_sync_event event;

    while (cvx_sync_next(s->sync, &event) != CVX_SYNC_NONE) {
        if (event.kind == CVX_SYNC_OPEN)
            cvx_sync_opened(s->sync, s->now, 0);
        if (event.kind == CVX_SYNC_VIEW && event.view == &s->pages.view)
            check_list(s->pages.list);
        if (event.kind == CVX_SYNC_VIEW && event.view == &s->group.view &&
            (!convex_snapshot_result_at(s->group.snapshot, 0) ||
             !convex_snapshot_result_at(s->group.snapshot, 1)))
            abort();
        if (event.kind == CVX_SYNC_DONE) {
            convex_result_unref(event.request->result);
            event.request->result = NULL;
        }
    }
}

/* Every item of every page twice, and the group's first query shown as loading. */
static convex_item_change twice(const convex_value *item, convex_value **ret, void *user)
{
    *ret = convex_value_ref(item);
    return convex_value_type(item) == CONVEX_NULL ? CONVEX_ITEM_REMOVED : CONVEX_ITEM_REPLACED;
}

static int compare(const convex_value *a, const convex_value *b, void *user)
{
    return convex_value_compare(a, b);
}

static void update(convex_local_store *store, const convex_value *args, void *user)
{
    const convex_value *item = convex_local_store_get(store, "q:a", NULL);

    convex_pages_update_items(store, "q:list", NULL, twice, NULL);
    if (item) {
        convex_pages_insert_in_order(store, "q:list", NULL, item, compare, NULL);
        convex_pages_insert_at_top(store, "q:list", NULL, item);
        convex_pages_insert_at_bottom(store, "q:list", NULL, item);
    }
    convex_local_store_set(store, "q:a", NULL, NULL);
}

static void begin(session *s)
{
    static const convex_query_spec specs[] = {{.path = "q:a"}, {.path = "q:b"}};
    cvx_sync_config config = {.mem = cvx_mem(NULL),
                              .connect_timeout_ms = 1000,
                              .inactivity_ms = 1000000,
                              .backoff_max_ms = 10,
                              .max_transition_bytes = 4096};

    s->mem = config.mem;
    s->sync = cvx_sync_new(&config, 0);
    cvx_text_init(&s->frame, &s->mem);
    if (cvx_pages_init(&s->pages, &s->mem, "q:list", NULL, 2, 0, NULL) != CONVEX_OK ||
        cvx_group_init(&s->group, &s->mem, specs, 2, NULL) != CONVEX_OK)
        abort();
    cvx_pages_start(s->sync, &s->pages);
    cvx_group_start(s->sync, &s->group);
    cvx_sync_tick(s->sync, 0);
    take_outputs(s);
}

static void end(session *s)
{
    cvx_request *request;

    cvx_pages_stop(s->sync, &s->pages);
    cvx_group_stop(s->sync, &s->group);
    cvx_pages_done(&s->pages);
    cvx_group_done(&s->group);
    while ((request = cvx_sync_take_request(s->sync)) != NULL) {
        convex_result_unref(request->result);
        request->result = NULL;
    }
    cvx_text_done(&s->frame);
    cvx_sync_free(s->sync);
}

static void add_version(session *s, cvx_version version)
{
    char text[96], ts[CVX_TS_SIZE + 1] = "";

    cvx_ts_encode(version.ts, ts);
    snprintf(text, sizeof text, "{\"querySet\":%u,\"identity\":%u,\"ts\":\"%s\"}",
             (unsigned)version.query_set, (unsigned)version.identity, ts);
    cvx_text_add_str(&s->frame, text);
}

static void say(session *s)
{
    if (s->frame.status == CONVEX_OK)
        cvx_sync_message(s->sync, s->frame.data, s->frame.len, s->now);
}

static void say_transition(session *s, const char *kind, uint32_t id, const char *name,
                           const char *json, size_t len)
{
    cvx_version version = cvx_sync_version(s->sync);
    char text[96];

    cvx_text_reset(&s->frame);
    cvx_text_add_str(&s->frame, "{\"type\":\"Transition\",\"startVersion\":");
    add_version(s, version);
    version.ts++;
    cvx_text_add_str(&s->frame, ",\"endVersion\":");
    add_version(s, version);
    snprintf(text, sizeof text, ",\"modifications\":[{\"type\":\"%s\",\"queryId\":%u,\"%s\":", kind,
             (unsigned)id, name);
    cvx_text_add_str(&s->frame, text);
    cvx_text_add(&s->frame, json, len);
    cvx_text_add_str(&s->frame, ",\"logLines\":[],\"journal\":null}]}");
    say(s);
}

static void say_response(session *s, bool success)
{
    char text[160], ts[CVX_TS_SIZE + 1] = "";

    if (s->answered == s->called)
        return;
    cvx_ts_encode(cvx_sync_version(s->sync).ts + 1, ts);
    snprintf(text, sizeof text,
             "{\"type\":\"MutationResponse\",\"requestId\":%d,\"success\":%s,\"result\":\"\","
             "\"ts\":\"%s\",\"logLines\":[]}",
             s->answered++, success ? "true" : "false", ts);
    cvx_sync_message(s->sync, text, strlen(text), s->now);
}

static void call(session *s)
{
    static const convex_optimistic how = {.update = update};
    cvx_request *request = &s->calls[s->called];

    if (s->called == CALLS)
        return;
    *request = (cvx_request){.id = (uint32_t)s->called++,
                             .kind = CVX_MUTATION,
                             .body = body,
                             .body_len = sizeof body - 1,
                             .update = cvx_update_new(&s->mem, &how, NULL)};
    cvx_sync_request(s->sync, request);
}

static void run_line(session *s, const char *line, size_t len)
{
    uint32_t next = s->sync->queries.next_id, back;

    if (len == 0)
        return;
    if (line[0] >= '0' && line[0] <= '9' && len > 1) {
        back = (uint32_t)(line[0] - '0');
        if (line[1] != '!') {
            say_transition(s, "QueryUpdated", back < next ? next - 1 - back : 0, "value", line + 1,
                           len - 1);
        } else if (cvx_utf8_valid_prefix(line + 2, len - 2) == len - 2) {
            cvx_text message;
            cvx_text_init(&message, &s->mem);
            cvx_text_add_json_string(&message, line + 2, len - 2);
            if (message.status == CONVEX_OK)
                say_transition(s, "QueryFailed", back < next ? next - 1 - back : 0, "errorMessage",
                               message.data, message.len);
            cvx_text_done(&message);
        }
    } else if (line[0] == '+') {
        cvx_pages_load_more(s->sync, &s->pages, 2);
    } else if (line[0] == '-') {
        cvx_sync_closed(s->sync, 1006, "", "", NULL, s->now);
    } else if (line[0] == 'm') {
        call(s);
    } else if (line[0] == 'y' || line[0] == 'n') {
        say_response(s, line[0] == 'y');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    session s = {0};

    begin(&s);
    for (int step = 0; size > 0 && step < MAX_STEPS; step++) {
        const uint8_t *end_of_line = memchr(data, '\n', size);
        size_t len = end_of_line ? (size_t)(end_of_line - data) : size;
        run_line(&s, (const char *)data, len);
        data += end_of_line ? len + 1 : len;
        size -= end_of_line ? len + 1 : len;
        take_outputs(&s);
        s.now += 20;
        cvx_sync_tick(s.sync, s.now);
        take_outputs(&s);
    }
    end(&s);
    return 0;
}
