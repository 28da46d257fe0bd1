/* outbox.c - opens an outbox in a folder of its own; ends with 0 when it works. */
#include <convex/outbox.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_done(const convex_outbox_entry *entry, convex_status status,
                    const convex_result *result, void *user)
{
    (void)entry, (void)status, (void)result, (void)user;
}

int main(void)
{
    char folder[] = "/tmp/convex-consumer-XXXXXX", file[64];
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    convex_options client = CONVEX_OPTIONS_INIT;
    convex_outbox_options options = CONVEX_OUTBOX_OPTIONS_INIT;
    convex_outbox *outbox = NULL;
    convex_error error;
    convex_status status;

    if (!mkdtemp(folder))
        return 1;
    snprintf(file, sizeof file, "%s/outbox", folder);
    client.url = "http://127.0.0.1:9";
    options.client = &client;
    options.file = file;
    options.on_done = on_done;
    status = convex_outbox_open(&options, &outbox, &error);
    if (status == CONVEX_OK)
        status = convex_outbox_mutation(outbox, "rows:put", NULL, NULL, NULL, &error);
    if (status != CONVEX_OK)
        fprintf(stderr, "%s\n", error.message);
    convex_outbox_free(outbox);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(file, sizeof file, "%s/outbox%s", folder, endings[i]);
        unlink(file);
    }
    return rmdir(folder) == 0 && status == CONVEX_OK ? 0 : 1;
}
