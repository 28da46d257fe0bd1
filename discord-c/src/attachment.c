/* attachment.c - how long the address of a file lives, and a fresh one. No state, any thread. */
#include "discord/attachment.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

/* The value of one query field, or NULL. */
static const char *query_value(const char *url, const char *name)
{
    size_t n = strlen(name);
    const char *at = url ? strchr(url, '?') : NULL;

    for (; at; at = strchr(at + 1, '&'))
        if (strncmp(at + 1, name, n) == 0 && at[1 + n] == '=')
            return at + 1 + n + 1;
    return NULL;
}

int64_t discord_attachment_expires_ms(const char *url)
{
    const char *hex = query_value(url, "ex");
    int64_t seconds = 0;
    size_t n = 0;

    for (; hex && n < 12; n++) {
        char c = hex[n];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            break;
        seconds = seconds * 16 + digit;
    }
    if (n == 0 || n == 12 || (hex[n] != '\0' && hex[n] != '&' && hex[n] != '#'))
        return -1;
    return seconds * 1000;
}

static char *print_urls(const char *const *urls, size_t n)
{
    cJSON *payload = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(payload, "attachment_urls");
    bool ok = list != NULL;
    char *json = NULL;

    for (size_t i = 0; ok && i < n; i++) {
        cJSON *item = cJSON_CreateString(urls[i]);
        ok = item && cJSON_AddItemToArray(list, item);
        if (!ok)
            cJSON_Delete(item);
    }
    if (ok)
        json = cJSON_PrintUnformatted(payload);
    cJSON_Delete(payload);
    return json;
}

discord_status discord_rest_refresh_urls(discord_rest *rest, const char *const *urls, size_t n_urls,
                                         discord_done_fn *on_done, void *user)
{
    discord_request request = {.method = "POST",
                               .route = "/attachments/refresh-urls",
                               .path = "/attachments/refresh-urls",
                               .flags = DISCORD_REPEATABLE};

    if (n_urls < 1 || n_urls > DISCORD_REFRESH_MAX)
        return DISCORD_EINVAL;
    for (size_t i = 0; i < n_urls; i++)
        if (!urls[i])
            return DISCORD_EINVAL;
    char *json = print_urls(urls, n_urls);
    if (!json)
        return DISCORD_ENOMEM;
    request.json = json;
    discord_status status = discord_rest_send(rest, &request, on_done, user);
    cJSON_free(json);
    return status;
}
