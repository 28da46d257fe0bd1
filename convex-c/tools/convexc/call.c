/* call.c - one run of a function, and all pages of a paginated query. */
#include "convexc.h"

#include <string.h>

/* ---- over HTTP ---- */

static int call_http(const settings *s, convex_http_kind kind, const convex_value *args)
{
    convex_http_call_options options = {.component = s->component, .occ_retries = s->retries};
    convex_http *http = NULL;
    convex_result *result = NULL;
    convex_error error;
    credential who;
    int r = open_credential(s, &who);

    if (r == EXIT_DONE)
        r = open_http(s, &who, &http);
    if (r == EXIT_DONE) {
        convex_status status =
            convex_http_call(http, kind, s->operands[0], args, &options, &result, &error);
        r = status == CONVEX_OK ? print_result(s, result) : fail_with(status, &error);
    }
    convex_result_unref(result);
    convex_http_free(http);
    close_credential(&who);
    return r;
}

static int run_http(const settings *s, convex_http_kind kind)
{
    convex_value *args = NULL;
    int r = read_args(s, s->operands[1], &args);

    if (r == EXIT_DONE)
        r = call_http(s, kind, args);
    convex_value_unref(args);
    return r;
}

int run_query(const settings *s)
{
    return run_http(s, CONVEX_HTTP_QUERY);
}

int run_action(const settings *s)
{
    return run_http(s, CONVEX_HTTP_ACTION);
}

int run_function(const settings *s)
{
    return run_http(s, CONVEX_HTTP_FUNCTION);
}

/* ---- pages ---- */

/* The arguments with paginationOpts: {numItems, cursor}. */
static int add_options(const convex_value *args, unsigned items, const convex_value *cursor,
                       convex_value **ret)
{
    convex_error error;
    convex_builder *b = convex_builder_new(NULL);

    if (!b)
        return fail(EXIT_LOCAL, "out of memory");
    convex_builder_begin_object(b);
    for (size_t i = 0; i < convex_value_count(args); i++) {
        size_t len = 0;
        const char *key = convex_value_key_at(args, i, &len);
        convex_builder_key_n(b, key, len);
        convex_builder_value(b, convex_value_at(args, i));
    }
    convex_builder_key(b, "paginationOpts");
    convex_builder_begin_object(b);
    convex_builder_key(b, "numItems");
    convex_builder_float64(b, items);
    convex_builder_key(b, "cursor");
    if (cursor)
        convex_builder_value(b, cursor);
    else
        convex_builder_null(b);
    convex_builder_end(b);
    convex_builder_end(b);
    convex_status status = convex_builder_finish(b, ret, &error);
    convex_builder_free(b);
    return status == CONVEX_OK ? EXIT_DONE : fail_with(status, &error);
}

/* Prints the items of a page; *left falls, and is 0 at the limit. */
static int print_page(const settings *s, const convex_result *result, unsigned *left)
{
    const convex_value *page = convex_value_field(convex_result_value(result), "page");
    int r = EXIT_DONE;

    if (!convex_result_success(result))
        return print_result(s, result);
    if (convex_value_type(page) != CONVEX_ARRAY)
        return fail(EXIT_SERVER, "%s is no paginated query: it returned no page", s->operands[0]);
    for (size_t i = 0; i < convex_value_count(page) && *left > 0 && r == EXIT_DONE; i++, (*left)--)
        r = print_value(s, convex_value_at(page, i));
    return r;
}

unsigned page_size_of(const settings *s)
{
    return s->page_size ? s->page_size : 100;
}

static int print_pages(const settings *s, convex_http *http, const convex_value *args)
{
    unsigned left = s->limit ? s->limit : UINT32_MAX, size = page_size_of(s);
    uint64_t ts = 0;
    bool done = false;
    convex_error error;
    convex_result *result = NULL;
    convex_status status = convex_http_query_ts(http, &ts, &error);
    int r = status == CONVEX_OK ? EXIT_DONE : fail_with(status, &error);

    while (r == EXIT_DONE && !done && left > 0) {
        convex_value *page_args = NULL;
        convex_result *next = NULL;
        const convex_value *before = convex_result_value(result);
        r = add_options(args, left < size ? left : size,
                        convex_value_field(before, "continueCursor"), &page_args);
        if (r == EXIT_DONE) {
            status = convex_http_query_at(http, s->operands[0], page_args, ts, &next, &error);
            r = status == CONVEX_OK ? print_page(s, next, &left) : fail_with(status, &error);
        }
        if (r == EXIT_DONE &&
            !convex_value_bool(convex_value_field(convex_result_value(next), "isDone"), &done))
            r = fail(EXIT_SERVER, "%s is no paginated query: it returned no isDone",
                     s->operands[0]);
        convex_value_unref(page_args);
        convex_result_unref(result);
        result = next;
    }
    convex_result_unref(result);
    return r;
}

int run_paginate(const settings *s)
{
    convex_value *args = NULL;
    convex_http *http = NULL;
    credential who;
    int r;

    if (s->watch)
        return watch_pages(s);
    if (s->diff || s->count)
        return fail(EXIT_USAGE, "--diff and --count go with --watch");
    r = open_credential(s, &who);
    if (r == EXIT_DONE)
        r = read_args(s, s->operands[1], &args);
    if (r == EXIT_DONE && convex_value_type(args) != CONVEX_OBJECT)
        r = fail(EXIT_USAGE, "the arguments are no object");
    if (r == EXIT_DONE)
        r = open_http(s, &who, &http);
    if (r == EXIT_DONE)
        r = print_pages(s, http, args);
    convex_http_free(http);
    convex_value_unref(args);
    close_credential(&who);
    return r;
}

/* ---- over the live connection ---- */

enum { TIMEOUT_S = 60 };

typedef struct mutation {
    const settings *s;
    convex_client *client;
    bool done;
    int exit_status;
} mutation;

/* With why there is no connection, when there is none. */
static int fail_for_state(const convex_client *client, convex_status status)
{
    convex_state state;

    convex_client_state(client, &state);
    if (!state.close_reason[0] || state.connection == CONVEX_CONNECTION_CONNECTED)
        return fail_with(status, NULL);
    return fail(exit_status_of(status), "%s; no connection: %s", convex_status_text(status),
                state.close_reason);
}

static void on_done(convex_status status, const convex_result *result, void *user)
{
    mutation *m = user;

    m->done = true;
    if (status == CONVEX_OK)
        m->exit_status = print_result(m->s, result);
    else if (status == CONVEX_ECLOSED && interrupted())
        m->exit_status = exit_status_of_signal();
    else if (m->exit_status == EXIT_DONE) /* nobody has said why */
        m->exit_status = fail_for_state(m->client, status);
}

static void on_state(const convex_state *state, void *user)
{
    mutation *m = user;

    if (m->done || m->exit_status != EXIT_DONE)
        return;
    m->exit_status = say_when_hopeless(state);
    if (m->exit_status != EXIT_DONE)
        convex_client_close(m->client);
}

static int mutate(mutation *m, const credential *who, const convex_value *args)
{
    convex_call_options options = CONVEX_CALL_OPTIONS_INIT;
    convex_error error;
    int r = open_client(m->s, who, on_state, m, &m->client);

    if (r != EXIT_DONE)
        return r;
    options.flags = CONVEX_AT_COMMIT;
    options.component = m->s->component;
    options.timeout_ms = (m->s->timeout_s ? m->s->timeout_s : TIMEOUT_S) * 1000;
    convex_status status = convex_client_mutation(m->client, m->s->operands[0], args, &options,
                                                  on_done, m, NULL, &error);
    if (status != CONVEX_OK)
        r = fail_with(status, &error);
    else
        drive(m->client, &m->done, 0);
    convex_client_unref(m->client);
    return status == CONVEX_OK ? m->exit_status : r;
}

int run_mutation(const settings *s)
{
    mutation m = {.s = s};
    convex_value *args = NULL;
    credential who;
    int r;

    if (s->http)
        return run_http(s, CONVEX_HTTP_MUTATION);
    r = open_credential(s, &who);
    if (r == EXIT_DONE)
        r = read_args(s, s->operands[1], &args);
    catch_signals();
    if (r == EXIT_DONE)
        r = mutate(&m, &who, args);
    convex_value_unref(args);
    close_credential(&who);
    return r;
}
