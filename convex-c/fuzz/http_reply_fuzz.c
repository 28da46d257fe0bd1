/* http_reply_fuzz.c - any bytes as an HTTP answer to a function call. The first two bytes
 * choose the status and whether the call was a query. */
#include <stdlib.h>

#include "http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 560, 400, 401, 404, 408, 500, 503};
    if (size < 2)
        return 0;
    convex_result *result = NULL;
    convex_error error;
    bool repeatable = data[1] & 1;
    convex_status status = cvx_http_read_reply(statuses[data[0] % 8], (const char *)data + 2,
                                               size - 2, repeatable, NULL, &result, &error);
    if ((status == CONVEX_OK) != (result != NULL))
        abort();
    if (status == CONVEX_OK &&
        convex_result_success(result) != (convex_result_value(result) != NULL))
        abort();
    for (size_t i = 0; i < convex_result_log_count(result); i++)
        (void)convex_result_log_at(result, i, NULL);
    convex_result_unref(result);
    return 0;
}
