/* pages.c - reads a paginated query live, page by page.
 *
 *     pages URL PATH ARGS_JSON PAGE_SIZE
 *
 * Prints each state of the list as one line of JSON: {"items":[...],"status":"..."}, and "error"
 * when a page failed. Every number on standard input asks for so many further items; the end of the
 * input ends the program. Exit status: 0 done, 1 failed, 2 bad usage. */
#include <convex/pages.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {
    [CONVEX_PAGES_LOADING_FIRST] = "loading first",
    [CONVEX_PAGES_LOADING_MORE] = "loading more",
    [CONVEX_PAGES_CAN_LOAD_MORE] = "can load more",
    [CONVEX_PAGES_EXHAUSTED] = "exhausted",
    [CONVEX_PAGES_FAILED] = "failed",
};

static convex_value *describe(const convex_page_list *list)
{
    convex_builder *b = convex_builder_new(NULL);
    const convex_result *error = convex_page_list_error(list);
    convex_value *value = NULL;
    size_t len = 0;

    if (!b)
        return NULL;
    convex_builder_begin_object(b);
    convex_builder_key(b, "status");
    convex_builder_cstring(b, status_names[convex_page_list_status(list)]);
    convex_builder_key(b, "items");
    convex_builder_begin_array(b);
    for (size_t i = 0; i < convex_page_list_count(list); i++)
        convex_builder_value(b, convex_page_list_at(list, i));
    convex_builder_end(b);
    if (error) {
        const char *message = convex_result_error_message(error, &len);
        convex_builder_key(b, "error");
        convex_builder_string(b, message, len);
    }
    convex_builder_end(b);
    convex_builder_finish(b, &value, NULL); /* NULL: it could not be made */
    convex_builder_free(b);
    return value;
}

/* On the client's thread. `user` notes whether a line could not be printed. */
static void on_list(const convex_page_list *list, void *user)
{
    convex_value *value = describe(list);
    char *text = NULL;

    if (!value || convex_value_print(value, CONVEX_ENCODED_JSON, NULL, &text, NULL) != CONVEX_OK ||
        puts(text) < 0 || fflush(stdout) != 0)
        *(int *)user = 1;
    convex_text_free(text, NULL);
    convex_value_unref(value);
}

static void read_commands(convex_pages *pages)
{
    char line[32];

    while (fgets(line, sizeof line, stdin)) {
        unsigned long count = strtoul(line, NULL, 10);
        convex_status status = convex_pages_load_more(pages, (uint32_t)count);
        if (status != CONVEX_OK)
            fprintf(stderr, "pages: no further items now: %s\n", convex_status_text(status));
    }
}

static convex_status start(const char *url, convex_client **ret, convex_error *error)
{
    convex_options options = CONVEX_OPTIONS_INIT;
    convex_status status;

    options.url = url;
    status = convex_client_new(&options, ret, error);
    if (status == CONVEX_OK)
        status = convex_client_start_thread(*ret);
    return status;
}

int main(int argc, char **argv)
{
    convex_error error = {.message = ""};
    convex_client *client = NULL;
    convex_pages *pages = NULL;
    convex_value *args = NULL;
    convex_status status;
    int failed = 0;

    if (argc != 5) {
        fputs("usage: pages URL PATH ARGS_JSON PAGE_SIZE\n", stderr);
        return 2;
    }
    status =
        convex_value_parse(argv[3], strlen(argv[3]), CONVEX_ENCODED_JSON, 0, NULL, &args, &error);
    if (status == CONVEX_OK)
        status = start(argv[1], &client, &error);
    if (status == CONVEX_OK)
        status = convex_client_paginate(client, argv[2], args, (uint32_t)strtoul(argv[4], NULL, 10),
                                        on_list, NULL, &failed, &pages, &error);
    if (status == CONVEX_OK)
        read_commands(pages);
    else
        fprintf(stderr, "pages: %s\n",
                error.message[0] ? error.message : convex_status_text(status));
    convex_pages_unref(pages);
    convex_client_join(client); /* no callback runs afterwards */
    convex_client_unref(client);
    convex_value_unref(args);
    return status == CONVEX_OK && !failed ? 0 : 1;
}
