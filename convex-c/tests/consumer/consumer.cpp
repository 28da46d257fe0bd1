/* consumer.cpp - the headers from C++; ends with 0 when it works. */
#include <convex/convex.h>

#include <cstdio>
#include <cstring>

int main()
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_client *client = nullptr;
    convex_error error;

    if (std::strcmp(convex_version(), CONVEX_VERSION) != 0)
        return 1;
    options.url = "http://127.0.0.1:9";
    if (convex_client_new(&options, &client, &error) != CONVEX_OK) {
        std::fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    convex_client_unref(client);
    return 0;
}
