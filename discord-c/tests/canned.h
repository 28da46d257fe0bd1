/* canned.h - a REST server that gives canned answers in order and logs what was asked. */
#ifndef CANNED_H
#define CANNED_H

#include <pthread.h>
#include <stdbool.h>

#include "discord/rest.h"
#include "peer.h"

#define CHANNEL "1100000000000000101"
#define MESSAGE "1400000000000000001"
#define MAX_LOG 32

typedef struct canned {
    const char *status; /* NULL: cut the connection after reading; "silence": never answer */
    const char *headers;
    const char *body;
} canned;

/* One test's server and its client. */
typedef struct canned_world {
    const canned *script; /* its last answer is given again and again */
    unsigned n_script;
    pthread_mutex_t lock;
    unsigned n_log;
    peer_request log[MAX_LOG];
    unsigned connections;
    peer *peer;
    discord_rest *rest;
    unsigned refused;
    bool impatient;     /* an attempt has a second */
    bool cut_when_idle; /* close after each answer without saying so */
} canned_world;

extern canned_world w;

void canned_start(const canned *script, unsigned n);
#define START(...)                                                                                 \
    static const canned script[] = {__VA_ARGS__};                                                  \
    canned_start(script, sizeof script / sizeof *script)

int canned_setup(void **state);
int canned_teardown(void **state);
/* How many requests came. */
unsigned canned_asked(void);
/* The answer (owned) of a call that was to succeed; frees the wait. */
const discord_result *canned_take(discord_wait *wait, discord_status status);

#endif
