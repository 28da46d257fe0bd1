/* session.c - one gateway session as a state machine without I/O.
 * Owns the session's identity, its timers and its outgoing frames. One thread.
 * Invariants: a heartbeat never carries the number of an event that the program has not
 * kept; between DGW_CONNECT and DGW_CLOSE or dgw_closed() there is exactly one connection;
 * after DISCORD_GATEWAY_FATAL or dgw_stop() there are no more actions. */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "json.h"
#include "url.h"

#define ACTIONS             8
#define BACKOFF_BASE_MS     500
#define IDENTIFY_SPACING_MS 5000  /* one identify per five seconds and concurrency slot */
#define ANSWER_TIMEOUT_MS   60000 /* for READY or RESUMED, since the last dispatch */
#define RESUME_TRIES        3     /* answered by neither RESUMED nor op 9 */
#define URL_TRIES           3     /* connections to one address before the other is tried */
#define SEND_WINDOW_MS      60000
#define SEND_LIMIT          118 /* Discord's is 120 */
#define MIN_INTERVAL_MS     50
#define MAX_INTERVAL_MS     600000

typedef enum phase {
    PHASE_OFF,      /* not started, stopped or fatal */
    PHASE_WAITING,  /* for retry_at */
    PHASE_ASKING,   /* for the identify budget */
    PHASE_OPENING,  /* connecting, then for hello */
    PHASE_STARTING, /* identify or resume was sent */
    PHASE_LIVE
} phase;

struct dgw {
    char *token;
    char *url; /* configured, or NULL */
    dgw_config config;

    phase phase;
    bool open;     /* the connection can carry frames */
    bool resuming; /* this connection's mode */
    bool held;
    bool proven;       /* a heartbeat was acknowledged since READY or RESUMED */
    unsigned failures; /* in a row, feeds the backoff */
    unsigned resume_failures;
    unsigned connect_failures;
    int64_t retry_at;
    int64_t answer_by; /* hello, READY or RESUMED */
    int64_t identified_at;
    bool budget_waited; /* the wait for a low budget is over: identify now */
    char base_url[256]; /* from the budget */

    discord_resume_state session; /* after the last delivered event */
    uint64_t kept_seq;
    uint64_t session_number; /* counts sessions, so that kept_seq is known to belong */
    uint64_t kept_session;

    int64_t interval;
    int64_t beat_at;
    bool beat_now; /* a heartbeat waits to be sent */
    bool acked;
    bool hello_frame; /* an identify or resume waits to be sent */
    int64_t sent_at[SEND_LIMIT];
    unsigned sent; /* frames on this connection */

    cJSON *doc; /* of the last event */
    dgw_action actions[ACTIONS];
    unsigned n_actions;
};

/* -- outputs -- */

static dgw_action *push(dgw *s, dgw_action_type type)
{
    dgw_action *action = &s->actions[s->n_actions];

    if (s->n_actions < ACTIONS - 1) /* an input makes four at most; the last slot is a sink */
        s->n_actions++;
    memset(action, 0, sizeof *action);
    action->type = type;
    return action;
}

bool dgw_next_action(dgw *s, dgw_action *ret)
{
    if (s->n_actions == 0)
        return false;
    *ret = s->actions[0];
    s->n_actions--;
    memmove(s->actions, s->actions + 1, s->n_actions * sizeof *s->actions);
    return true;
}

static bool has_session(const dgw *s)
{
    return s->session.session_id[0] != '\0';
}

static void tell(dgw *s, discord_gateway_state state, int code, int64_t retry_in_ms,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void tell(dgw *s, discord_gateway_state state, int code, int64_t retry_in_ms,
                 const char *format, ...)
{
    dgw_action *action = push(s, DGW_STATE);
    va_list args;

    action->state = state;
    action->code = code;
    action->resumable = has_session(s);
    action->retry_in_ms = retry_in_ms;
    va_start(args, format);
    vsnprintf(action->reason, sizeof action->reason, format, args);
    va_end(args);
}

/* -- life -- */

static bool frame_fits(const dgw_config *config)
{
    return config->token && strlen(config->token) <= 1024;
}

dgw *dgw_new(const dgw_config *config)
{
    dgw *s = frame_fits(config) ? calloc(1, sizeof *s) : NULL;

    if (!s)
        return NULL;
    s->config = *config;
    s->token = strdup(config->token);
    s->url = config->url ? strdup(config->url) : NULL;
    s->retry_at = s->answer_by = s->beat_at = DGW_NEVER;
    s->identified_at = INT64_MIN / 2;
    if (config->resume && config->resume->session_id[0]) {
        s->session = *config->resume;
        s->kept_seq = s->session.seq;
        s->session_number = s->kept_session = 1;
    }
    if (!s->token || (config->url && !s->url)) {
        dgw_free(s);
        return NULL;
    }
    return s;
}

void dgw_free(dgw *s)
{
    if (!s)
        return;
    if (s->token)
        explicit_bzero(s->token, strlen(s->token));
    free(s->token);
    free(s->url);
    cJSON_Delete(s->doc);
    free(s);
}

static void forget_session(dgw *s)
{
    memset(&s->session, 0, sizeof s->session);
    s->session_number++;
    s->resume_failures = 0;
}

/* No connection from here on. */
static void leave(dgw *s)
{
    s->open = false;
    s->beat_now = s->hello_frame = false;
    s->beat_at = s->answer_by = s->retry_at = DGW_NEVER;
}

static void fatal(dgw *s, int code, const char *reason)
{
    leave(s);
    s->phase = PHASE_OFF;
    tell(s, DISCORD_GATEWAY_FATAL, code, 0, "%s", reason);
}

/* -- when and where to connect -- */

static int64_t full_jitter(dgw *s)
{
    unsigned doublings = s->failures < 16 ? s->failures : 16;
    int64_t ceiling = (int64_t)BACKOFF_BASE_MS << doublings;

    if (ceiling > s->config.max_backoff_ms)
        ceiling = s->config.max_backoff_ms;
    s->failures++;
    return ceiling * s->config.random(s->config.user) / UINT32_MAX;
}

static void retry(dgw *s, int code, int64_t wait_ms, int64_t now, const char *reason)
{
    leave(s);
    s->phase = PHASE_WAITING;
    s->retry_at = now + wait_ms;
    tell(s, DISCORD_GATEWAY_DISCONNECTED, code, wait_ms, "%s", reason);
}

static void connect_to(dgw *s, const char *url, bool resuming, int64_t now)
{
    char joined[DGW_URL_MAX];
    size_t n = strlen(url);
    const char *join = strchr(url, '?') ? "&" : n && url[n - 1] == '/' ? "?" : "/?";
    durl parts;

    snprintf(joined, sizeof joined, "%s%sv=10&encoding=json%s", url, join,
             s->config.compress ? "&compress=zlib-stream" : "");
    if (!durl_parse(joined, &parts)) {
        if (resuming)
            forget_session(s);
        retry(s, 0, full_jitter(s), now, "the gateway's address is not a WebSocket address");
        return;
    }
    s->phase = PHASE_OPENING;
    s->resuming = resuming;
    s->retry_at = DGW_NEVER;
    s->answer_by = now + s->config.connect_timeout_ms;
    tell(s, DISCORD_GATEWAY_CONNECTING, 0, 0, "%s", resuming ? "to resume" : "to identify");
    memcpy(push(s, DGW_CONNECT)->url, joined, sizeof joined);
}

static void ask(dgw *s)
{
    s->phase = PHASE_ASKING;
    s->retry_at = DGW_NEVER;
    push(s, DGW_ASK);
}

static const char *main_url(const dgw *s)
{
    return s->url ? s->url : s->base_url;
}

/* The address of the next resume: the session's own; after some failures in turn the general
 * one, since the own may be gone for good. Failing to connect never gives the session up. */
static void resume_now(dgw *s, int64_t now)
{
    bool elsewhere = s->connect_failures / URL_TRIES % 2 == 1;
    const char *own = s->session.resume_gateway_url;

    if (!elsewhere && own[0])
        connect_to(s, own, true, now);
    else if (main_url(s)[0])
        connect_to(s, main_url(s), true, now);
    else
        ask(s);
}

static void identify_now(dgw *s, int64_t now)
{
    int64_t wait = s->identified_at + IDENTIFY_SPACING_MS - now;

    if (wait > 0) {
        retry(s, 0, wait, now, "keeping the distance between two identifies");
        return;
    }
    if (s->config.ask_budget && !s->budget_waited)
        ask(s);
    else
        connect_to(s, main_url(s), false, now);
}

static void go(dgw *s, int64_t now)
{
    if (has_session(s))
        resume_now(s, now);
    else
        identify_now(s, now);
}

void dgw_start(dgw *s, int64_t now)
{
    if (s->phase == PHASE_OFF)
        go(s, now);
}

void dgw_stop(dgw *s)
{
    bool connection = s->phase >= PHASE_OPENING;

    leave(s);
    s->phase = PHASE_OFF;
    if (connection)
        push(s, DGW_CLOSE)->code = DGW_CLOSE_CODE;
    tell(s, DISCORD_GATEWAY_STOPPED, 0, 0, "stopped");
}

void dgw_budget(dgw *s, const dgw_budget_info *budget, int64_t now)
{
    char reason[128];
    int64_t wait = 0;

    if (s->phase != PHASE_ASKING)
        return;
    if (budget->url && strlen(budget->url) < sizeof s->base_url)
        strcpy(s->base_url, budget->url);
    if (!main_url(s)[0]) {
        retry(s, 0, full_jitter(s), now, "Discord told no gateway address");
        return;
    }
    if (has_session(s)) {
        connect_to(s, main_url(s), true, now);
        return;
    }
    /* A crash loop must never use the budget up: Discord would reset the token. The last
     * tenth is spread over what is left of the day. */
    if (budget->remaining == 0)
        wait = budget->reset_after_ms > 1000 ? budget->reset_after_ms : 1000;
    else if (budget->remaining < budget->total / 10)
        wait = budget->reset_after_ms / (int64_t)budget->remaining;
    if (wait <= 0) {
        connect_to(s, main_url(s), false, now);
        return;
    }
    s->budget_waited = budget->remaining > 0;
    snprintf(reason, sizeof reason, "the identify budget is low: %llu of %llu left",
             (unsigned long long)budget->remaining, (unsigned long long)budget->total);
    retry(s, 0, wait, now, reason);
}

void dgw_budget_failed(dgw *s, const discord_error *error, int64_t now)
{
    if (s->phase != PHASE_ASKING)
        return;
    if (error->status == DISCORD_EAUTH)
        fatal(s, 0, "Discord refused the token (HTTP 401): check the bot token");
    else
        retry(s, 0, full_jitter(s), now, error->message);
}

/* -- the end of a connection -- */

static void count_failure(dgw *s)
{
    if (s->phase == PHASE_OPENING)
        s->connect_failures++;
    if (s->phase == PHASE_STARTING && s->resuming && ++s->resume_failures >= RESUME_TRIES)
        forget_session(s);
}

void dgw_closed(dgw *s, int code, const char *reason, int64_t now)
{
    const char *words;
    char text[200];
    dgw_close_class class = dgw_classify_close(code, &words);

    if (s->phase < PHASE_OPENING)
        return;
    if (code)
        snprintf(text, sizeof text, "%s (%d%s%.100s)", words, code, *reason ? " " : "", reason);
    else
        snprintf(text, sizeof text, "%s", *reason ? reason : words);
    if (class == DGW_FATAL) {
        fatal(s, code, text);
        return;
    }
    count_failure(s);
    if (class == DGW_NEW_SESSION)
        forget_session(s);
    retry(s, code, full_jitter(s), now, text);
}

/* We end it; the session survives unless told otherwise before. */
static void close_and_retry(dgw *s, int64_t wait_ms, int64_t now, const char *reason)
{
    push(s, DGW_CLOSE)->code = DGW_CLOSE_CODE;
    count_failure(s);
    retry(s, 0, wait_ms, now, reason);
}

void dgw_breach(dgw *s, const char *reason, int64_t now)
{
    if (s->phase >= PHASE_OPENING)
        close_and_retry(s, full_jitter(s), now, reason);
}

/* -- timers -- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When the send window lets one more frame through. */
static int64_t window_opens(const dgw *s)
{
    return s->sent < SEND_LIMIT ? INT64_MIN : s->sent_at[s->sent % SEND_LIMIT] + SEND_WINDOW_MS;
}

int64_t dgw_due(const dgw *s)
{
    int64_t due = earlier(s->retry_at, earlier(s->answer_by, s->beat_at));

    return s->beat_now && s->sent >= SEND_LIMIT ? earlier(due, window_opens(s)) : due;
}

static void beat(dgw *s, int64_t now)
{
    if (!s->acked && !s->held) {
        close_and_retry(s, 0, now, "no heartbeat was acknowledged: the connection is dead");
        return;
    }
    s->acked = false;
    s->beat_now = true;
    s->beat_at = now + s->interval;
}

void dgw_tick(dgw *s, int64_t now)
{
    if (s->retry_at <= now) {
        s->retry_at = DGW_NEVER;
        go(s, now);
    } else if (s->answer_by <= now && s->held && s->open) {
        s->answer_by = now + ANSWER_TIMEOUT_MS; /* it may be waiting unread */
    } else if (s->answer_by <= now) {
        close_and_retry(s, full_jitter(s), now,
                        s->phase == PHASE_STARTING ? "no answer to the identify or resume"
                                                   : "the server never said hello");
    } else if (s->beat_at <= now) {
        beat(s, now);
    }
}

void dgw_hold(dgw *s, bool hold)
{
    s->held = hold;
    s->acked = true;
}

/* -- frames -- */

static cJSON *identify_frame(const dgw *s)
{
    cJSON *d = cJSON_CreateObject();
    cJSON *properties = cJSON_CreateObject();
    bool ok = djson_add_text(d, "token", s->token);

    ok = ok && djson_add_u64(d, "intents", s->config.intents);
    if (s->config.shard_count > 1) {
        int shard[] = {(int)s->config.shard_id, (int)s->config.shard_count};
        ok = ok && djson_add(d, "shard", cJSON_CreateIntArray(shard, 2));
    }
    ok = ok && djson_add_text(properties, "os", "linux");
    ok = ok && djson_add_text(properties, "browser", "discord-c");
    ok = ok && djson_add_text(properties, "device", "discord-c");
    ok = djson_add(d, "properties", properties) && ok;
    if (ok)
        return d;
    cJSON_Delete(d);
    return NULL;
}

static cJSON *resume_frame(const dgw *s)
{
    cJSON *d = cJSON_CreateObject();
    bool ok = djson_add_text(d, "token", s->token);

    ok = ok && djson_add_text(d, "session_id", s->session.session_id);
    ok = ok && djson_add_u64(d, "seq", s->session.seq);
    if (ok)
        return d;
    cJSON_Delete(d);
    return NULL;
}

static bool wrap(int op, cJSON *d, char *ret, size_t *ret_size)
{
    cJSON *frame = cJSON_CreateObject();
    bool ok = d && djson_add_u64(frame, "op", (uint64_t)op);

    if (ok)
        ok = djson_add(frame, "d", d);
    else
        cJSON_Delete(d);
    ok = ok && cJSON_PrintPreallocated(frame, ret, DGW_FRAME_MAX, 0);
    cJSON_Delete(frame);
    *ret_size = ok ? strlen(ret) : 0;
    return ok;
}

static cJSON *beat_number(const dgw *s)
{
    char digits[24];

    if (!has_session(s) || s->kept_session != s->session_number)
        return cJSON_CreateNull();
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)s->kept_seq);
    return cJSON_CreateRaw(digits);
}

bool dgw_started(const dgw *s)
{
    return s->phase >= PHASE_STARTING;
}

bool dgw_frame_ready(const dgw *s, int64_t now)
{
    return s->open && window_opens(s) <= now && (s->hello_frame || s->beat_now);
}

bool dgw_next_frame(dgw *s, int64_t now, char ret[DGW_FRAME_MAX + 1], size_t *ret_size)
{
    bool ok;

    if (!dgw_frame_ready(s, now))
        return false;
    if (s->hello_frame) {
        ok = s->resuming ? wrap(6, resume_frame(s), ret, ret_size)
                         : wrap(2, identify_frame(s), ret, ret_size);
        s->hello_frame = !ok;
        if (ok && !s->resuming)
            s->identified_at = now;
    } else {
        ok = wrap(1, beat_number(s), ret, ret_size);
        s->beat_now = !ok;
    }
    if (ok)
        s->sent_at[s->sent++ % SEND_LIMIT] = now;
    else
        dgw_breach(s, "out of memory for a frame", now);
    return ok;
}

/* -- what the server says -- */

void dgw_opened(dgw *s, int64_t now)
{
    if (s->phase != PHASE_OPENING)
        return;
    s->open = true;
    s->sent = 0;
    s->acked = true;
    s->proven = false;
}

static void on_hello(dgw *s, const cJSON *d, int64_t now)
{
    double interval = djson_number(d, "heartbeat_interval", 0);

    if (s->phase != PHASE_OPENING)
        return;
    if (!(interval > 0)) {
        dgw_breach(s, "a hello without heartbeat interval", now);
        return;
    }
    s->interval = interval < MIN_INTERVAL_MS   ? MIN_INTERVAL_MS
                  : interval > MAX_INTERVAL_MS ? MAX_INTERVAL_MS
                                               : (int64_t)interval;
    s->beat_at = now + s->interval * s->config.random(s->config.user) / UINT32_MAX;
    s->answer_by = now + ANSWER_TIMEOUT_MS;
    s->phase = PHASE_STARTING;
    s->connect_failures = 0;
    s->hello_frame = true;
    s->budget_waited = false;
}

static void on_reconnect(dgw *s, const cJSON *d, int64_t now)
{
    /* Asked for, so no pause: but only once in a row. */
    close_and_retry(s, s->proven ? 0 : full_jitter(s), now, "Discord asked to reconnect");
}

static void on_invalid_session(dgw *s, const cJSON *d, int64_t now)
{
    int64_t wait = 1000 + (int64_t)4000 * s->config.random(s->config.user) / UINT32_MAX;
    bool resumable = cJSON_IsTrue(d) && has_session(s);

    if (!resumable)
        forget_session(s);
    close_and_retry(s, wait, now,
                    resumable ? "Discord paused the session" : "Discord ended the session");
}

static void on_ack(dgw *s, const cJSON *d, int64_t now)
{
    s->acked = true;
    if (s->phase == PHASE_LIVE) {
        s->proven = true;
        s->failures = 0;
    }
}

static void on_beat_request(dgw *s, const cJSON *d, int64_t now)
{
    s->beat_now = true;
}

static void live(dgw *s, discord_gateway_state state, const char *reason)
{
    s->phase = PHASE_LIVE;
    s->answer_by = DGW_NEVER;
    s->resume_failures = 0;
    tell(s, state, 0, 0, "%s", reason);
}

static void on_ready(dgw *s, const cJSON *d)
{
    const char *id = djson_text(d, "session_id");
    const char *url = djson_text(d, "resume_gateway_url");

    forget_session(s);
    if (id && strlen(id) < sizeof s->session.session_id)
        strcpy(s->session.session_id, id);
    if (url && strlen(url) < sizeof s->session.resume_gateway_url)
        strcpy(s->session.resume_gateway_url, url);
    live(s, DISCORD_GATEWAY_READY, "a new session");
}

static bool on_dispatch(dgw *s, const cJSON *frame, int64_t now, dgw_event *ret)
{
    const char *name = djson_text(frame, "t");
    uint64_t seq = 0;
    bool numbered = djson_u64(frame, "s", &seq);

    if (!name || s->phase < PHASE_STARTING)
        return false;
    if (s->phase == PHASE_STARTING) {
        s->answer_by = now + ANSWER_TIMEOUT_MS;
        if (strcmp(name, "READY") == 0)
            on_ready(s, djson_get(frame, "d"));
        else if (strcmp(name, "RESUMED") == 0)
            live(s, DISCORD_GATEWAY_RESUMED, "the session goes on");
    }
    if (numbered && seq > s->session.seq)
        s->session.seq = seq;
    ret->name = name;
    ret->data = djson_get(frame, "d");
    ret->seq = numbered ? seq : s->session.seq;
    return true;
}

typedef void op_fn(dgw *s, const cJSON *d, int64_t now);

static op_fn *const op_table[] = {
    [1] = on_beat_request, [7] = on_reconnect, [9] = on_invalid_session,
    [10] = on_hello,       [11] = on_ack,
};

bool dgw_text(dgw *s, const char *text, size_t size, int64_t now, dgw_event *ret)
{
    uint64_t op;

    if (!s->open)
        return false;
    cJSON_Delete(s->doc);
    s->doc = djson_parse(text, size);
    if (!djson_u64(s->doc, "op", &op)) {
        dgw_breach(s, "a message that is no gateway payload", now);
        return false;
    }
    if (op == 0)
        return on_dispatch(s, s->doc, now, ret);
    if (op < sizeof op_table / sizeof *op_table && op_table[op])
        op_table[op](s, djson_get(s->doc, "d"), now);
    return false;
}

/* -- durability -- */

void dgw_kept(dgw *s, bool kept, int64_t now)
{
    if (kept) {
        s->kept_seq = s->session.seq;
        s->kept_session = s->session_number;
        return;
    }
    if (s->kept_session == s->session_number)
        s->session.seq = s->kept_seq;
    else
        forget_session(s);
    if (s->phase >= PHASE_OPENING)
        close_and_retry(s, full_jitter(s), now, "the program did not keep the last events");
}

void dgw_resume_state(const dgw *s, discord_resume_state *ret)
{
    *ret = s->session;
}
