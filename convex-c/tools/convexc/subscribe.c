/* subscribe.c - every result of a query, as it changes; of a paginated one, all its items. */
#include "convexc.h"

#include <convex/pages.h>

typedef struct watch {
    const settings *s;
    convex_client *client;
    convex_pages *pages; /* of a paginated query */
    convex_value *last;  /* what was printed last; NULL: nothing yet */
    unsigned results;
    int exit_status;
} watch;

static void end(watch *w, int exit_status)
{
    w->exit_status = exit_status;
    convex_client_close(w->client);
}

static int print_failure(const watch *w, const convex_result *result)
{
    size_t len = 0;
    const char *message = convex_result_error_message(result, &len);
    convex_builder *b = convex_builder_new(NULL);
    convex_value *value = NULL;

    if (!b)
        return fail(EXIT_LOCAL, "out of memory");
    convex_builder_begin_object(b);
    convex_builder_key(b, "error");
    convex_builder_string(b, message, len);
    if (convex_result_error_data(result)) {
        convex_builder_key(b, "errorData");
        convex_builder_value(b, convex_result_error_data(result));
    }
    convex_builder_end(b);
    convex_status status = convex_builder_finish(b, &value, NULL);
    convex_builder_free(b);
    int r = status == CONVEX_OK ? print_value(w->s, value) : fail_with(status, NULL);
    convex_value_unref(value);
    return r;
}

static void count(watch *w, int exit_status)
{
    w->results++;
    if (exit_status != EXIT_DONE || w->results == w->s->count)
        end(w, exit_status);
}

/* Prints a value, or what changed since the one before. */
static int show(watch *w, const convex_value *value)
{
    int r = w->s->diff && w->last ? print_changes(w->s, w->last, value) : print_value(w->s, value);

    convex_value_unref(w->last);
    w->last = convex_value_ref(value);
    return r;
}

static void on_result(const convex_result *result, void *user)
{
    watch *w = user;

    print_logs(w->s, result);
    count(w, convex_result_success(result) ? show(w, convex_result_value(result))
                                           : print_failure(w, result));
}

/* The items of a list, as many as --limit lets through. */
static int show_items(watch *w, const convex_page_list *list)
{
    convex_builder *b = convex_builder_new(NULL);
    convex_value *items = NULL;
    convex_error error;
    size_t most = w->s->limit ? w->s->limit : SIZE_MAX;

    if (!b)
        return fail(EXIT_LOCAL, "out of memory");
    convex_builder_begin_array(b);
    for (size_t i = 0; i < convex_page_list_count(list) && i < most; i++)
        convex_builder_value(b, convex_page_list_at(list, i));
    convex_builder_end(b);
    convex_status status = convex_builder_finish(b, &items, &error);
    convex_builder_free(b);
    int r = status != CONVEX_OK ? fail_with(status, &error) : EXIT_DONE;
    /* Beyond the limit something may have changed that is not shown. */
    if (r == EXIT_DONE && !convex_value_equal(items, w->last)) {
        r = show(w, items);
        count(w, r);
    }
    convex_value_unref(items);
    return r;
}

static void on_list(const convex_page_list *list, void *user)
{
    watch *w = user;
    convex_pages_status status = convex_page_list_status(list);
    bool enough = w->s->limit && convex_page_list_count(list) >= w->s->limit;
    int r = EXIT_DONE;

    if (status == CONVEX_PAGES_FAILED)
        count(w, print_failure(w, convex_page_list_error(list)));
    else if (status == CONVEX_PAGES_CAN_LOAD_MORE && !enough)
        r = exit_status_of(convex_pages_load_more(w->pages, page_size_of(w->s)));
    else if (status == CONVEX_PAGES_EXHAUSTED || enough)
        r = show_items(w, list);
    if (r != EXIT_DONE)
        end(w, r);
}

static void on_state(const convex_state *state, void *user)
{
    watch *w = user;

    if (state->connection == CONVEX_CONNECTION_CLOSED || w->exit_status != EXIT_DONE)
        return;
    int r = say_when_hopeless(state);
    if (r != EXIT_DONE)
        end(w, r);
    else if (state->connection == CONVEX_CONNECTION_RECONNECTING && state->connections > 0)
        fprintf(stderr, "convexc: %s%s%s\n", state->close_reason,
                state->server_error[0] ? ": " : "", state->server_error);
}

static int watch_with(watch *w, const convex_value *args, bool pages)
{
    const char *path = w->s->operands[0];
    convex_error error;
    convex_status status =
        pages ? convex_client_paginate(w->client, path, args, page_size_of(w->s), on_list, NULL, w,
                                       &w->pages, &error)
              : convex_client_subscribe(w->client, path, args, on_result, NULL, w, NULL, &error);

    if (status != CONVEX_OK)
        return fail_with(status, &error);
    if (!drive(w->client, NULL, 0) && w->exit_status == EXIT_DONE)
        return fail(EXIT_LOCAL, "cannot write the result: nobody reads it any more");
    return w->exit_status;
}

static int run(const settings *s, bool pages)
{
    watch w = {.s = s};
    convex_value *args = NULL;
    credential who;
    int r = open_credential(s, &who);

    if (r == EXIT_DONE)
        r = read_args(s, s->operands[1], &args);
    if (r == EXIT_DONE)
        r = open_client(s, &who, on_state, &w, &w.client);
    catch_signals();
    if (r == EXIT_DONE)
        r = watch_with(&w, args, pages);
    convex_pages_unref(w.pages);
    convex_client_unref(w.client);
    convex_value_unref(w.last);
    convex_value_unref(args);
    close_credential(&who);
    return r;
}

int run_subscribe(const settings *s)
{
    return run(s, false);
}

int watch_pages(const settings *s)
{
    return run(s, true);
}
