/* outbox_story.h - an outbox in a folder of its own, a server that keeps records as Convex does,
 * and what both saw. */
#ifndef OUTBOX_STORY_H
#define OUTBOX_STORY_H

#include <dirent.h>
#include <sqlite3.h>
#include <time.h>

#include "../../tests/client_server.h"
#include "../../tests/support.h"
#include "outbox_internal.h"

/* ---- the server ---- */

enum { RECORDS = 1024 };

/* Runs "m:add" {"n": number}, once for each session and number, and remembers the order. "m:bad"
 * throws, and is not remembered. */
typedef struct deployment {
    server *peer;
    pthread_mutex_t lock;
    bool stop;
    int lose;    /* answers that are lost with the connection, from the next on */
    int mute;    /* mutations from the next on that are not even run */
    bool refuse; /* tokens */
    bool wipe;   /* with each lost answer all data goes */
    struct {
        char session[40];
        unsigned id;
    } records[RECORDS];
    int record_count;
    char effects[4096]; /* "1,2,3," */
    int runs_of_bad, seen;
    int conn; /* the present one */
    unsigned last_id;
    char session[40]; /* of the last connection */
} deployment;

static deployment *the_deployment; /* of the test that runs: scripts have no parameter for it */

static inline int effect_of(deployment *d, unsigned id, const char *frame)
{
    const char *n = strstr(frame, "\"n\":");
    char text[16];

    for (int i = 0; i < d->record_count; i++)
        if (d->records[i].id == id && strcmp(d->records[i].session, d->session) == 0)
            return i;
    if (d->record_count == RECORDS)
        return -1;
    snprintf(text, sizeof text, "%ld,", n ? strtol(n + 4, NULL, 10) : -1);
    strncat(d->effects, text, sizeof d->effects - strlen(d->effects) - 1);
    snprintf(d->records[d->record_count].session, sizeof d->records[0].session, "%s", d->session);
    d->records[d->record_count].id = id;
    return d->record_count++;
}

/* False when the connection is to be cut. */
static inline bool run_mutation(server *s, deployment *d)
{
    const char *at = strstr(s->frame, "\"requestId\":");
    unsigned id = at ? (unsigned)strtoul(at + 12, NULL, 10) : 0;
    bool bad = strstr(s->frame, "\"m:bad\"") != NULL, lose = false;
    int record = 0;
    char text[300];

    pthread_mutex_lock(&d->lock);
    d->seen++;
    d->last_id = id;
    if (d->mute > 0) {
        d->mute--;
        pthread_mutex_unlock(&d->lock);
        return true;
    }
    if (bad)
        d->runs_of_bad++;
    else
        record = effect_of(d, id, s->frame);
    if (d->lose > 0) {
        d->lose--;
        lose = true;
    }
    if (lose && d->wipe) {
        d->record_count = 0;
        d->effects[0] = '\0';
    }
    pthread_mutex_unlock(&d->lock);
    if (lose)
        return false;
    if (!bad)
        return server_respond(s, id, (uint64_t)record + 100);
    snprintf(text, sizeof text,
             "{\"type\":\"MutationResponse\",\"requestId\":%u,\"success\":false,"
             "\"result\":\"no \\\"good\\\"\",\"errorData\":{\"code\":7},"
             "\"logLines\":[\"[LOG] x\"]}",
             id);
    return server_say(s, text);
}

static inline void serve(server *s, deployment *d)
{
    while (server_receive(s)) {
        const char *at = strstr(s->frame, "\"sessionId\":\"");
        pthread_mutex_lock(&d->lock);
        if (at)
            snprintf(d->session, sizeof d->session, "%.36s", at + 13);
        pthread_mutex_unlock(&d->lock);
        if (strstr(s->frame, "\"type\":\"Authenticate\"") && d->refuse)
            server_say(s, "{\"type\":\"AuthError\",\"error\":\"no\",\"baseVersion\":0,"
                          "\"authUpdateAttempted\":true}");
        if (strstr(s->frame, "\"type\":\"ModifyQuerySet\""))
            server_transition(s, s->version.query_set + 1, s->version.identity, s->version.ts + 1,
                              "");
        if (strstr(s->frame, "\"type\":\"Mutation\"") && !run_mutation(s, d))
            return;
    }
}

static inline void script_deployment(server *s)
{
    deployment *d = the_deployment;

    for (;;) {
        bool opened = server_open(s);
        pthread_mutex_lock(&d->lock);
        bool stop = d->stop;
        d->conn = s->conn;
        pthread_mutex_unlock(&d->lock);
        if (stop) {
            s->wrong[0] = '\0';
            return;
        }
        if (opened)
            serve(s, d);
    }
}

static inline deployment *deployment_start(void)
{
    deployment *d = calloc(1, sizeof *d);

    assert_non_null(d);
    pthread_mutex_init(&d->lock, NULL);
    the_deployment = d;
    d->peer = server_start(script_deployment, 0);
    return d;
}

static inline void deployment_cut(deployment *d)
{
    pthread_mutex_lock(&d->lock);
    shutdown(d->conn, SHUT_RDWR);
    pthread_mutex_unlock(&d->lock);
}

/* After the client has gone. */
static inline void deployment_stop(deployment *d)
{
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_mutex_unlock(&d->lock);
    shutdown(d->peer->listener, SHUT_RDWR);
    server_join(d->peer);
    pthread_mutex_destroy(&d->lock);
    the_deployment = NULL;
    free(d);
}

/* ---- the program ---- */

typedef struct story {
    char dir[32], file[64];
    const char *url;
    convex_outbox *box;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int dones, threw, unknown, canceled;
    char tags[4096]; /* of on_done, "a,b," */
    char message[64], data[64];
    char copy_to[64]; /* copied there, as a power cut would leave it, inside on_done */
} story;

/* Without system(), whose child would interrupt the server's reading. */
static inline void copy_file(const char *from, const char *to, const char *suffix)
{
    char name[2][80];
    size_t len = 0;

    snprintf(name[0], sizeof name[0], "%s%s", from, suffix);
    snprintf(name[1], sizeof name[1], "%s%s", to, suffix);
    char *bytes = read_whole(name[0], &len);
    FILE *file = fopen(name[1], "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static inline void remove_dir(const char *dir)
{
    DIR *entries = opendir(dir);
    struct dirent *entry;

    assert_non_null(entries);
    while ((entry = readdir(entries)) != NULL)
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(entries), entry->d_name, 0), 0);
    closedir(entries);
    assert_int_equal(rmdir(dir), 0);
}

/* What a crash at this moment would leave. */
static inline void copy_as_crashed(const char *from, const char *to)
{
    copy_file(from, to, "");
    copy_file(from, to, "-wal");
}

static inline void on_done(const convex_outbox_entry *entry, convex_status status,
                           const convex_result *result, void *user)
{
    story *s = user;
    char *data = NULL;

    pthread_mutex_lock(&s->lock);
    if (*s->copy_to)
        copy_as_crashed(s->file, s->copy_to);
    s->dones++;
    s->unknown += status == CONVEX_EUNKNOWN;
    s->canceled += status == CONVEX_ECANCELED;
    if (status == CONVEX_OK && !convex_result_success(result)) {
        s->threw++;
        snprintf(s->message, sizeof s->message, "%s", convex_result_error_message(result, NULL));
        convex_value_print(convex_result_error_data(result), CONVEX_ENCODED_JSON, NULL, &data,
                           NULL);
        snprintf(s->data, sizeof s->data, "%s", data ? data : "none");
        convex_text_free(data, NULL);
    }
    strncat(s->tags, entry->tag, sizeof s->tags - strlen(s->tags) - 1);
    strncat(s->tags, ",", sizeof s->tags - strlen(s->tags) - 1);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static inline void story_begin(story *s, const char *url)
{
    *s = (story){.dir = "/tmp/convex_outbox_XXXXXX", .url = url};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->file, sizeof s->file, "%s/box", s->dir);
}

static inline convex_outbox_options box_options(story *s, convex_options *client)
{
    convex_outbox_options options = CONVEX_OUTBOX_OPTIONS_INIT;

    *client = (convex_options)CONVEX_OPTIONS_INIT;
    client->url = s->url;
    client->network.proxy = "";
    client->backoff_initial_ms = 1;
    client->backoff_max_ms = 20;
    options.client = client;
    options.file = s->file;
    options.on_done = on_done;
    options.user = s;
    return options;
}

static inline void box_open(story *s)
{
    convex_options client;
    convex_outbox_options options = box_options(s, &client);
    convex_error error = {0};

    if (convex_outbox_open(&options, &s->box, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
}

static inline void box_run(story *s)
{
    assert_int_equal(convex_client_start_thread(convex_outbox_client(s->box)), CONVEX_OK);
}

static inline void box_close(story *s)
{
    convex_outbox_free(s->box);
    s->box = NULL;
}

static inline void story_end(story *s)
{
    box_close(s);
    remove_dir(s->dir);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
}

static inline uint64_t add(story *s, int n)
{
    char json[32], tag[16];
    uint64_t seq = 0;
    convex_error error = {0};

    snprintf(json, sizeof json, "{\"n\":%d}", n);
    snprintf(tag, sizeof tag, "%d", n);
    convex_value *args = parse(json);
    if (convex_outbox_mutation(s->box, "m:add", args, tag, &seq, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
    convex_value_unref(args);
    return seq;
}

static inline void await_dones(story *s, int want)
{
    struct timespec limit;
    int r = 0;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 120;
    pthread_mutex_lock(&s->lock);
    while (s->dones < want && r == 0)
        r = pthread_cond_timedwait(&s->changed, &s->lock, &limit);
    pthread_mutex_unlock(&s->lock);
    if (the_deployment) { /* what it did for these is there to be read */
        pthread_mutex_lock(&the_deployment->lock);
        pthread_mutex_unlock(&the_deployment->lock);
    }
    if (r != 0) {
        convex_state now;
        convex_client_state(convex_outbox_client(s->box), &now);
        fail_msg(
            "waited in vain for %d results, there are %d: %s; connection %d (%s), identity %d, "
            "requests %zu, in flight %zu",
            want, s->dones, s->tags, (int)now.connection, now.close_reason, (int)now.identity,
            now.requests, s->box->in_flight);
    }
}

/* What the server or the outbox comes to, soon. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        time_t limit_ = time(NULL) + 120;                                                          \
        while (!(condition)) {                                                                     \
            if (time(NULL) > limit_)                                                               \
                fail_msg("waited in vain for: %s", #condition);                                    \
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);                               \
        }                                                                                          \
    } while (0)

static inline int seen_by(deployment *d)
{
    pthread_mutex_lock(&d->lock);
    int seen = d->seen;
    pthread_mutex_unlock(&d->lock);
    return seen;
}

static inline convex_outbox_counts counts_of(const story *s)
{
    convex_outbox_counts counts;
    convex_outbox_count(s->box, &counts);
    return counts;
}

/* Runs SQL on the file of an outbox that is closed. */
static inline void alter(const char *file, const char *sql)
{
    sqlite3 *db = NULL;
    char *error = NULL;

    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
    sqlite3_close(db);
}

#endif
