/* canned.c - a REST server that gives canned answers in order and logs what was asked. */
#include "canned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

canned_world w;

static void serve(peer_conn *conn)
{
    static _Thread_local peer_request request;

    pthread_mutex_lock(&w.lock);
    w.connections++;
    pthread_mutex_unlock(&w.lock);
    while (peer_read_request(conn, &request)) {
        pthread_mutex_lock(&w.lock);
        unsigned i = w.n_log++;
        if (i < MAX_LOG)
            w.log[i] = request;
        pthread_mutex_unlock(&w.lock);
        const canned *a = &w.script[i < w.n_script ? i : w.n_script - 1];
        if (!a->status)
            return;
        if (strcmp(a->status, "silence") == 0) {
            peer_drain(conn);
            return;
        }
        peer_answer(conn, a->status, a->headers ? a->headers : "", a->body ? a->body : "{}");
        if (w.cut_when_idle)
            return;
    }
}

static void on_refused(const discord_error *error, void *user)
{
    assert_null(strstr(error->message, "secret"));
    w.refused++;
}

void canned_start(const canned *script, unsigned n)
{
    discord_rest_options o = DISCORD_REST_OPTIONS_INIT;
    char url[64];

    w.script = script;
    w.n_script = n;
    w.peer = peer_start(serve, NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/api/v10", peer_port(w.peer));
    o.api_url = url;
    o.token = "secret-token";
    if (w.impatient)
        o.attempt_timeout_ms = 1000;
    o.on_refused = on_refused;
    assert_int_equal(discord_rest_new(&o, &w.rest, NULL), DISCORD_OK);
}
int canned_setup(void **state)
{
    memset(&w, 0, sizeof w);
    pthread_mutex_init(&w.lock, NULL);
    return 0;
}

int canned_teardown(void **state)
{
    discord_rest_free(w.rest);
    peer_stop(w.peer);
    pthread_mutex_destroy(&w.lock);
    return 0;
}

const discord_result *canned_take(discord_wait *wait, discord_status status)
{
    assert_int_equal(status, DISCORD_OK);
    const discord_result *result = discord_wait_result(wait);
    discord_wait_free(wait);
    return result;
}

unsigned canned_asked(void)
{
    pthread_mutex_lock(&w.lock);
    unsigned n = w.n_log;
    pthread_mutex_unlock(&w.lock);
    return n;
}
