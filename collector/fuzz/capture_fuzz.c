/* capture_fuzz.c - any JSON as any kind of event: no crash, and what comes out is a Convex object.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "convex/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every channel is captured; ids of even length are threads. */
static bool place(const char *channel_id, const char *guild_id, capture_place *ret, void *user)
{
    bool thread = strlen(channel_id) % 2 == 0;
    snprintf(ret->guild_id, sizeof ret->guild_id, "%s", guild_id ? guild_id : "6");
    snprintf(ret->channel_id, sizeof ret->channel_id, "%s", thread ? "45" : channel_id);
    snprintf(ret->thread_id, sizeof ret->thread_id, "%s", thread ? channel_id : "");
    return true;
}

static int check(const char *channel_id, const char *key, const char *json, size_t size, void *user)
{
    convex_value *value = NULL;
    if (!strchr(key, '/') || !channel_id[0])
        abort();
    if (!json)
        return 0;
    if (convex_value_parse(json, size, CONVEX_ENCODED_JSON, 0, NULL, &value, NULL) != CONVEX_OK ||
        convex_value_type(value) != CONVEX_OBJECT || !convex_value_field(value, "channelId"))
        abort();
    convex_value_unref(value);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"MESSAGE_CREATE",      "MESSAGE_UPDATE", "MESSAGE_DELETE",
                                        "MESSAGE_DELETE_BULK", "CHANNEL_DELETE", "THREAD_DELETE"};
    static const capture_rules rules = {
        .place = place, .own_id = "70", .own_application_id = "71", .ignored = "72 73"};
    static const capture_place thread = {"6", "45", "46"};
    if (size < 1)
        return 0;
    cJSON *json = cJSON_ParseWithLength((const char *)data + 1, size - 1);
    if (json) {
        capture_event(&rules, names[data[0] % 6], json, 1700000000000, check, NULL);
        capture_message(&rules, &thread, json, 1700000000000, check, NULL);
    }
    cJSON_Delete(json);
    return 0;
}
