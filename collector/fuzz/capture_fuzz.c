/* capture_fuzz.c - any JSON as any kind of event: no crash, and what comes out is a Convex object.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "convex/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(const char *channel_id, const char *key, const char *json, size_t size, void *user)
{
    convex_value *value = NULL;
    if (convex_value_parse(json, size, CONVEX_ENCODED_JSON, 0, NULL, &value, NULL) != CONVEX_OK ||
        convex_value_type(value) != CONVEX_OBJECT || !convex_value_field(value, "messageId"))
        abort();
    convex_value_unref(value);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE",
                                        "MESSAGE_DELETE_BULK"};
    if (size < 1)
        return 0;
    cJSON *json = cJSON_ParseWithLength((const char *)data + 1, size - 1);
    if (json)
        capture_event(names[data[0] % 4], json, NULL, 1700000000000, check, NULL);
    cJSON_Delete(json);
    return 0;
}
