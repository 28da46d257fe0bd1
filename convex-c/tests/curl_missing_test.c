/* curl_missing_test.c - a machine without libcurl. The tests run in a child process that finds an
 * empty file in the place of the library. */
#include "client_story.h"
#include "support.h"

#include "convex/http.h"

#include <fcntl.h>
#include <sys/wait.h>

static const char mark[] = "CONVEX_TEST_WITHOUT_LIBCURL";

static void assert_names_what_is_missing(const char *text)
{
    if (!strstr(text, "libcurl.so.4") || !strstr(text, "package libcurl4"))
        fail_msg("%s", text);
}

TEST(a_client_for_http_is_refused_with_what_is_missing)
{
    failing_mem counter = {.left = -1};
    convex_http_options options = CONVEX_HTTP_OPTIONS_INIT;
    convex_http *http = NULL;
    convex_error error = {0};

    options.url = "http://127.0.0.1:1";
    options.mem = failing(&counter);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(convex_http_new(&options, &http, &error), CONVEX_ENETWORK);
        assert_null(http);
        assert_names_what_is_missing(error.message);
    }
    assert_int_equal(counter.live, 0);
}

TEST(a_live_client_that_needs_tls_tells_what_is_missing_and_goes_on_trying)
{
    failing_mem counter = {.left = -1};
    story s;
    story_init(&s);
    convex_options options = options_for(&s, "https://127.0.0.1:1");
    options.mem = failing(&counter);
    begin_with(&s, &options);
    watch(&s);
    while (s.state.retries < 3)
        story_loop_turn(s.client);
    assert_names_what_is_missing(s.state.close_reason);
    assert_int_equal(s.state.last_error, CONVEX_ENETWORK);
    finish(&s);
    assert_int_equal(s.ends, 1);
    assert_int_equal(counter.live, 0);
}

static void script_one_result(server *s)
{
    if (!server_open(s) || !server_expect(s, "Connect") || !server_expect(s, "ModifyQuerySet"))
        return;
    server_transition(s, 1, 0, 10, SERVER_UPDATED(0, "1"));
    while (server_receive(s))
        continue;
}

TEST(a_live_client_over_plain_tcp_does_without)
{
    server *peer = server_start(script_one_result, 0);
    story s;
    begin(&s, peer->url);
    watch(&s);
    run_until(&s, &s.results, 1);
    assert_string_equal(s.last, "1");
    finish(&s);
    server_join(peer);
}

/* The same program once more, with a folder of ours before all others. */
static int run_child(char *self)
{
    char dir[] = "/tmp/convex_no_curl_XXXXXX", file[64], path[4096];
    const char *before = getenv("LD_LIBRARY_PATH");
    int status = -1;

    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    snprintf(file, sizeof file, "%s/libcurl.so.4", dir);
    snprintf(path, sizeof path, "%s%s%s", dir, before ? ":" : "", before ? before : "");
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    pid_t child = fd >= 0 ? fork() : -1;
    if (child == 0) {
        setenv("LD_LIBRARY_PATH", path, 1);
        setenv(mark, "1", 1);
        execl(self, self, (char *)NULL);
        _exit(127);
    }
    if (child > 0)
        waitpid(child, &status, 0);
    if (fd >= 0)
        close(fd);
    unlink(file);
    rmdir(dir);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_for_http_is_refused_with_what_is_missing),
        cmocka_unit_test(a_live_client_that_needs_tls_tells_what_is_missing_and_goes_on_trying),
        cmocka_unit_test(a_live_client_over_plain_tcp_does_without),
    };

    if (argc < 1 || !getenv(mark))
        return run_child(argv[0]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
