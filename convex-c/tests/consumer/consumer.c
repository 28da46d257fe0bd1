/* consumer.c - uses a little of everything that is linked; ends with 0 when it works. */
#include <convex/convex.h>

#include <stdio.h>
#include <string.h>

static int check_version(void)
{
    if (strcmp(convex_version(), CONVEX_VERSION) == 0)
        return 0;
    fprintf(stderr, "headers of %s, library of %s\n", CONVEX_VERSION, convex_version());
    return -1;
}

static int check_value(void)
{
    convex_value *value = NULL;
    convex_error error;
    int64_t number = 0;

    if (convex_value_parse("{\"n\":{\"$integer\":\"KgAAAAAAAAA=\"}}", 33, CONVEX_ENCODED_JSON, 0,
                           NULL, &value, &error) != CONVEX_OK) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    if (!convex_value_int64(convex_value_get(value, "n"), &number) || number != 42)
        fprintf(stderr, "n is %lld\n", (long long)number);
    convex_value_unref(value);
    return number == 42 ? 0 : -1;
}

static int check_clients(void)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_http_options http_options = CONVEX_HTTP_OPTIONS_INIT;
    convex_client *client = NULL;
    convex_http *http = NULL;
    convex_error error;
    convex_status status;

    options.url = "http://127.0.0.1:9";
    http_options.url = options.url;
    status = convex_client_new(&options, &client, &error);
    if (status == CONVEX_OK)
        status = convex_http_new(&http_options, &http, &error);
    if (status != CONVEX_OK)
        fprintf(stderr, "%s\n", error.message);
    convex_client_unref(client);
    convex_http_free(http);
    return status == CONVEX_OK ? 0 : -1;
}

int main(void)
{
    return check_version() == 0 && check_value() == 0 && check_clients() == 0 ? 0 : 1;
}
