/* outbox_error.c - the error a mutation threw, as text in the file and back.
 * Owns nothing. Any thread. */
#include <string.h>

#include "outbox_internal.h"
#include "result_internal.h"
#include "text.h"

enum { MAX_DEPTH = 64 + 2 }; /* of the data of the error, in our object */

char *cvx_outbox_print_error(const convex_result *result, const convex_mem *mem)
{
    const convex_value *data = convex_result_error_data(result);
    const char *text;
    char *ret = NULL;
    size_t len = 0;
    cvx_text out;

    cvx_text_init(&out, mem);
    text = convex_result_error_message(result, &len);
    cvx_text_add_str(&out, "{\"message\":");
    cvx_text_add_json_string(&out, text ? text : "", text ? len : 0);
    if (data) {
        cvx_text_add_str(&out, ",\"data\":");
        cvx_text_add_value(&out, data, CONVEX_ENCODED_JSON);
    }
    cvx_text_add_str(&out, ",\"lines\":[");
    for (size_t i = 0; i < convex_result_log_count(result); i++) {
        text = convex_result_log_at(result, i, &len);
        cvx_text_add_str(&out, i ? "," : "");
        cvx_text_add_json_string(&out, text, len);
    }
    cvx_text_add_str(&out, "]}");
    return cvx_text_take(&out, &ret, NULL) == CONVEX_OK ? ret : NULL;
}

convex_result *cvx_outbox_parse_error(const char *text, const convex_mem *mem)
{
    const convex_value *message, *lines;
    convex_value *value = NULL;
    convex_result *ret = NULL;

    if (convex_value_parse(text, strlen(text), CONVEX_ENCODED_JSON, MAX_DEPTH, mem, &value, NULL) !=
        CONVEX_OK)
        return NULL;
    message = convex_value_field(value, "message");
    lines = convex_value_field(value, "lines");
    if (convex_value_type(message) == CONVEX_STRING && convex_value_type(lines) == CONVEX_ARRAY)
        ret = cvx_result_failure(
            convex_value_ref(message), convex_value_ref(convex_value_field(value, "data")),
            convex_value_count(lines) > 0 ? convex_value_ref(lines) : NULL, mem);
    convex_value_unref(value);
    return ret;
}
