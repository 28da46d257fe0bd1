/* trust_test.c - whose word on addresses counts. */
#include "harness.h"

#include <errno.h>
#include <string.h>

#include "trust.h"

static trust *made(const char *list)
{
    trust *self = NULL;
    char reason[200];

    assert_int_equal(trust_new(list, &self, reason, sizeof(reason)), 0);
    return self;
}

static void client(const char *list, const char *peer, const char *forwarded, const char *expected)
{
    trust *self = made(list);
    char address[64];

    trust_client(self, peer, forwarded, address, sizeof(address));
    assert_string_equal(address, expected);
    trust_free(self);
}

TEST(networks_of_both_kinds_and_single_addresses_are_trusted)
{
    trust *self = made("127.0.0.1, 10.0.0.0/9 ,fd00::/8,192.168.7.128/25");

    assert_true(trust_has(self, "127.0.0.1"));
    assert_true(trust_has(self, "::ffff:127.0.0.1"));
    assert_false(trust_has(self, "127.0.0.2"));
    assert_true(trust_has(self, "10.127.255.255"));
    assert_false(trust_has(self, "10.128.0.0"));
    assert_true(trust_has(self, "fdab::1"));
    assert_false(trust_has(self, "fe80::1"));
    assert_true(trust_has(self, "192.168.7.200"));
    assert_false(trust_has(self, "192.168.7.127"));
    assert_false(trust_has(self, "unix"));
    trust_free(self);
}

TEST(without_a_list_nobody_is_trusted_and_with_zero_bits_everybody)
{
    client(NULL, "1.1.1.1", "2.2.2.2", "1.1.1.1");
    client("", "1.1.1.1", "2.2.2.2", "1.1.1.1");
    client("0.0.0.0/0", "1.1.1.1", "3.3.3.3, 2.2.2.2", "3.3.3.3");
}

TEST(only_what_a_trusted_proxy_appended_counts)
{
    client("10.0.0.1", "10.0.0.1", "2.2.2.2", "2.2.2.2");
    client("10.0.0.1", "10.0.0.1", "6.6.6.6, 2.2.2.2", "2.2.2.2");
    client("10.0.0.1", "9.9.9.9", "2.2.2.2", "9.9.9.9");
    client("10.0.0.1,10.0.0.2", "10.0.0.1", "2.2.2.2, 10.0.0.2", "2.2.2.2");
    client("10.0.0.1", "10.0.0.1", "", "10.0.0.1");
    client("10.0.0.1", "10.0.0.1", "2001:db8::5", "2001:db8::5");
}

TEST(what_is_no_address_changes_nothing)
{
    client("10.0.0.1", "10.0.0.1", "unknown", "10.0.0.1");
    client("10.0.0.1", "10.0.0.1", "2.2.2.2, <script>", "10.0.0.1");
    client("10.0.0.1", "10.0.0.1", " , ,,", "10.0.0.1");
    client("10.0.0.1", "10.0.0.1",
           "11111111111111111111111111111111111111111111111111111111111111111111", "10.0.0.1");
}

TEST(what_is_no_network_is_refused_by_name)
{
    static const char *const bad[] = {"localhost", "10.0.0.0/33", "10.0.0.0/",        "10.0.0/8",
                                      "::/129",    "1.2.3.4/8x",  "10.0.0.1 10.0.0.2"};
    char reason[200];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        trust *self = NULL;
        assert_int_equal(trust_new(bad[i], &self, reason, sizeof(reason)), -EINVAL);
        assert_non_null(strstr(reason, bad[i]));
        assert_null(self);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_of_both_kinds_and_single_addresses_are_trusted),
        cmocka_unit_test(without_a_list_nobody_is_trusted_and_with_zero_bits_everybody),
        cmocka_unit_test(only_what_a_trusted_proxy_appended_counts),
        cmocka_unit_test(what_is_no_address_changes_nothing),
        cmocka_unit_test(what_is_no_network_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
