/* client_link_test.c - the WebSocket over a transport that breaks without a word. */
#include "tests/support.h"

#include "client_link.h"
#include "mem.h"

/* Open at once, never has bytes, loses whatever is sent, and tells of it nowhere else. */
static int closes;

static convex_status dead_connect(cvx_transport *transport, const char *url)
{
    return CONVEX_OK;
}

static cvx_transport_state dead_process(cvx_transport *transport, int64_t now_ms)
{
    return CVX_TRANSPORT_OPEN;
}

static int64_t dead_deadline(const cvx_transport *transport)
{
    return INT64_MAX;
}

static cvx_io dead_receive(cvx_transport *transport, void *ret, size_t capacity, size_t *ret_len)
{
    return CVX_IO_AGAIN;
}

static cvx_io dead_send(cvx_transport *transport, const void *data, size_t len, size_t *ret_len)
{
    return CVX_IO_BROKEN;
}

static void dead_want_write(cvx_transport *transport, bool want)
{
}

static const char *dead_error(const cvx_transport *transport)
{
    return "the wire is cut";
}

static void dead_close(cvx_transport *transport)
{
    closes++;
}

static void dead_free(cvx_transport *transport)
{
}

static const cvx_transport_ops dead_ops = {dead_connect, dead_process, dead_deadline,
                                           dead_receive, dead_send,    dead_want_write,
                                           dead_error,   dead_close,   dead_free};

static const char *no_fault(const convex_transport_factory *factory, const convex_network *network)
{
    return NULL;
}

static cvx_transport *make_dead(const convex_transport_factory *factory,
                                const cvx_transport_config *config)
{
    static cvx_transport dead = {&dead_ops};
    return &dead;
}

TEST(a_write_that_fails_ends_the_connection_without_a_word_from_the_socket)
{
    static const convex_transport_factory factory = {no_fault, make_dead};
    convex_network network = {.ca_file = NULL};
    cvx_link link;
    cvx_link_event event;
    convex_error error = {0};
    cvx_link_config config = {.mem = cvx_mem(NULL),
                              .url = "http://h",
                              .client_name = "test-1.0.0",
                              .network = &network,
                              .transport = &factory,
                              .max_message = 1024,
                              .epoll_fd = -1};
    if (cvx_link_init(&link, &config, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
    for (int i = 1; i <= 2; i++) { /* and the next one is none the worse for it */
        assert_int_equal(cvx_link_open(&link), CONVEX_OK);
        assert_true(cvx_link_deadline(&link) == INT64_MAX);
        assert_int_equal(cvx_link_next(&link, 5, &event), CVX_LINK_NONE); /* asks to upgrade */
        assert_true(cvx_link_deadline(&link) <= 5);
        assert_int_equal(cvx_link_next(&link, 5, &event), CVX_LINK_CLOSED);
        assert_int_equal(event.code, 1006);
        assert_string_equal(event.detail, "the wire is cut");
        assert_int_equal(closes, i);
    }
    cvx_link_done(&link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_fails_ends_the_connection_without_a_word_from_the_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
