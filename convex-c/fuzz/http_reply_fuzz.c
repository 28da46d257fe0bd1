/* http_reply_fuzz.c - any bytes as an answer of the server. The first byte chooses the status,
 * the second what was asked and whether it was a read. */
#include <stdlib.h>
#include <string.h>

#include "http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_result(convex_status status, convex_result *result)
{
    if ((status == CONVEX_OK) != (result != NULL))
        abort();
    if (status == CONVEX_OK &&
        convex_result_success(result) != (convex_result_value(result) != NULL))
        abort();
    for (size_t i = 0; i < convex_result_log_count(result); i++)
        (void)convex_result_log_at(result, i, NULL);
    convex_result_unref(result);
}

static void read_batch(const cvx_http_reply *reply)
{
    convex_result *results[3] = {NULL};
    convex_error error;
    convex_status status = cvx_http_read_batch(reply, 3, results, &error);
    for (int i = 0; i < 3; i++)
        check_result(status, results[i]);
}

static void read_ts(const cvx_http_reply *reply)
{
    char text[CVX_HTTP_TS_TEXT];
    uint64_t ts = 0;
    convex_error error;
    if (cvx_http_read_ts(reply, &ts, &error) != CONVEX_OK)
        return;
    cvx_http_ts_text(ts, text); /* as it came */
    if (memmem(reply->body.data, reply->body.len, text, 4) == NULL &&
        memchr(reply->body.data, '\\', reply->body.len) == NULL)
        abort();
}

static void read_upload(const cvx_http_reply *reply)
{
    char id[CONVEX_STORAGE_ID_SIZE] = "";
    convex_error error;
    if (cvx_http_read_upload(reply, id, sizeof id, &error) == CONVEX_OK && id[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 560, 400, 401, 404, 408, 500, 503};
    if (size < 2)
        return 0;
    cvx_http_reply reply;
    convex_result *result = NULL;
    convex_error error;
    cvx_http_reply_init(&reply, NULL);
    reply.status = statuses[data[0] % 8];
    cvx_text_add(&reply.body, (const char *)data + 2, size - 2);
    switch (data[1] >> 1 & 3) {
    case 0:
        check_result(cvx_http_read_result(&reply, data[1] & 1, &result, &error), result);
        break;
    case 1:
        read_batch(&reply);
        break;
    case 2:
        read_ts(&reply);
        break;
    default:
        read_upload(&reply);
    }
    cvx_http_reply_done(&reply);
    return 0;
}
