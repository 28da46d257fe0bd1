/* subscribe.c - every result of a query, as it changes. */
#include "convexc.h"

typedef struct watch {
    const settings *s;
    convex_client *client;
    convex_result *last; /* that succeeded; NULL: none yet */
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

static void on_result(const convex_result *result, void *user)
{
    watch *w = user;
    int r;

    if (!convex_result_success(result)) {
        r = print_failure(w, result);
    } else if (w->s->diff && w->last) {
        r = print_changes(w->s, convex_result_value(w->last), convex_result_value(result));
    } else {
        r = print_result(w->s, result);
    }
    if (convex_result_success(result)) {
        convex_result_unref(w->last);
        w->last = convex_result_ref(result);
    }
    w->results++;
    if (r != EXIT_DONE || w->results == w->s->count)
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

int run_subscribe(const settings *s)
{
    watch w = {.s = s};
    convex_value *args = NULL;
    convex_error error;
    credential who;
    int r = open_credential(s, &who);

    if (r == EXIT_DONE)
        r = read_args(s, s->operands[1], &args);
    if (r == EXIT_DONE)
        r = open_client(s, &who, on_state, &w, &w.client);
    catch_signals();
    if (r == EXIT_DONE) {
        convex_status status = convex_client_subscribe(w.client, s->operands[0], args, on_result,
                                                       NULL, &w, NULL, &error);
        if (status != CONVEX_OK)
            r = fail_with(status, &error);
        else
            drive(w.client, NULL, 0);
    }
    convex_client_unref(w.client);
    convex_result_unref(w.last);
    convex_value_unref(args);
    close_credential(&who);
    return r == EXIT_DONE ? w.exit_status : r;
}
