/* gateway.c - the gateway session on libwebsockets, driven by a thread or by a host loop.
 * Owns one lws context, the link in use and those still closing. Everything except the
 * fields under `lock` belongs to whoever drives it; it may be woken from any thread while
 * `awake` is set.
 * libwebsockets lends its poll loop to nobody, so a host loop watches the links' sockets in an
 * epoll of ours, and looks in often while one is being made or closed.
 * Invariant: on_batch_end follows every turn that delivered an event. */
#include "discord/gateway.h"

#include <errno.h>
#include <libwebsockets.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "json.h"
#include "link.h"
#include "resolve.h"
#include "session.h"
#include "url.h"

#define STOP_LINGER_MS 1000 /* for the close frame, at the end */
#define STOP_TURNS     4    /* of the loop at least: it may have stood still all that time */
#define LINKS          8    /* one in use, the others closing */
#define UNSETTLED_MS   10   /* how often a host loop looks in while a link is made or closed */

/* The question for the identify budget outlives the gateway when Discord is slow. */
typedef struct question {
    pthread_mutex_t lock;
    discord_gateway *gateway; /* NULL: nobody waits */
    unsigned refs;
} question;

struct discord_gateway {
    discord_gateway_options options;
    dgw *session;
    struct lws_context *context;
    char *ca_file;
    dlink_owner owner;
    dlink *links[LINKS]; /* not yet gone */
    dlink *current;      /* one of them, or NULL */
    dresolve *resolve;   /* of a host loop: a name is being looked up, for `target` */
    durl target;
    lws_sorted_usec_list_t timer;
    unsigned delivered; /* events in this turn */
    bool held;
    bool ended;
    int64_t end_by;
    unsigned end_turns;
    bool over; /* the last callback has run */
    bool busy; /* in discord_gateway_process() */
    int epoll_fd;
    int wake_fd; /* of a host loop */
    pthread_t thread;
    question *question;

    pthread_mutex_t lock;
    bool started;
    bool hosted; /* driven by discord_gateway_process() */
    bool awake;  /* there is a loop to be woken */
    bool stop;
    bool hold;
    const discord_result *answer; /* of the question, owned */
    discord_resume_state state;
};

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint32_t random32(void *user)
{
    uint32_t value = 0;

    while (getrandom(&value, sizeof value, 0) < 0 && errno == EINTR)
        ;
    return value;
}

static void wake(discord_gateway *gw)
{
    uint64_t one = 1;

    if (gw->awake && !gw->hosted)
        lws_cancel_service(gw->context);
    while (gw->awake && gw->hosted && write(gw->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void pump(discord_gateway *gw);

/* -- the identify budget, asked over REST -- */

static void question_unref(question *q)
{
    pthread_mutex_lock(&q->lock);
    unsigned left = --q->refs;
    pthread_mutex_unlock(&q->lock);
    if (left)
        return;
    pthread_mutex_destroy(&q->lock);
    free(q);
}

/* On the REST thread. */
static void on_answer(const discord_result *result, void *user)
{
    question *q = user;

    pthread_mutex_lock(&q->lock);
    discord_gateway *gw = q->gateway;
    if (gw) {
        pthread_mutex_lock(&gw->lock);
        discord_result_unref(gw->answer);
        gw->answer = discord_result_ref(result);
        wake(gw);
        pthread_mutex_unlock(&gw->lock);
    }
    pthread_mutex_unlock(&q->lock);
    question_unref(q);
}

static void ask_budget(discord_gateway *gw)
{
    question *q = gw->question;
    discord_error error;

    pthread_mutex_lock(&q->lock);
    q->refs++;
    pthread_mutex_unlock(&q->lock);
    discord_status status = discord_rest_get_gateway_bot(gw->options.rest, on_answer, q);
    if (status == DISCORD_OK)
        return;
    question_unref(q);
    derror_set(&error, status, "the gateway's address cannot be asked: %s",
               discord_status_text(status));
    dgw_budget_failed(gw->session, &error, now_ms());
}

static void take_answer(discord_gateway *gw, const discord_result *result)
{
    const cJSON *limit = djson_get(result->json, "session_start_limit");
    dgw_budget_info budget = {.url = djson_text(result->json, "url")};

    if (result->error.status != DISCORD_OK) {
        dgw_budget_failed(gw->session, &result->error, now_ms());
        return;
    }
    if (!djson_u64(limit, "total", &budget.total))
        budget.total = 1;
    if (!djson_u64(limit, "remaining", &budget.remaining))
        budget.remaining = 1;
    double reset = djson_number(limit, "reset_after", 0);
    budget.reset_after_ms = reset > 0 && reset < 1e12 ? (int64_t)reset : 0;
    dgw_budget(gw->session, &budget, now_ms());
}

/* -- what the link tells -- */

static void on_opened(void *user)
{
    discord_gateway *gw = user;

    dgw_opened(gw->session, now_ms());
}

static void on_closed(int code, const char *reason, void *user)
{
    discord_gateway *gw = user;

    gw->current = NULL;
    dgw_closed(gw->session, code, reason, now_ms());
}

static void on_breach(const char *reason, void *user)
{
    discord_gateway *gw = user;

    dgw_breach(gw->session, reason, now_ms());
    pump(gw);
}

static bool on_frame(char ret[DLINK_FRAME_MAX + 1], size_t *ret_size, void *user)
{
    discord_gateway *gw = user;
    bool ok = dgw_next_frame(gw->session, now_ms(), ret, ret_size);

    pump(gw);
    return ok;
}

static void publish_state(discord_gateway *gw)
{
    pthread_mutex_lock(&gw->lock);
    dgw_resume_state(gw->session, &gw->state);
    pthread_mutex_unlock(&gw->lock);
}

static void on_message(const char *text, size_t size, void *user)
{
    discord_gateway *gw = user;
    dgw_event got;
    int64_t received_at = wall_ms();
    bool event = dgw_text(gw->session, text, size, now_ms(), &got);

    pump(gw);
    if (!event)
        return;
    discord_event out = {got.name, got.data, text, size, got.seq, received_at};
    publish_state(gw);
    gw->delivered++;
    if (gw->options.on_event)
        gw->options.on_event(&out, gw->options.user);
}

/* -- links -- */

static void sweep(discord_gateway *gw)
{
    for (unsigned i = 0; i < LINKS; i++)
        if (gw->links[i] && gw->links[i] != gw->current && dlink_is_gone(gw->links[i])) {
            dlink_free(gw->links[i]);
            gw->links[i] = NULL;
        }
}

/* `address`: of the target's name, when it was looked up. */
static void open_link(discord_gateway *gw, const char *address)
{
    unsigned i = 0;

    sweep(gw);
    while (i < LINKS && gw->links[i])
        i++;
    if (i == LINKS) {
        dgw_closed(gw->session, 0, "too many connections are still closing", now_ms());
        return;
    }
    dlink_open(gw->context, &gw->target, address, &gw->owner, &gw->links[i]);
    if (!gw->links[i])
        dgw_closed(gw->session, 0, "out of memory for a connection", now_ms());
    else if (!dlink_is_gone(gw->links[i]))
        gw->current = gw->links[i];
}

static void connect_link(discord_gateway *gw, const char *url)
{
    if (!durl_parse(url, &gw->target)) {
        dgw_closed(gw->session, 0, "the gateway's address is not a WebSocket address", now_ms());
        return;
    }
    dlog(&gw->options.log, DISCORD_LOG_DEBUG, "connecting to %s port %d", gw->target.host,
         gw->target.port);
    if (!gw->hosted || dresolve_is_address(gw->target.host)) {
        open_link(gw, NULL);
        return;
    }
    gw->resolve = dresolve_start(gw->target.host, gw->wake_fd);
    if (!gw->resolve)
        dgw_closed(gw->session, 0, "out of memory for a name to look up", now_ms());
}

/* The name was looked up, perhaps: then the connection begins. */
static void take_address(discord_gateway *gw)
{
    char address[DRESOLVE_ADDRESS];

    if (!gw->resolve || !dresolve_done(gw->resolve, address))
        return;
    dresolve_drop(gw->resolve);
    gw->resolve = NULL;
    if (*address)
        open_link(gw, address);
    else
        dgw_closed(gw->session, 0, "the name does not resolve", now_ms());
}

static void close_link(discord_gateway *gw, int code)
{
    dresolve_drop(gw->resolve);
    gw->resolve = NULL;
    if (gw->current)
        dlink_close(gw->current, code);
    gw->current = NULL;
}

/* -- the loop -- */

static void tell(discord_gateway *gw, const dgw_action *action)
{
    discord_gateway_status status = {action->state, action->code, action->resumable,
                                     action->retry_in_ms, action->reason};
    static const char *const names[] = {"connecting",   "ready", "resumed",
                                        "disconnected", "fatal", "stopped"};
    discord_log_level level = action->state == DISCORD_GATEWAY_FATAL          ? DISCORD_LOG_ERROR
                              : action->state == DISCORD_GATEWAY_DISCONNECTED ? DISCORD_LOG_WARNING
                                                                              : DISCORD_LOG_INFO;

    dlog(&gw->options.log, level, "gateway %s: %s", names[action->state], action->reason);
    if (!action->resumable) {
        pthread_mutex_lock(&gw->lock);
        memset(&gw->state, 0, sizeof gw->state);
        pthread_mutex_unlock(&gw->lock);
    }
    if (action->state == DISCORD_GATEWAY_STOPPED)
        gw->ended = true;
    else if (gw->options.on_state)
        gw->options.on_state(&status, gw->options.user);
}

/* Takes every action and arms what comes next. */
static void pump(discord_gateway *gw)
{
    dgw_action action;

    while (dgw_next_action(gw->session, &action)) {
        if (action.type == DGW_ASK)
            ask_budget(gw);
        else if (action.type == DGW_CONNECT)
            connect_link(gw, action.url);
        else if (action.type == DGW_CLOSE)
            close_link(gw, action.code);
        else if (action.type == DGW_STATE)
            tell(gw, &action);
    }
}

static void on_timer(lws_sorted_usec_list_t *timer)
{
    /* Only wakes the loop, which ticks: see arm(). */
    discord_gateway *gw = lws_container_of(timer, discord_gateway, timer);

    lws_cancel_service(gw->context);
}

static void arm(discord_gateway *gw)
{
    int64_t due = gw->ended ? gw->end_by : dgw_due(gw->session);
    int64_t wait = due - now_ms();

    lws_sul_cancel(&gw->timer);
    if (due == DGW_NEVER)
        return;
    lws_sul_schedule(gw->context, 0, &gw->timer, on_timer,
                     (lws_usec_t)(wait > 0 ? wait : 0) * 1000 + 1);
}

/* What other threads asked for. */
static void drain(discord_gateway *gw)
{
    pthread_mutex_lock(&gw->lock);
    const discord_result *answer = gw->answer;
    bool stop = gw->stop;
    bool hold = gw->hold;
    gw->answer = NULL;
    pthread_mutex_unlock(&gw->lock);

    if (answer)
        take_answer(gw, answer);
    discord_result_unref(answer);
    if (hold != gw->held) {
        gw->held = hold;
        dgw_hold(gw->session, hold);
    }
    if (stop && !gw->ended) {
        dgw_stop(gw->session);
        gw->end_by = now_ms() + STOP_LINGER_MS;
    }
}

static void end_batch(discord_gateway *gw)
{
    bool kept = true;

    if (!gw->delivered)
        return;
    gw->delivered = 0;
    if (gw->options.on_batch_end)
        kept = gw->options.on_batch_end(gw->options.user) == 0;
    dgw_kept(gw->session, kept, now_ms());
    if (!kept)
        publish_state(gw);
}

/* Asks for what the connection needs now: a chance to write, a pause in reading. */
static void steer(discord_gateway *gw)
{
    dlink *link = gw->current;

    if (!link || !dlink_is_open(link))
        return;
    if (dgw_frame_ready(gw->session, now_ms()))
        dlink_want_frame(link);
    dlink_pause(link, gw->held && dgw_started(gw->session));
}

static bool any_link(const discord_gateway *gw)
{
    for (unsigned i = 0; i < LINKS; i++)
        if (gw->links[i])
            return true;
    return false;
}

static bool finished(const discord_gateway *gw)
{
    return gw->ended && (!any_link(gw) || (gw->end_by <= now_ms() && gw->end_turns >= STOP_TURNS));
}

static void begin(discord_gateway *gw)
{
    dgw_start(gw->session, now_ms());
    pump(gw);
}

/* wait_ms as lws_service() has it: 0 until something happens, -1 not at all. */
static void turn(discord_gateway *gw, int wait_ms)
{
    lws_service(gw->context, wait_ms);
    gw->end_turns += gw->ended;
    end_batch(gw);
    drain(gw);
    if (dgw_due(gw->session) <= now_ms())
        dgw_tick(gw->session, now_ms());
    pump(gw);
    steer(gw);
    sweep(gw);
}

static void end(discord_gateway *gw)
{
    discord_gateway_status stopped = {DISCORD_GATEWAY_STOPPED, 0, 0, 0, "stopped"};

    pthread_mutex_lock(&gw->lock);
    gw->awake = false;
    pthread_mutex_unlock(&gw->lock);
    lws_sul_cancel(&gw->timer);
    lws_context_destroy(gw->context);
    sweep(gw);
    gw->over = true;
    if (gw->options.on_state)
        gw->options.on_state(&stopped, gw->options.user);
}

static void *run(void *user)
{
    discord_gateway *gw = user;

    begin(gw);
    while (!finished(gw)) {
        arm(gw);
        turn(gw, 0);
    }
    end(gw);
    return NULL;
}

/* -- in a host loop -- */

/* Has the links' sockets watched for what they wait for. A socket that is closed leaves the
 * epoll by itself, and a new one may have its number. */
static void watch(const discord_gateway *gw)
{
    for (unsigned i = 0; i < LINKS; i++) {
        int fd = gw->links[i] ? dlink_fd(gw->links[i]) : -1;
        if (fd < 0)
            continue;
        struct epoll_event event = {.events = dlink_events(gw->links[i]), .data.fd = fd};
        if (epoll_ctl(gw->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0)
            epoll_ctl(gw->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void drain_wakes(const discord_gateway *gw)
{
    uint64_t count;

    while (read(gw->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

static bool all_settled(const discord_gateway *gw)
{
    for (unsigned i = 0; i < LINKS; i++)
        if (gw->links[i] && !dlink_is_settled(gw->links[i]))
            return false;
    return true;
}

int discord_gateway_fd(const discord_gateway *gateway)
{
    return gateway->epoll_fd;
}

int discord_gateway_timeout_ms(const discord_gateway *gw)
{
    if (gw->over)
        return -1;
    if (!gw->context || !lws_service_adjust_timeout(gw->context, 1000, 0))
        return 0; /* to be begun; or TLS holds what was read already */
    int64_t due = gw->ended ? gw->end_by : dgw_due(gw->session);
    int64_t wait = due == DGW_NEVER ? INT32_MAX : due - now_ms();
    if (!all_settled(gw) && wait > UNSETTLED_MS)
        wait = UNSETTLED_MS;
    return wait < 0 ? 0 : wait >= INT32_MAX ? -1 : (int)wait;
}

/* The first call: from here on there is no thread. */
static discord_status host(discord_gateway *gw)
{
    pthread_mutex_lock(&gw->lock);
    bool threaded = gw->started && !gw->hosted;
    if (!threaded)
        gw->started = gw->hosted = true;
    pthread_mutex_unlock(&gw->lock);
    if (threaded)
        return DISCORD_EINVAL;
    if (gw->context)
        return DISCORD_OK;
    gw->context = dlink_context_new(gw->ca_file, gw->options.connect_timeout_ms / 1000 + 1);
    if (!gw->context)
        return DISCORD_ENOMEM;
    pthread_mutex_lock(&gw->lock);
    gw->awake = true;
    pthread_mutex_unlock(&gw->lock);
    begin(gw);
    return DISCORD_OK;
}

discord_status discord_gateway_process(discord_gateway *gw)
{
    if (gw->busy)
        return DISCORD_OK; /* from a callback */
    if (gw->over)
        return DISCORD_ECLOSED;
    gw->busy = true;
    discord_status status = host(gw);
    if (status == DISCORD_OK) {
        drain_wakes(gw);
        take_address(gw);
        turn(gw, -1);
        if (finished(gw))
            end(gw);
        else
            watch(gw);
    }
    gw->busy = false;
    return status != DISCORD_OK ? status : gw->over ? DISCORD_ECLOSED : DISCORD_OK;
}

/* Closes, and runs the last callbacks here. */
static void end_hosted(discord_gateway *gw)
{
    while (gw->context && discord_gateway_process(gw) == DISCORD_OK) {
        struct pollfd fd = {.fd = gw->epoll_fd, .events = POLLIN};
        poll(&fd, 1, discord_gateway_timeout_ms(gw));
    }
}

/* -- the public face -- */

static discord_status check(const discord_gateway_options *o, discord_error *reterr)
{
    durl url;

    if (!o->token || !*o->token || strlen(o->token) > 1024)
        return derror_set(reterr, DISCORD_EINVAL, "a gateway needs a token");
    for (const char *c = o->token; *c; c++)
        if (*c <= ' ' || *c > '~')
            return derror_set(reterr, DISCORD_EINVAL, "the token has characters no token has");
    if (!o->url && !o->rest)
        return derror_set(reterr, DISCORD_EINVAL, "a gateway needs a URL or REST to ask for it");
    if (o->url && (strlen(o->url) > 255 || !durl_parse(o->url, &url)))
        return derror_set(reterr, DISCORD_EINVAL, "the gateway URL is not ws:// or wss://");
    if (o->shard_count == 0 || o->shard_id >= o->shard_count)
        return derror_set(reterr, DISCORD_EINVAL, "the shard id must be below the shard count");
    if (o->max_message < 1024 || o->max_message > SIZE_MAX / 4)
        return derror_set(reterr, DISCORD_EINVAL, "max_message is out of range");
    return DISCORD_OK;
}

static bool open_fds(discord_gateway *gw)
{
    struct epoll_event event = {.events = EPOLLIN};

    gw->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    gw->wake_fd = event.data.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return gw->epoll_fd >= 0 && gw->wake_fd >= 0 &&
           epoll_ctl(gw->epoll_fd, EPOLL_CTL_ADD, gw->wake_fd, &event) == 0;
}

static bool fill(discord_gateway *gw, const discord_gateway_options *o)
{
    dgw_config config = {
        .token = o->token,
        .intents = o->intents,
        .shard_id = o->shard_id,
        .shard_count = o->shard_count,
        .url = o->url,
        .ask_budget = o->rest != NULL,
        .compress = o->compress != 0,
        .connect_timeout_ms = o->connect_timeout_ms,
        .max_backoff_ms = o->max_backoff_ms,
        .resume = o->resume,
        .random = random32,
    };

    gw->options = *o;
    gw->owner = (dlink_owner){on_opened, on_message, on_breach,      on_closed,
                              on_frame,  gw,         o->max_message, o->compress != 0};
    gw->session = dgw_new(&config);
    gw->question = calloc(1, sizeof *gw->question);
    gw->ca_file = o->ca_file ? strdup(o->ca_file) : NULL;
    bool fds = open_fds(gw); /* made or not: release() closes them */
    if (!gw->session || !gw->question || (o->ca_file && !gw->ca_file) || !fds)
        return false;
    dgw_resume_state(gw->session, &gw->state);
    gw->options.token = gw->options.url = gw->options.ca_file = NULL;
    gw->options.resume = NULL;
    gw->question->gateway = gw;
    gw->question->refs = 1;
    pthread_mutex_init(&gw->question->lock, NULL);
    return true;
}

static void release(discord_gateway *gw)
{
    dgw_free(gw->session);
    dresolve_drop(gw->resolve);
    free(gw->ca_file);
    if (gw->wake_fd >= 0)
        close(gw->wake_fd);
    if (gw->epoll_fd >= 0)
        close(gw->epoll_fd);
    pthread_mutex_destroy(&gw->lock);
    free(gw);
}

discord_status discord_gateway_new(const discord_gateway_options *options, discord_gateway **ret,
                                   discord_error *reterr)
{
    discord_status status = check(options, reterr);
    discord_gateway *gw = status == DISCORD_OK ? calloc(1, sizeof *gw) : NULL;

    if (status != DISCORD_OK)
        return status;
    if (!gw)
        return derror_set(reterr, DISCORD_ENOMEM, "out of memory");
    pthread_mutex_init(&gw->lock, NULL);
    if (!fill(gw, options)) {
        free(gw->question);
        release(gw);
        return derror_set(reterr, DISCORD_ENOMEM, "out of memory");
    }
    *ret = gw;
    return DISCORD_OK;
}

discord_status discord_gateway_start(discord_gateway *gw)
{
    pthread_mutex_lock(&gw->lock);
    bool started = gw->started;
    gw->started = true;
    pthread_mutex_unlock(&gw->lock);
    if (started)
        return DISCORD_EINVAL;
    gw->context = dlink_context_new(gw->ca_file, gw->options.connect_timeout_ms / 1000 + 1);
    bool ok = gw->context != NULL;
    gw->awake = ok;
    if (ok && pthread_create(&gw->thread, NULL, run, gw) != 0) {
        gw->awake = false;
        lws_context_destroy(gw->context);
        ok = false;
    }
    if (ok)
        return DISCORD_OK;
    pthread_mutex_lock(&gw->lock);
    gw->started = false;
    pthread_mutex_unlock(&gw->lock);
    return DISCORD_ENOMEM;
}

void discord_gateway_stop(discord_gateway *gw)
{
    pthread_mutex_lock(&gw->lock);
    gw->stop = true;
    wake(gw);
    pthread_mutex_unlock(&gw->lock);
}

void discord_gateway_free(discord_gateway *gw)
{
    if (!gw)
        return;
    discord_gateway_stop(gw);
    if (gw->hosted)
        end_hosted(gw);
    else if (gw->started)
        pthread_join(gw->thread, NULL);
    pthread_mutex_lock(&gw->question->lock);
    gw->question->gateway = NULL;
    pthread_mutex_unlock(&gw->question->lock);
    question_unref(gw->question);
    discord_result_unref(gw->answer);
    release(gw);
}

void discord_gateway_hold(discord_gateway *gw, int hold)
{
    pthread_mutex_lock(&gw->lock);
    gw->hold = hold != 0;
    wake(gw);
    pthread_mutex_unlock(&gw->lock);
}

void discord_gateway_resume_state(const discord_gateway *gateway, discord_resume_state *ret)
{
    discord_gateway *gw = (discord_gateway *)(uintptr_t)gateway; /* for its lock only */

    pthread_mutex_lock(&gw->lock);
    *ret = gw->state;
    pthread_mutex_unlock(&gw->lock);
}
