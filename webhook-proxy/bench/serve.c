/* serve.c - webhook_serve raw|library PORT: answers every POST with a static 200 and keeps nothing,
 * to see what reading HTTP costs by itself: with libwebsockets' RAW role and the least of parsers
 * (the end of the head, Content-Length), or with libmicrohttpd as webhook-proxy runs it. A bench's
 * peer: it trusts whom it talks to. Runs until SIGTERM. */
#include <arpa/inet.h>
#include <libwebsockets.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REQUEST_MAX = 16 * 1024 };

static volatile sig_atomic_t ending;

static void on_signal(int number)
{
    ending = number;
}

/* ---- libwebsockets, RAW ---- */

typedef struct stream {
    char bytes[REQUEST_MAX];
    size_t size, answers;
} stream;

/* The size of the first request; 0: not all of it is there. */
static size_t request_size(const char *bytes, size_t size)
{
    const char *end = memmem(bytes, size, "\r\n\r\n", 4), *length;

    if (end == NULL)
        return 0;
    length = memmem(bytes, (size_t)(end - bytes), "Content-Length: ", 16);
    size_t whole = (size_t)(end - bytes) + 4 + (length ? strtoul(length + 16, NULL, 10) : 0);
    return whole <= size ? whole : 0;
}

static int on_raw(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t size)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    unsigned char buffer[LWS_PRE + sizeof(answer)];
    stream *s = user;

    if (why == LWS_CALLBACK_RAW_RX) {
        size_t one;

        if (s->size + size > sizeof(s->bytes))
            return -1;
        memcpy(s->bytes + s->size, in, size);
        s->size += size;
        while ((one = request_size(s->bytes, s->size)) > 0) {
            memmove(s->bytes, s->bytes + one, s->size - one);
            s->size -= one;
            s->answers++;
        }
        if (s->answers)
            lws_callback_on_writable(wsi);
    } else if (why == LWS_CALLBACK_RAW_WRITEABLE && s->answers) {
        memcpy(buffer + LWS_PRE, answer, sizeof(answer) - 1);
        if (lws_write(wsi, buffer + LWS_PRE, sizeof(answer) - 1, LWS_WRITE_RAW) < 0)
            return -1;
        if (--s->answers)
            lws_callback_on_writable(wsi);
    }
    return 0;
}

static int serve_raw(int port)
{
    static const struct lws_protocols protocols[] = {{"raw", on_raw, sizeof(stream), 0, 0, NULL, 0},
                                                     {NULL, NULL, 0, 0, 0, NULL, 0}};
    struct lws_context_creation_info info = {
        .port = port,
        .iface = "127.0.0.1",
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_ONLY_RAW | LWS_SERVER_OPTION_ADOPT_APPLY_LISTEN_ACCEPT_CONFIG,
        .listen_accept_role = "raw-skt",
        .listen_accept_protocol = "raw"};
    struct lws_context *context;

    lws_set_log_level(LLL_ERR, NULL);
    context = lws_create_context(&info);
    if (context == NULL)
        return EXIT_FAILURE;
    while (!ending && lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    return EXIT_SUCCESS;
}

/* ---- libmicrohttpd ---- */

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **state)
{
    if (*state == NULL) {
        *state = user;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, user);
}

static int serve_library(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char nothing[] = "";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL, (uint16_t)port, NULL, NULL, on_request, response, MHD_OPTION_SOCK_ADDR,
        &address, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);

    if (daemon == NULL)
        return EXIT_FAILURE;
    while (!ending && MHD_run_wait(daemon, 1000) == MHD_YES)
        ;
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    int port = argc == 3 ? atoi(argv[2]) : 0;
    const struct sigaction end = {.sa_handler = on_signal};

    sigaction(SIGTERM, &end, NULL);
    if (port > 0 && strcmp(argv[1], "raw") == 0)
        return serve_raw(port);
    if (port > 0 && strcmp(argv[1], "library") == 0)
        return serve_library(port);
    fprintf(stderr, "usage: webhook_serve raw|library PORT\n");
    return 2;
}
