/* link.c - one WebSocket connection on a libwebsockets context.
 * Owns the message being joined from its fragments, and the context that inflates those of
 * this connection. Service thread only.
 * Invariants: closed() is said at most once, whichever of libwebsockets' ways of failing
 * came first (no connection object, connection error, silent destruction, closed); after
 * dlink_close() nothing is said. */
#include "link.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "inflate.h"

#define CLOSE_LINGER_S   3         /* for the close frame */
#define KEEP_BUFFER      (1 << 20) /* a greater message buffer is given back */
#define HEADER_SPACE     16384
#define RECEIVE_SPACE    65536
#define KEEPALIVE_IDLE_S 3600 /* heartbeats find a dead peer long before */

struct dlink {
    const dlink_owner *owner; /* NULL: nobody listens */
    struct lws *wsi;          /* NULL: destroyed */
    bool open;
    bool paused;
    bool wants_write; /* a chance to write was asked for */
    int close_code;   /* to be sent, 0: none */
    char *text;       /* the message so far */
    size_t size;
    size_t space;
    dinflate *inflate; /* NULL: nothing is compressed */
    char frame[LWS_PRE + DLINK_FRAME_MAX + 1];
};

static void over(dlink *link, int code, const char *reason)
{
    const dlink_owner *owner = link->owner;

    link->owner = NULL;
    if (owner)
        owner->closed(code, reason, owner->user);
}

/* -- reading -- */

static bool grow(dlink *link, size_t need)
{
    size_t space = link->space ? link->space : 4096;

    while (space < need)
        space *= 2;
    if (space == link->space)
        return true;
    char *text = realloc(link->text, space);
    if (!text)
        return false;
    link->text = text;
    link->space = space;
    return true;
}

static void reset_text(dlink *link)
{
    link->size = 0;
    if (link->space <= KEEP_BUFFER)
        return;
    free(link->text);
    link->text = NULL;
    link->space = 0;
}

/* Takes a piece; NULL, or what is wrong with it. */
static const char *join(dlink *link, const char *in, size_t n, size_t rest)
{
    size_t max = link->owner->max_message;

    if (n > max || rest > max - n || link->size > max - n - rest)
        return "a message above the size limit";
    if (!grow(link, link->size + n + rest + 1))
        return "out of memory for a message";
    if (n)
        memcpy(link->text + link->size, in, n);
    link->size += n;
    return NULL;
}

/* A piece of a compressed message; `last`: with it the message ends. */
static void receive_compressed(dlink *link, const char *in, size_t n, bool last)
{
    const dlink_owner *owner = link->owner;
    const char *wrong = link->inflate ? dinflate_feed(link->inflate, in, n) : "a binary message";
    size_t size;

    if (wrong) {
        owner->breach(wrong, owner->user);
        return;
    }
    const char *text = last ? dinflate_payload(link->inflate, &size) : NULL;
    if (text)
        owner->message(text, size, owner->user);
}

static void receive(dlink *link, const char *in, size_t n)
{
    const dlink_owner *owner = link->owner;
    size_t rest = lws_remaining_packet_payload(link->wsi);
    bool last = !rest && lws_is_final_fragment(link->wsi);

    if (lws_frame_is_binary(link->wsi)) {
        receive_compressed(link, in, n, last);
        return;
    }
    const char *wrong = join(link, in, n, rest);
    if (wrong) {
        reset_text(link);
        owner->breach(wrong, owner->user);
    } else if (last) {
        link->text[link->size] = '\0';
        owner->message(link->text, link->size, owner->user);
        reset_text(link);
    }
}

/* -- writing; -1 closes the connection -- */

static int writable(dlink *link)
{
    const dlink_owner *owner = link->owner;
    size_t size;

    link->wants_write = false;
    if (link->close_code) {
        lws_close_reason(link->wsi, (enum lws_close_status)link->close_code, NULL, 0);
        return -1;
    }
    if (!owner || !owner->frame(link->frame + LWS_PRE, &size, owner->user))
        return 0;
    unsigned char *at = (unsigned char *)link->frame + LWS_PRE;
    int sent = lws_write(link->wsi, at, size, LWS_WRITE_TEXT);
    explicit_bzero(at, size); /* it may hold the token */
    return sent < (int)size ? -1 : 0;
}

/* -- the end -- */

/* Of the callback's wsi: link->wsi is not set yet when connecting fails at once. */
static void refused(dlink *link, struct lws *wsi, const char *in, size_t n)
{
    unsigned status = lws_http_client_http_response(wsi);
    char text[128];

    if (status && status != 101)
        snprintf(text, sizeof text, "the gateway answered HTTP %u", status);
    else if (in && memmem(in, n, "SSL", 3)) /* libwebsockets never says why */
        snprintf(text, sizeof text,
                 "the TLS handshake failed: is the certificate trusted and of this name?");
    else
        snprintf(text, sizeof text, "connecting failed: %.*s", (int)(n < 96 ? n : 96),
                 in ? in : "");
    over(link, 0, text);
}

static void peer_close(dlink *link, const unsigned char *in, size_t n)
{
    int code = n >= 2 ? in[0] << 8 | in[1] : 0;
    char text[124] = "";

    if (n > 2)
        memcpy(text, in + 2, n - 2 < sizeof text - 1 ? n - 2 : sizeof text - 1);
    over(link, code, text);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t n)
{
    dlink *link = user;

    if (!link)
        return 0;
    switch (why) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        link->wsi = wsi;
        link->open = true;
        if (link->owner)
            link->owner->opened(link->owner->user);
        return link->owner ? 0 : -1;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (link->owner)
            receive(link, in, n);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return writable(link);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        peer_close(link, in, n);
        return 0;
    case LWS_CALLBACK_CLIENT_HTTP_REDIRECT:
        return 1; /* a gateway does not move; never follow */
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        refused(link, wsi, in, in ? n : 0);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        over(link, 0, "connection lost");
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        over(link, 0, link->open ? "connection lost" : "the upgrade was never answered");
        link->wsi = NULL;
        return 0;
    default:
        return 0;
    }
}

/* -- the owner's side -- */

static const struct lws_protocols protocols[] = {
    {"discord", on_lws, 0, RECEIVE_SPACE, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

static const lws_retry_bo_t keepalive = {
    .secs_since_valid_ping = KEEPALIVE_IDLE_S,
    .secs_since_valid_hangup = KEEPALIVE_IDLE_S + 60,
};

struct lws_context *dlink_context_new(const char *ca_file, unsigned timeout_s)
{
    struct lws_context_creation_info info = {0};

    lws_set_log_level(0, NULL); /* a library does not print */
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = protocols;
    info.gid = (gid_t)-1;
    info.uid = (uid_t)-1;
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.max_http_header_data = HEADER_SPACE;
    info.pt_serv_buf_size = RECEIVE_SPACE;
    info.timeout_secs = timeout_s;
    info.client_ssl_ca_filepath = ca_file;
    info.retry_and_idle_policy = &keepalive;
    return lws_create_context(&info);
}

void dlink_open(struct lws_context *context, const durl *url, const char *address,
                const dlink_owner *owner, dlink **ret)
{
    struct lws_client_connect_info ci = {0};
    dlink *link = calloc(1, sizeof *link);

    if (link && owner->compressed && !(link->inflate = dinflate_new(owner->max_message))) {
        free(link);
        link = NULL;
    }
    *ret = link;
    if (!link)
        return;
    link->owner = owner;
    ci.context = context;
    ci.address = address ? address : url->host;
    ci.host = url->host; /* the name that the certificate must be of */
    ci.port = url->port;
    ci.path = url->path;
    ci.ssl_connection = url->tls ? LCCSCF_USE_SSL : 0;
    ci.alpn = "http/1.1";
    ci.ietf_version_or_minus_one = -1;
    ci.userdata = link;
    ci.pwsi = &link->wsi;
    ci.local_protocol_name = "discord";
    if (!lws_client_connect_via_info(&ci)) {
        link->wsi = NULL;
        over(link, 0, "the name does not resolve or nothing answers there");
    }
}

void dlink_close(dlink *link, int code)
{
    link->owner = NULL;
    link->close_code = code;
    if (!link->wsi)
        return;
    if (!link->open) {
        lws_set_timeout(link->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
        return;
    }
    dlink_pause(link, false); /* the peer's close frame must be read */
    lws_callback_on_writable(link->wsi);
    lws_set_timeout(link->wsi, PENDING_TIMEOUT_USER_REASON_BASE, CLOSE_LINGER_S);
}

void dlink_want_frame(dlink *link)
{
    if (!link->open || !link->wsi)
        return;
    link->wants_write = true;
    lws_callback_on_writable(link->wsi);
}

void dlink_pause(dlink *link, bool pause)
{
    if (!link->open || !link->wsi || link->paused == pause)
        return;
    link->paused = pause;
    lws_rx_flow_control(link->wsi, !pause);
}

bool dlink_is_open(const dlink *link)
{
    return link->open;
}

int dlink_fd(const dlink *link)
{
    return link->wsi ? lws_get_socket_fd(link->wsi) : -1;
}

unsigned dlink_events(const dlink *link)
{
    bool writes = link->wants_write || (link->open && link->wsi && lws_partial_buffered(link->wsi));

    return (link->paused ? 0 : (unsigned)EPOLLIN) | (writes ? (unsigned)EPOLLOUT : 0);
}

bool dlink_is_settled(const dlink *link)
{
    return link->open && link->wsi && !link->close_code;
}

bool dlink_is_gone(const dlink *link)
{
    return link->wsi == NULL;
}

void dlink_free(dlink *link)
{
    if (!link)
        return;
    dinflate_free(link->inflate);
    free(link->text);
    free(link);
}
