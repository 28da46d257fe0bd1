/* commands.c - sources, events, show, replay, verify.
 * Owns nothing beyond a call. Main thread. Invariant: nothing is changed but by replay, and that
 * only brings dead letters back: what was delivered is in Convex and is replayed there. */
#include "commands.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "control.h"
#include "daemon/clock.h"
#include "daemon/outbox.h"
#include "journal.h"
#include "record.h"
#include "request.h"
#include "sources.h"
#include "timestamp.h"

enum { PAGE = 1000, CAPTURE_MAX = 32 << 20 };

/* Puts a reason on stderr; returns the exit status `status`. */
__attribute__((format(printf, 2, 3))) static int complain(int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("webhook-proxy: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

static void print_time(const char *name, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    char text[32];

    gmtime_r(&seconds, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    printf("%-12s %s.%03dZ\n", name, text, (int)(ms % 1000));
}

/* ---- the spool ---- */

static void spool_path(const proxy_config *config, char *ret, size_t size)
{
    snprintf(ret, size, "%s/spool", config->daemon.state_directory);
}

/* An event of the journal, found before the box was read. */
typedef struct waiting {
    int64_t id;
    journal_place place;
} waiting;

/* Through both places where events are, by id. An event of the journal that was delivered or moved
 * to the box while we read is shown as it was; one that the box has as well, as the box has it. */
typedef struct walk {
    outbox_entry_fn *fn;
    void *user;
    journal *journal;
    waiting *list;
    size_t count, capacity, at;
    journal_place next; /* to read on from */
    int64_t last;       /* of the box */
    bool no_memory, more;
} walk;

static bool note_waiting(const journal_entry *entry, journal_place next, void *user)
{
    walk *w = user;

    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 256;
        waiting *list = realloc(w->list, capacity * sizeof(*list));

        if (list == NULL) {
            w->no_memory = true;
            return false;
        }
        w->list = list;
        w->capacity = capacity;
    }
    w->list[w->count++] = (waiting){entry->id, entry->place};
    w->next = next;
    return true;
}

static bool step_journal(const journal_entry *entry, journal_place next, void *user)
{
    walk *w = user;
    const outbox_entry as_boxed = {.id = entry->id,
                                   .key = entry->key,
                                   .payload = entry->payload,
                                   .size = entry->size,
                                   .created_at = entry->now_ms,
                                   .next_attempt_at = entry->now_ms,
                                   .last_error = ""};

    w->more = w->fn(&as_boxed, w->user);
    return w->more;
}

/* Those of the journal before an id; one that has this id is passed over. */
static void step_to(walk *w, int64_t id)
{
    for (; w->more && w->at < w->count && w->list[w->at].id <= id; w->at++)
        if (w->list[w->at].id < id) /* its segment may be gone meanwhile */
            (void)journal_get(w->journal, w->list[w->at].place, step_journal, w);
}

static bool step_box(const outbox_entry *entry, void *user)
{
    walk *w = user;

    step_to(w, entry->id);
    w->last = entry->id;
    w->more = w->more && w->fn(entry, w->user);
    return w->more;
}

static int read_journal(const proxy_config *config, walk *w, char *reason, size_t size)
{
    const journal_options options = {.directory = config->daemon.state_directory,
                                     .read_only = true};
    int r = journal_open(&options, &w->journal, reason, size);
    ssize_t n = 1;

    while (r == 0 && n > 0)
        n = journal_read(w->journal, w->next, PAGE, note_waiting, w);
    return r < 0 ? r : w->no_memory ? -ENOMEM : (int)n;
}

static void tell_damage(const journal *self)
{
    size_t parts, bytes;

    journal_damage(self, &parts, &bytes);
    if (parts > 0)
        fprintf(stderr,
                "webhook-proxy: the journal cannot be read in %zu place%s (%zu bytes): what was "
                "acknowledged there is lost\n",
                parts, parts == 1 ? "" : "s", bytes);
}

/* Every entry after an id; those of the box in pages, so that the proxy's log is not held back.
 * Returns an exit status. */
static int each_entry(const proxy_config *config, int64_t after, outbox_entry_fn *fn, void *user)
{
    walk w = {.fn = fn, .user = user, .last = after, .more = true};
    outbox_error error = {""};
    char path[4096];
    int64_t before;
    int r = read_journal(config, &w, error.text, sizeof(error.text));

    spool_path(config, path, sizeof(path));
    while (w.at < w.count && w.list[w.at].id <= after)
        w.at++;
    do {
        before = w.last;
        if (r == 0)
            r = outbox_inspect(path, before, PAGE, step_box, &w, &error);
    } while (r == 0 && w.more && w.last != before);
    if (r == 0)
        step_to(&w, INT64_MAX);
    if (w.journal)
        tell_damage(w.journal);
    journal_close(w.journal);
    free(w.list);
    if (r < 0)
        return complain(DAEMON_EXIT_FAILED, "%s", *error.text ? error.text : strerror(-r));
    return DAEMON_EXIT_DONE;
}

static bool print_entry(const outbox_entry *entry, void *user)
{
    printf("%lld %s %s attempts=%lld size=%zu", (long long)entry->id,
           entry->dead_at ? "dead" : "waiting", entry->key, (long long)entry->attempts,
           entry->size);
    if (*entry->last_error)
        printf(" error=%.*s", (int)strcspn(entry->last_error, "\r\n"), entry->last_error);
    putchar('\n');
    return true;
}

static int list_events(const proxy_config *config, char **operands, int count)
{
    return each_entry(config, 0, print_entry, NULL);
}

/* ---- show ---- */

static void print_text(const char *name, record_text text)
{
    if (text.size)
        printf("%-12s %.*s\n", name, (int)text.size, text.bytes);
}

static void print_record(const record *r)
{
    print_text("community", r->community);
    print_text("source", r->source);
    print_text("provider", r->provider);
    print_text("type", r->type);
    print_text("subject", r->subject);
    print_text("key", r->key);
    print_text("verdict", r->verdict);
    print_text("secret", r->secret_id);
    print_text("peer", r->peer);
    print_time("received", r->received_at);
    if (r->occurred_at)
        print_time("occurred", r->occurred_at);
    print_text("sha256", r->body_sha256);
    putchar('\n');
    for (size_t i = 0; i < r->header_count; i++)
        printf("%.*s: %.*s\n", (int)r->headers[i].name.size, r->headers[i].name.bytes,
               (int)r->headers[i].value.size, r->headers[i].value.bytes);
    putchar('\n');
    fwrite(r->body.bytes, 1, r->body.size, stdout);
    putchar('\n');
}

typedef struct wanted {
    int64_t id;
    bool found;
} wanted;

static bool show_entry(const outbox_entry *entry, void *user)
{
    wanted *w = user;
    record r;

    if (entry->id != w->id)
        return false;
    w->found = true;
    printf("%-12s %lld\n%-12s %s\n%-12s %lld\n", "id", (long long)entry->id, "state",
           entry->dead_at ? "dead" : "waiting", "attempts", (long long)entry->attempts);
    if (*entry->last_error)
        printf("%-12s %s\n", "error", entry->last_error);
    print_time(entry->dead_at ? "dead since" : "due",
               entry->dead_at ? entry->dead_at : entry->next_attempt_at);
    if (record_decode(entry->payload, entry->size, &r))
        print_record(&r);
    else
        printf("(%zu bytes that are no event of this version)\n", entry->size);
    return false;
}

static bool parse_id(const char *text, int64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && errno == 0 && *ret > 0;
}

static int not_here(int64_t id)
{
    return complain(DAEMON_EXIT_FAILED,
                    "no event %lld waits or is dead here; what was delivered is in Convex: "
                    "npx convex run webhooks:list",
                    (long long)id);
}

static int show(const proxy_config *config, char **operands, int count)
{
    wanted w = {0, false};
    int status;

    if (!parse_id(operands[0], &w.id))
        return complain(DAEMON_EXIT_USAGE, "show: \"%.40s\" is no id of `events`", operands[0]);
    status = each_entry(config, w.id - 1, show_entry, &w);
    return status == DAEMON_EXIT_DONE && !w.found ? not_here(w.id) : status;
}

/* ---- replay ---- */

typedef struct selection {
    int64_t id;    /* 0: all */
    int64_t since; /* ms; INT64_MIN: all */
    int64_t *ids;
    size_t count, capacity;
    bool found, no_memory;
} selection;

static bool select_entry(const outbox_entry *entry, void *user)
{
    selection *s = user;

    if (s->id && entry->id != s->id)
        return false;
    s->found = true;
    if (!entry->dead_at || entry->created_at < s->since)
        return true;
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 64;
        int64_t *ids = realloc(s->ids, capacity * sizeof(*ids));
        if (!ids) {
            s->no_memory = true;
            return false;
        }
        s->ids = ids;
        s->capacity = capacity;
    }
    s->ids[s->count++] = entry->id;
    return true;
}

/* With no proxy running the box is ours. */
static int revive_here(const proxy_config *config, const int64_t *ids, size_t count)
{
    char path[4096];
    outbox_options options = {path, config->spool_entries, config->spool_bytes, true};
    outbox_error error = {""};
    outbox *box = NULL;
    int r;

    spool_path(config, path, sizeof(path));
    r = outbox_open(&options, &box, &error);
    if (r < 0)
        return complain(DAEMON_EXIT_FAILED, "%s", error.text);
    r = outbox_begin(box);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = outbox_revive(box, ids[i], daemon_wall_ms());
    if (r == 0)
        r = outbox_commit(box);
    outbox_close(box);
    return r == 0 ? DAEMON_EXIT_DONE
                  : complain(DAEMON_EXIT_FAILED, "cannot write the spool: %s", strerror(-r));
}

static int revive(const proxy_config *config, const int64_t *ids, size_t count)
{
    for (size_t done = 0; done < count;) {
        size_t part = count - done < CONTROL_IDS_MAX ? count - done : CONTROL_IDS_MAX;
        int r = control_revive(config->daemon.state_directory, ids + done, part);

        if ((r == -ENOENT || r == -ECONNREFUSED) && done == 0)
            return revive_here(config, ids, count);
        if (r < 0)
            return complain(DAEMON_EXIT_FAILED, "the running proxy does not take it: %s",
                            strerror(-r));
        done += part;
    }
    return DAEMON_EXIT_DONE;
}

static int select_events(const proxy_config *config, char **operands, int count, selection *ret)
{
    if (count + (config->failed ? 1 : 0) + (config->since ? 1 : 0) != 1)
        return complain(DAEMON_EXIT_USAGE, "replay: expected one of ID, --since TIME and --failed");
    if (count && !parse_id(operands[0], &ret->id))
        return complain(DAEMON_EXIT_USAGE, "replay: \"%.40s\" is no id of `events`", operands[0]);
    if (config->since && !timestamp_parse(config->since, strlen(config->since), &ret->since))
        return complain(DAEMON_EXIT_USAGE,
                        "--since: expected a time such as 2026-01-31 or 2026-01-31T12:00:00Z");
    return each_entry(config, ret->id ? ret->id - 1 : 0, select_entry, ret);
}

static int replay(const proxy_config *config, char **operands, int count)
{
    selection s = {.since = INT64_MIN};
    int status = select_events(config, operands, count, &s);

    if (status == DAEMON_EXIT_DONE && s.no_memory)
        status = complain(DAEMON_EXIT_FAILED, "out of memory");
    if (status == DAEMON_EXIT_DONE && s.id && !s.found)
        status = not_here(s.id);
    if (status == DAEMON_EXIT_DONE && s.id && s.count == 0)
        status = complain(DAEMON_EXIT_FAILED, "event %lld is no dead letter: it waits already",
                          (long long)s.id);
    if (status == DAEMON_EXIT_DONE && !config->dry_run && s.count)
        status = revive(config, s.ids, s.count);
    if (status == DAEMON_EXIT_DONE) {
        for (size_t i = 0; i < s.count; i++)
            printf("%lld\n", (long long)s.ids[i]);
        fprintf(stderr, "%zu event%s %s\n", s.count, s.count == 1 ? "" : "s",
                config->dry_run ? "would be delivered again" : "will be delivered again");
    }
    free(s.ids);
    return status;
}

/* ---- sources ---- */

static sources *load(const proxy_config *config)
{
    sources *set = NULL;
    char reason[600] = "";

    if (!config->sources_file)
        complain(DAEMON_EXIT_NOT_CONFIGURED, "SOURCES_FILE: is missing");
    else if (sources_load(config->sources_file, &set, reason, sizeof(reason)) != 0)
        complain(DAEMON_EXIT_NOT_CONFIGURED, "SOURCES_FILE: %s", reason);
    return set;
}

static const char *validity(const source_secret *secret, int64_t now_ms)
{
    return now_ms < secret->not_before   ? "not yet"
           : now_ms >= secret->not_after ? "expired"
                                         : "valid";
}

static int list_sources(const proxy_config *config, char **operands, int count)
{
    sources *set = load(config);
    int64_t now_ms = daemon_wall_ms();

    if (!set)
        return DAEMON_EXIT_NOT_CONFIGURED;
    for (size_t i = 0; i < sources_count(set); i++) {
        const source *s = sources_at(set, i);

        printf("/v1/%s/%s provider=%s header=%s secrets=", s->community, s->name, s->provider->name,
               s->scheme.header);
        for (size_t k = 0; k < s->secret_count; k++)
            printf("%s%s(%s)", k ? "," : "", s->secrets[k].id, validity(&s->secrets[k], now_ms));
        putchar('\n');
    }
    sources_unref(set);
    return DAEMON_EXIT_DONE;
}

/* ---- verify ---- */

/* A request as it was captured: request line, headers, an empty line, the body. */
typedef struct capture {
    char *text;
    char *path;
    request_head head;
    const char *body;
    size_t size;
} capture;

static char *read_capture(const char *name, size_t *ret_size)
{
    FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    char *text = malloc(CAPTURE_MAX + 1);
    size_t size = in && text ? fread(text, 1, CAPTURE_MAX + 1, in) : 0;
    int error = in ? (ferror(in) ? EIO : 0) : errno;

    if (in && in != stdin)
        fclose(in);
    if (!text || !in || error || size > CAPTURE_MAX) {
        complain(DAEMON_EXIT_FAILED, "cannot read \"%s\": %s", name,
                 !text   ? "out of memory"
                 : error ? strerror(error)
                         : "too large");
        free(text);
        return NULL;
    }
    text[size] = '\0';
    *ret_size = size;
    return text;
}

/* Ends the line at `at` and returns the next one; NULL: there is no end. */
static char *end_line(char *at)
{
    char *end = strchr(at, '\n');

    if (!end)
        return NULL;
    if (end > at && end[-1] == '\r')
        end[-1] = '\0';
    *end = '\0';
    return end + 1;
}

static const source *find(const sources *set, const char *path)
{
    char community[80], name[80];

    if (sscanf(path, "/v1/%79[^/]/%79[^/? ]", community, name) != 2)
        return NULL;
    return sources_find(set, community, strlen(community), name, strlen(name));
}

/* False with a word on stderr if it is no request to one of the sources. */
static bool parse_capture(capture *c, size_t size, const sources *set, const source **ret)
{
    char *line = c->text, *next = end_line(line), *colon;

    if (!next || strncmp(line, "POST ", 5) != 0)
        return complain(1, "the file does not begin with \"POST /v1/COMMUNITY/SOURCE HTTP/1.1\""),
               false;
    *ret = find(set, line + 5);
    if (!*ret)
        return complain(1, "no source has the path of \"%.80s\"", line), false;
    c->head.content_length = -1;
    for (line = next; (next = end_line(line)) != NULL && *line; line = next) {
        colon = strchr(line, ':');
        if (!colon)
            return complain(1, "\"%.60s\" is no header", line), false;
        *colon = '\0';
        request_head_add(&c->head, line, colon + 1 + strspn(colon + 1, " \t"), &(*ret)->scheme);
    }
    if (!next)
        return complain(1, "there is no empty line between headers and body"), false;
    c->body = next;
    c->size = size - (size_t)(next - c->text);
    return true;
}

static int judge(const capture *c, const source *from)
{
    signature_claim claim = {c->head.signature, c->head.time, c->head.id, c->body, c->size};
    const source_secret *secret = source_verify(from, &claim, daemon_wall_ms());
    source patient = *from; /* a capture is older than what a request may be */
    event_facts facts;

    if (c->head.signatures != 1)
        return complain(DAEMON_EXIT_FAILED, "there are %d headers \"%s\", expected one",
                        c->head.signatures, from->scheme.header);
    patient.scheme.tolerance_s = INT64_MAX / 1000;
    if (!secret) {
        secret = source_verify(&patient, &claim, daemon_wall_ms());
        if (!secret)
            return complain(DAEMON_EXIT_FAILED,
                            "no secret that is valid now signed this body as \"%s\" has it",
                            from->scheme.header);
        printf("%-12s signed, but at a time that is too far off now\n", "note");
    }
    if (!provider_extract(from->provider, c->body, c->size, c->head.id, &facts))
        return complain(DAEMON_EXIT_FAILED, "out of memory");
    printf("%-12s %s\n%-12s %s\n%-12s %s\n%-12s %s\n", "secret", secret->id, "verdict",
           facts.unparsable ? "unparsable" : "verified", "type", facts.type, "key", facts.key);
    if (facts.subject[0])
        printf("%-12s %s\n", "subject", facts.subject);
    if (facts.occurred_at)
        print_time("occurred", facts.occurred_at);
    return DAEMON_EXIT_DONE;
}

static int verify(const proxy_config *config, char **operands, int count)
{
    sources *set = load(config);
    capture c = {0};
    const source *from = NULL;
    size_t size = 0;
    int status = DAEMON_EXIT_FAILED;

    if (!set)
        return DAEMON_EXIT_NOT_CONFIGURED;
    c.text = read_capture(operands[0], &size);
    if (c.text && parse_capture(&c, size, set, &from))
        status = judge(&c, from);
    free(c.text);
    sources_unref(set);
    return status;
}

/* ---- the table ---- */

int command_run(const proxy_config *config, const char *command, char **operands, int count)
{
    static const struct {
        const char *name;
        int (*run)(const proxy_config *, char **, int);
        int least;
    } commands[] = {{"sources", list_sources, 0},
                    {"events", list_events, 0},
                    {"show", show, 1},
                    {"replay", replay, 0},
                    {"verify", verify, 1}};
    int status = DAEMON_EXIT_USAGE;

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (strcmp(command, commands[i].name) != 0)
            continue;
        if (count < commands[i].least)
            return complain(DAEMON_EXIT_USAGE, "%s: what it is about is missing; see --help",
                            command);
        status = commands[i].run(config, operands, count);
        break;
    }
    if (fflush(stdout) != 0)
        return complain(DAEMON_EXIT_FAILED, "cannot write: %s", strerror(errno));
    return status;
}
