/* header_test.c - the public headers, as a C99 program includes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "discord/attachment.h"
#include "discord/error.h"
#include "discord/gateway.h"
#include "discord/permissions.h"
#include "discord/rest.h"
#include "discord/text.h"
#include "discord/webhook.h"

/* Each field stands where its initialiser says. */
static void the_defaults_are_those_the_headers_state(void **state)
{
    discord_gateway_options gateway = DISCORD_GATEWAY_OPTIONS_INIT;
    discord_rest_options rest = DISCORD_REST_OPTIONS_INIT;

    (void)state;
    assert_null(gateway.token);
    assert_int_equal(gateway.shard_id, 0);
    assert_int_equal(gateway.shard_count, 1);
    assert_int_equal(gateway.max_message, 64 << 20);
    assert_int_equal(gateway.connect_timeout_ms, 10000);
    assert_int_equal(gateway.max_backoff_ms, 60000);
    assert_int_equal(gateway.compress, 1);
    assert_null(gateway.ca_file);
    assert_null(gateway.resume);
    assert_true(gateway.on_event == NULL && gateway.on_batch_end == NULL &&
                gateway.on_state == NULL && gateway.log.line == NULL);

    assert_string_equal(rest.api_url, "https://discord.com/api/v10");
    assert_int_equal(rest.connect_timeout_ms, 5000);
    assert_int_equal(rest.attempt_timeout_ms, 15000);
    assert_int_equal(rest.deadline_ms, 120000);
    assert_int_equal(rest.max_queued, 4096);
    assert_int_equal(rest.max_body, 32 << 20);
    assert_int_equal(rest.host_loop, 0);
    assert_true(rest.on_refused == NULL && rest.log.line == NULL);
}

static void every_status_has_words(void **state)
{
    int status;

    (void)state;
    for (status = DISCORD_OK; status <= DISCORD_EREJECTED; status++)
        assert_string_not_equal(discord_status_text((discord_status)status), "unknown status");
    assert_string_equal(discord_status_text((discord_status)99), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_those_the_headers_state),
        cmocka_unit_test(every_status_has_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
