/* server.c - connections, by libmicrohttpd, on one thread.
 * Owns that thread and the one that syncs, the listening socket, the list of connections with their
 * deadlines and the ready-made answers. A turn: the library reads all requests that are there; what
 * they brought is stored in one batch; the library asks again for the answers of those that waited
 * for it. So the more there is to do, the more share one sync. A small batch is stored on the spot,
 * which is quickest; a large one by the other thread, while this one reads on.
 * Invariants: an answer of 200 is queued only after spool_commit() said so; one batch is stored at
 * a time, in the order in which they were read; when one is not stored, none of those that were
 * read meanwhile counts. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/address.h"
#include "daemon/clock.h"
#include "daemon/log.h"
#include "request.h"

enum {
    CONNECTION_MEMORY = 24 * 1024, /* a head and its list; the library wipes it for each request */
    BODIES_MAX_BYTES = 256 << 20,
    OVERRUN_MAX_BYTES = 4 << 20,
    SWEEP_MS = 250,
    STORE_ASIDE = 8 /* requests; fewer are stored on the spot */
};

/* Every answer there is. `close`: what follows on this connection cannot be trusted. */
static const struct {
    unsigned status;
    const char *text, *header, *value;
    bool close;
} answers[] = {
    {200, "", NULL, NULL, false},
    {400, "this is not a request we read\n", NULL, NULL, true},
    {401, "the signature does not match\n", NULL, NULL, false},
    {404, "there is nothing here\n", NULL, NULL, false},
    {405, "not with this method\n", "Allow", "POST", false},
    {411, "the length of the body is missing\n", NULL, NULL, true},
    {413, "the body is too large\n", NULL, NULL, true},
    {415, "send the body without an encoding\n", NULL, NULL, false},
    {429, "too many events\n", "Retry-After", "1", false},
    {431, "the head is too large\n", NULL, NULL, true},
    {503, "not now\n", "Retry-After", "5", false},
};
enum { ANSWERS = sizeof(answers) / sizeof(*answers) };

typedef struct peer {
    struct peer *previous, *next;
    int fd;
    int64_t deadline; /* monotonic */
    bool trusted;     /* a proxy of ours: what it forwards counts */
    char address[INET6_ADDRSTRLEN];
} peer;

struct server {
    struct MHD_Daemon *daemon;
    struct MHD_Response *responses[ANSWERS];
    daemon_counter *answered[ANSWERS];
    daemon_histogram *latency;
    server_limits limits;
    const trust *trusted;
    spool *spool;
    char address[80];

    pthread_mutex_t lock; /* of the sources */
    sources *sources;

    pthread_t thread;
    bool running;
    int wake_fd; /* says that draining or ending changed */
    atomic_bool draining, ending;
    atomic_size_t open; /* requests that were begun and not answered */

    /* Between this thread and the one that syncs. */
    pthread_t storer;
    bool storer_running;
    pthread_mutex_t store_lock;
    pthread_cond_t store_wake;
    bool to_store, storer_ends; /* under the lock */
    bool is_stored;             /* the same: and how in `stored` */
    int stored;

    /* The thread's own. */
    peer peers; /* head of a ring */
    size_t peer_count;
    struct exchange *waiting; /* for their batch to be stored */
    struct exchange *storing; /* their batch is with the other thread */
    size_t waiting_count, storing_count;
    size_t body_bytes; /* of all requests together */
    int64_t sweep_at;  /* monotonic */
};

/* A request and what the server has to know of it. */
typedef struct exchange {
    struct exchange *next, **at; /* in one of the two lists, or NULL */
    request request;
    server *self;
    struct MHD_Connection *connection;
    peer *peer;
    request_head head; /* its texts are the library's, until the request is over */
    size_t counted;    /* of body_bytes */
    size_t overrun;
    int64_t started; /* monotonic */
    bool accepted;   /* in a batch; its status is 0 until that is stored */
} exchange;

/* ---- answers ---- */

static enum MHD_Result answer(exchange *e, struct MHD_Connection *connection, unsigned status)
{
    server *self = e->self;
    int i = 0;

    while (answers[i].status != status)
        i++;
    daemon_counter_add(self->answered[i], 1);
    if (status == 200)
        daemon_histogram_observe(self->latency, (daemon_monotonic_ms() - e->started) * 1000);
    else if (daemon_log_enabled(DAEMON_DEBUG))
        daemon_log(DAEMON_DEBUG, "request refused", "status=%u peer=%s", status, e->peer->address);
    return MHD_queue_response(connection, status, self->responses[i]);
}

static int make_answers(server *self, daemon_metrics *metrics)
{
    static char labels[ANSWERS][24];

    for (int i = 0; i < ANSWERS; i++) {
        char *text = strdup(answers[i].text);
        struct MHD_Response *r =
            text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE)
                 : NULL;

        if (r == NULL)
            return -ENOMEM;
        self->responses[i] = r;
        MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
        MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
        if (answers[i].header)
            MHD_add_response_header(r, answers[i].header, answers[i].value);
        if (answers[i].close)
            MHD_add_response_header(r, "Connection", "close");
        snprintf(labels[i], sizeof(labels[i]), "status=\"%u\"", answers[i].status);
        self->answered[i] = daemon_counter_new(metrics, "webhook_requests_total", labels[i],
                                               "Requests by the status they were answered with.");
    }
    return 0;
}

/* ---- events ---- */

static enum MHD_Result add_to_head(void *user, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct {
        request_head *head;
        const signature_scheme *scheme;
    } *c = user;

    request_head_add(c->head, name, value ? value : "", c->scheme);
    return MHD_YES;
}

static void read_head(exchange *e)
{
    struct {
        request_head *head;
        const signature_scheme *scheme;
    } context = {&e->head, e->request.from ? &e->request.from->scheme : NULL};

    e->head.content_length = -1;
    MHD_get_connection_values(e->connection, MHD_HEADER_KIND, add_to_head, &context);
}

/* A head that is larger was refused, so all fits: the end is what proxies of ours appended. */
enum { FORWARDED_MAX = HEADER_BYTES_MAX };

/* Joins the headers' values. */
static enum MHD_Result add_forwarded(void *user, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    char *list = user;
    size_t used = strlen(list);

    if (strcasecmp(name, "x-forwarded-for") == 0 && value)
        snprintf(list + used, FORWARDED_MAX - used, "%s%s", used ? "," : "", value);
    return MHD_YES;
}

static void find_client(exchange *e, char *ret, size_t size)
{
    char list[FORWARDED_MAX];

    list[0] = '\0';
    MHD_get_connection_values(e->connection, MHD_HEADER_KIND, add_forwarded, list);
    trust_client(e->self->trusted, e->peer->address, list, ret, size);
}

static enum MHD_Result add_to_record(void *user, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    record *event = user;
    size_t i = event->header_count;

    if (i < RECORD_HEADERS_MAX) {
        event->headers[i].name = record_string(name);
        event->headers[i].value = record_string(request_header_is_secret(name) ? "[redacted]"
                                                : value                        ? value
                                                                               : "");
        event->header_count++;
    }
    return MHD_YES;
}

static int64_t body_limit(const exchange *e)
{
    int64_t own = e->request.from->body_bytes, all = e->self->limits.body_bytes;

    return own && own < all ? own : all;
}

static void put_in(exchange **list, exchange *e)
{
    e->next = *list;
    e->at = list;
    if (e->next)
        e->next->at = &e->next;
    *list = e;
}

static void take_out(exchange *e)
{
    if (e->at == NULL)
        return;
    *e->at = e->next;
    if (e->next)
        e->next->at = e->at;
    e->at = NULL;
}

/* The body is complete: store it, or say why not. */
static enum MHD_Result finish(exchange *e)
{
    request *r = &e->request;
    record event; /* request_accept() fills in the rest */
    char client[INET6_ADDRSTRLEN + 1];

    if (r->too_large)
        return answer(e, e->connection, 413);
    event.peer = record_string(e->peer->address);
    if (e->peer->trusted) {
        find_client(e, client, sizeof(client));
        event.peer = record_string(client);
    }
    event.header_count = 0;
    MHD_get_connection_values(e->connection, MHD_HEADER_KIND, add_to_record, &event);
    r->status = request_accept(r, &e->head, &event, daemon_wall_ms());
    if (r->status == 0)
        r->status = request_status_of(spool_accept(e->self->spool, r->item.key, r->item.payload,
                                                   r->item.size, r->item.now_ms));
    if (r->status != 200)
        return answer(e, e->connection, r->status);
    r->status = 0;
    e->accepted = true;
    put_in(&e->self->waiting, e);
    e->self->waiting_count++;
    return MHD_YES; /* without an answer: the library asks again in its next run */
}

static enum MHD_Result take_body(exchange *e, const char *bytes, size_t size)
{
    request *r = &e->request;
    size_t before = r->capacity;

    if (e->self->body_bytes > BODIES_MAX_BYTES || !request_take(r, bytes, size, body_limit(e)))
        return MHD_NO;
    e->self->body_bytes += r->capacity - before;
    e->counted += r->capacity - before;
    if (r->too_large)
        e->overrun += size;
    return e->overrun > OVERRUN_MAX_BYTES ? MHD_NO : MHD_YES;
}

/* ---- paths ---- */

/* "/v1/COMMUNITY/SOURCE" exactly. */
static bool find_source(exchange *e, const char *path)
{
    const char *community = path + 4, *slash;

    if (strncmp(path, "/v1/", 4) != 0)
        return false;
    slash = strchr(community, '/');
    if (slash == NULL)
        return false;
    pthread_mutex_lock(&e->self->lock);
    e->request.set = sources_ref(e->self->sources);
    pthread_mutex_unlock(&e->self->lock);
    e->request.from = sources_find(e->request.set, community, (size_t)(slash - community),
                                   slash + 1, strlen(slash + 1));
    return e->request.from != NULL;
}

static unsigned check_health(exchange *e, const char *path, const char *method)
{
    spool_state state;

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return 404;
    if (strcmp(path, "/healthz") == 0)
        return 200;
    spool_get_state(e->self->spool, &state);
    return state.writable && !atomic_load(&e->self->draining) ? 200 : 503;
}

/* What the head alone decides; 0: read the body. */
static unsigned check(exchange *e, const char *path, const char *method)
{
    if (strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0)
        return check_health(e, path, method);
    if (!find_source(e, path))
        return 404;
    if (strcmp(method, "POST") != 0)
        return 405;
    if (atomic_load(&e->self->draining))
        return 503;
    read_head(e);
    return request_head_check(&e->head, body_limit(e));
}

static exchange *begin(server *self, struct MHD_Connection *connection)
{
    exchange *e = calloc(1, sizeof(*e));
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    if (e == NULL || info == NULL || info->socket_context == NULL) {
        free(e);
        return NULL;
    }
    e->self = self;
    e->connection = connection;
    e->peer = info->socket_context;
    e->started = daemon_monotonic_ms();
    atomic_fetch_add(&self->open, 1);
    return e;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **state)
{
    exchange *e = *state;

    if (e == NULL) {
        unsigned status;

        e = begin(user, connection);
        if (e == NULL)
            return MHD_NO;
        *state = e;
        status = check(e, path, method);
        return status ? answer(e, connection, status) : MHD_YES;
    }
    if (*size > 0) {
        enum MHD_Result r = take_body(e, bytes, *size);

        *size = 0;
        return r;
    }
    if (!e->accepted)
        return finish(e);
    return e->request.status ? answer(e, connection, e->request.status) : MHD_YES;
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    exchange *e = *state;

    if (e == NULL)
        return;
    take_out(e); /* its sender may have gone before his event was stored */
    e->peer->deadline = daemon_monotonic_ms() + e->self->limits.request_ms;
    e->self->body_bytes -= e->counted;
    atomic_fetch_sub(&e->self->open, 1);
    request_done(&e->request);
    free(e);
    *state = NULL;
}

/* ---- connections ---- */

static void name_peer(struct MHD_Connection *connection, peer *p)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    socklen_t size;

    if (info == NULL || info->client_addr == NULL)
        return;
    size = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                    : sizeof(struct sockaddr_in);
    getnameinfo(info->client_addr, size, p->address, sizeof(p->address), NULL, 0, NI_NUMERICHOST);
}

static void add_peer(server *self, struct MHD_Connection *connection, void **ret)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    peer *p = calloc(1, sizeof(*p));

    if (p == NULL || info == NULL) {
        free(p);
        return;
    }
    name_peer(connection, p);
    p->trusted = trust_has(self->trusted, p->address);
    self->peer_count++;
    p->fd = info->connect_fd;
    p->deadline = daemon_monotonic_ms() + self->limits.request_ms;
    p->next = &self->peers;
    p->previous = self->peers.previous;
    p->previous->next = p->next->previous = p;
    *ret = p;
}

/* Called by the library before it closes the socket, so a swept fd is always still its own. */
static void on_connection(void *user, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode what)
{
    server *self = user;
    peer *p = *state;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        add_peer(self, connection, state);
        return;
    }
    if (p == NULL)
        return;
    p->previous->next = p->next;
    p->next->previous = p->previous;
    self->peer_count--;
    free(p);
    *state = NULL;
}

/* Ends connections that took too long. */
static void sweep(server *self)
{
    int64_t now = daemon_monotonic_ms();

    if (now < self->sweep_at)
        return;
    self->sweep_at = now + SWEEP_MS;
    for (peer *p = self->peers.next; p != &self->peers; p = p->next)
        if (p->deadline <= now) {
            shutdown(p->fd, SHUT_RDWR);
            p->deadline = INT64_MAX;
        }
}

/* ---- the thread ---- */

/* The batch of a list is stored, or is not. */
static void tell(exchange **list, int r)
{
    while (*list) {
        exchange *e = *list;

        take_out(e);
        e->request.status = request_status_of(r);
    }
}

/* What is read next is refused as well when this was not stored. */
static void finish_batch(server *self, int r)
{
    tell(&self->storing, r);
    self->storing_count = 0;
    if (r == 0)
        return;
    spool_discard(self->spool);
    tell(&self->waiting, r);
    self->waiting_count = 0;
}

/* Stores what the requests of this turn brought; true: done already. */
static bool store_batch(server *self)
{
    const bool aside = self->waiting_count >= STORE_ASIDE;

    spool_seal(self->spool);
    self->storing = self->waiting;
    if (self->storing)
        self->storing->at = &self->storing;
    self->storing_count = self->waiting_count;
    self->waiting = NULL;
    self->waiting_count = 0;
    if (!aside) {
        finish_batch(self, spool_commit(self->spool));
        return true;
    }
    pthread_mutex_lock(&self->store_lock);
    self->to_store = true;
    pthread_cond_signal(&self->store_wake);
    pthread_mutex_unlock(&self->store_lock);
    return false;
}

/* True: the other thread is done, and its answers can be given. */
static bool take_stored(server *self)
{
    bool over;
    int r;

    pthread_mutex_lock(&self->store_lock);
    over = self->is_stored;
    r = self->stored;
    self->is_stored = false;
    pthread_mutex_unlock(&self->store_lock);
    if (over)
        finish_batch(self, r);
    return over;
}

static void wake(server *self)
{
    const uint64_t one = 1;

    (void)!write(self->wake_fd, &one, sizeof(one)); /* fails only when it is awake already */
}

static void *store_aside(void *user)
{
    server *self = user;

    pthread_mutex_lock(&self->store_lock);
    while (!self->storer_ends) {
        int r;

        if (!self->to_store) {
            pthread_cond_wait(&self->store_wake, &self->store_lock);
            continue;
        }
        self->to_store = false;
        pthread_mutex_unlock(&self->store_lock);
        r = spool_commit(self->spool);
        pthread_mutex_lock(&self->store_lock);
        self->stored = r;
        self->is_stored = true;
        wake(self);
    }
    pthread_mutex_unlock(&self->store_lock);
    return NULL;
}

/* Reads what is there. A sync takes as long as a dozen requests, so whoever sent one meanwhile
 * comes into the same batch, as long as each look brings many more. */
static void read_requests(server *self)
{
    size_t before;

    do {
        before = self->waiting_count;
        MHD_run(self->daemon);
    } while (self->storing_count == 0 && self->waiting_count < self->peer_count &&
             (self->waiting_count - before) * 4 > self->waiting_count);
}

static void wait_for_sockets(server *self, int sockets)
{
    struct pollfd fds[] = {{sockets, POLLIN, 0}, {self->wake_fd, POLLIN, 0}};
    MHD_UNSIGNED_LONG_LONG wanted;
    int timeout = SWEEP_MS;
    uint64_t count;

    /* Of requests whose batch is under way the library would ask again at once. */
    if (self->storing_count == 0 && MHD_get_timeout(self->daemon, &wanted) == MHD_YES &&
        wanted < SWEEP_MS)
        timeout = (int)wanted;
    if (poll(fds, 2, timeout) > 0 && fds[1].revents)
        (void)!read(self->wake_fd, &count, sizeof(count));
}

static void stop_accepting(server *self)
{
    int fd = MHD_quiesce_daemon(self->daemon);

    if (fd >= 0)
        close(fd);
}

static void *serve(void *user)
{
    server *self = user;
    int sockets = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    bool accepting = true;

    while (!atomic_load(&self->ending)) {
        bool told;

        read_requests(self);
        told = self->storing_count > 0 && take_stored(self);
        if (self->storing_count == 0 && self->waiting_count > 0)
            told = store_batch(self) || told;
        if (told)
            continue; /* the answers */
        sweep(self);
        if (accepting && atomic_load(&self->draining)) {
            stop_accepting(self);
            accepting = false;
        }
        wait_for_sockets(self, sockets);
    }
    return NULL;
}

/* ---- life ---- */

/* Paths are compared as they were sent. */
static size_t keep_escapes(void *user, struct MHD_Connection *connection, char *text)
{
    return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void log_library(void *user, const char *format,
                                                              va_list args)
{
    char text[300];

    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    daemon_log(DAEMON_DEBUG, "http", "detail=%s", text);
}

static struct MHD_Daemon *start_library(server *self, const server_options *options, int fd)
{
    static char versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
    const bool tls = options->certificate != NULL;
    const unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0);
    /* GnuTLS keeps its own copies. */
    struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (char *)(uintptr_t)options->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (char *)(uintptr_t)options->private_key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, versions},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, self, MHD_OPTION_EXTERNAL_LOGGER, log_library, self,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)self->limits.connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)self->limits.connections_per_ip, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(self->limits.request_ms / 1000 + 1), MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
        self, MHD_OPTION_NOTIFY_COMPLETED, on_completed, self, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, self, MHD_OPTION_ARRAY, tls ? secure : none, MHD_OPTION_END);
}

int server_new(const server_options *options, server **ret, char *reason, size_t reason_size)
{
    server *self = calloc(1, sizeof(*self));
    int fd, r;

    if (self == NULL)
        return -ENOMEM;
    pthread_mutex_init(&self->lock, NULL);
    pthread_mutex_init(&self->store_lock, NULL);
    pthread_cond_init(&self->store_wake, NULL);
    self->peers.next = self->peers.previous = &self->peers;
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->limits = options->limits;
    self->trusted = options->trusted;
    self->spool = options->spool;
    self->sources = sources_ref(options->sources);
    self->latency = daemon_histogram_new(options->metrics, "webhook_acknowledge_seconds", NULL,
                                         "From the head of a request to its durable answer.");
    fd = self->wake_fd < 0 ? -errno : daemon_address_listen(options->listen, reason, reason_size);
    r = fd < 0 ? fd : make_answers(self, options->metrics);
    if (r == 0) {
        daemon_address_name(fd, self->address, sizeof(self->address));
        self->daemon = start_library(self, options, fd);
        if (self->daemon == NULL) {
            snprintf(reason, reason_size, "the HTTP server does not start at %s%s", options->listen,
                     options->certificate ? "; is TLS_KEY_FILE the key of TLS_CERT_FILE?" : "");
            close(fd);
            r = -EIO;
        }
    }
    if (r == 0) {
        r = -pthread_create(&self->storer, NULL, store_aside, self);
        self->storer_running = r == 0;
    }
    if (r == 0) {
        r = -pthread_create(&self->thread, NULL, serve, self);
        self->running = r == 0;
    }
    if (r < 0) {
        server_free(self);
        return r;
    }
    *ret = self;
    return 0;
}

void server_free(server *self)
{
    if (self == NULL)
        return;
    atomic_store(&self->ending, true);
    if (self->running) {
        wake(self);
        pthread_join(self->thread, NULL);
    }
    if (self->storer_running) {
        pthread_mutex_lock(&self->store_lock);
        self->storer_ends = true;
        pthread_cond_signal(&self->store_wake);
        pthread_mutex_unlock(&self->store_lock);
        pthread_join(self->storer, NULL);
    }
    if (self->daemon)
        MHD_stop_daemon(self->daemon);
    for (int i = 0; i < ANSWERS; i++)
        if (self->responses[i])
            MHD_destroy_response(self->responses[i]);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    sources_unref(self->sources);
    pthread_cond_destroy(&self->store_wake);
    pthread_mutex_destroy(&self->store_lock);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

const char *server_address(const server *self)
{
    return self->address;
}

void server_set_sources(server *self, sources *set)
{
    sources *old;

    pthread_mutex_lock(&self->lock);
    old = self->sources;
    self->sources = sources_ref(set);
    pthread_mutex_unlock(&self->lock);
    sources_unref(old);
}

void server_drain(server *self)
{
    atomic_store(&self->draining, true);
    wake(self);
}

bool server_is_idle(server *self)
{
    return atomic_load(&self->open) == 0;
}
