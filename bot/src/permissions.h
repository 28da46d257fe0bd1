/* permissions.h - what we may do in a channel, and what a person has to change when it is not
 * enough. Pure: no I/O, any thread. */
#ifndef BOT_PERMISSIONS_H
#define BOT_PERMISSIONS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convex/typed.h"

/* One thing that is wrong, in words for the operator. */
typedef struct finding {
    char code[32];
    char detail[240];
    char instruction[320];
} finding;

enum { FINDINGS_MAX = 24 };

typedef struct findings {
    finding list[FINDINGS_MAX];
    size_t count;
} findings;

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
void findings_add(findings *self, const char *code, const char *instruction, const char *format,
                  ...);

/* Discord's answers, and what is asked of us there; all borrowed. */
typedef struct channel_facts {
    const char *our_id;
    const char *guild_id;            /* where the backend says that the channel is */
    const cJSON *channel;            /* GET /channels/{id} */
    const cJSON *parent;             /* the same of a thread's channel, else NULL */
    const cJSON *roles;              /* GET /guilds/{id}/roles */
    const cJSON *member;             /* GET /guilds/{id}/members/{us} */
    int64_t now_ms;                  /* a time-out of ours may be over */
    bool webhook;                    /* posts are made through a webhook */
    const convex_str_list *role_ids; /* that we are to give and take */
} channel_facts;

/* The permission bits that we have there, overwrites and time-outs taken into account. */
uint64_t permissions_in(const channel_facts *facts);
bool is_thread(const cJSON *channel);

/* Adds what keeps us from mirroring into the channel and from changing those roles. */
void permissions_check(const channel_facts *facts, findings *ret);

#endif
