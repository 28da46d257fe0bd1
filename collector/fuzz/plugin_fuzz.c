/* plugin_fuzz.c - any body of a plugin's request: no crash, and a refusal names what is wrong. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool place(const char *channel_id, const char *guild_id, capture_place *ret, void *user)
{
    snprintf(ret->guild_id, sizeof ret->guild_id, "%s", guild_id ? guild_id : "6");
    snprintf(ret->channel_id, sizeof ret->channel_id, "%s", channel_id);
    ret->thread_id[0] = '\0';
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const capture_rules rules = {.place = place};
    static places *threads;
    event_list events = {0};
    char error[160] = "";
    char *body = malloc(size + 1);
    if (!body || (!threads && places_new(NULL, &threads) != 0))
        abort();
    memcpy(body, data, size);
    body[size] = '\0';
    int r = plugin_read(body, size, threads, &rules, 1700000000000, &events, error, sizeof error);
    if ((r == -EBADMSG) != (error[0] != '\0'))
        abort();
    event_list_done(&events);
    free(body);
    return 0;
}
