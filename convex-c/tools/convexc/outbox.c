/* outbox.c - looks into a file of convex/outbox.h; changes nothing. */
#include "convexc.h"

#ifdef CONVEXC_OUTBOX
#include <convex/outbox.h>

#include <time.h>

typedef struct walk {
    const settings *s;
    unsigned left; /* entries to print */
    int exit_status;
    size_t entries, bytes, sent;
    int64_t oldest_at_ms;
} walk;

static void add_time(convex_builder *b, const char *key, int64_t ms)
{
    convex_builder_key(b, key);
    if (ms != 0)
        convex_builder_float64(b, (double)ms);
    else
        convex_builder_null(b);
}

static int print_entry(const convex_outbox_entry *entry, void *user)
{
    walk *w = user;
    convex_value *args = NULL, *line = NULL;
    convex_builder *b = convex_builder_new(NULL);
    convex_error error = {.status = CONVEX_ENOMEM};
    convex_status status = b ? CONVEX_OK : CONVEX_ENOMEM;

    if (status == CONVEX_OK)
        status = convex_value_parse(entry->args, entry->args_len, CONVEX_ENCODED_JSON, 0, NULL,
                                    &args, &error);
    if (status == CONVEX_OK) {
        convex_builder_begin_object(b);
        convex_builder_key(b, "seq");
        convex_builder_float64(b, (double)entry->seq);
        convex_builder_key(b, "path");
        convex_builder_cstring(b, entry->path);
        convex_builder_key(b, "args");
        convex_builder_value(b, args);
        convex_builder_key(b, "tag");
        convex_builder_cstring(b, entry->tag);
        add_time(b, "acceptedAt", entry->accepted_at_ms);
        add_time(b, "sentAt", entry->sent_at_ms);
        convex_builder_end(b);
        status = convex_builder_finish(b, &line, &error);
    }
    w->exit_status = status == CONVEX_OK ? print_value(w->s, line) : fail_with(status, &error);
    convex_value_unref(line);
    convex_value_unref(args);
    convex_builder_free(b);
    return w->exit_status == EXIT_DONE && --w->left > 0;
}

static int count_entry(const convex_outbox_entry *entry, void *user)
{
    walk *w = user;

    if (w->entries++ == 0)
        w->oldest_at_ms = entry->accepted_at_ms;
    w->bytes += entry->args_len;
    w->sent += entry->sent_at_ms != 0;
    return 1;
}

static int walk_through(walk *w, convex_outbox_entry_fn *fn)
{
    convex_error error;
    convex_status status = convex_outbox_list(w->s->operands[0], 0, fn, w, &error);

    return status == CONVEX_OK       ? w->exit_status
           : status == CONVEX_EINVAL ? fail(EXIT_LOCAL, "%s", error.message)
                                     : fail_with(status, &error);
}

int run_outbox_list(const settings *s)
{
    walk w = {.s = s, .left = s->limit ? s->limit : UINT32_MAX};

    return walk_through(&w, print_entry);
}

int run_outbox_count(const settings *s)
{
    walk w = {.s = s};
    int r = walk_through(&w, count_entry);
    double age = w.entries ? (double)time(NULL) - (double)w.oldest_at_ms / 1000 : 0;

    if (r == EXIT_DONE)
        printf("{\"entries\":%zu,\"sent\":%zu,\"argsBytes\":%zu,\"oldestSeconds\":%.0f}\n",
               w.entries, w.sent, w.bytes, age > 0 ? age : 0);
    return r;
}
#else
/* This build has no SQLite. */
int run_outbox_list(const settings *s)
{
    return fail(EXIT_USAGE, "this convexc was built without convex-outbox");
}

int run_outbox_count(const settings *s)
{
    return run_outbox_list(s);
}
#endif
