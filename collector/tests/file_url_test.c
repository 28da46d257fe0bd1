/* file_url_test.c - which addresses files may be fetched from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "file_url.h"

static void only_discords_file_servers_are_asked_and_over_https(void **state)
{
    static const struct {
        const char *url;
        bool allowed;
    } cases[] = {
        {"https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&is=1&hm=a&", true},
        {"https://CDN.discordapp.com:443/a", true},
        {"https://media.discordapp.net/a", true},
        {"https://images-ext-1.discordapp.net/external/x/https/example.com/a.png", true},
        {"http://cdn.discordapp.com/a", false},
        {"https://cdn.discordapp.com:8443/a", false},
        {"https://cdn.discordapp.com.example.com/a", false},
        {"https://evil.example/cdn.discordapp.com", false},
        {"https://cdn.discordapp.com@evil.example/a", false},
        {"https://user:pass@cdn.discordapp.com/a", false},
        {"https://cdn.discordapp.com\\@evil.example/", false},
        {"https://127.0.0.1/a", false},
        {"https://[::1]/a", false},
        {"file:///etc/passwd", false},
        {"ftp://cdn.discordapp.com/a", false},
        {"//cdn.discordapp.com/a", false},
        {"attachment://a.png", false},
        {"javascript:alert(1)", false},
        {"", false},
        {"http://127.0.0.1:3900/cdn/a", true}, /* the origin given below */
        {"http://127.0.0.1:3901/cdn/a", false},
        {"https://127.0.0.1:3900/cdn/a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (file_url_allowed(cases[i].url, "http://127.0.0.1:3900") != cases[i].allowed)
            fail_msg("%s", cases[i].url);
    assert_false(file_url_allowed("http://127.0.0.1:3900/cdn/a", NULL));
}

static void a_renewed_signature_leaves_a_file_the_same(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"https://x/a.png?ex=1&is=2&hm=3&", "https://x/a.png?ex=4&is=5&hm=6&", true},
        {"https://x/a.png?ex=1&is=2&hm=3&", "https://x/a.png", true},
        {"https://x/a.png?width=5&ex=1", "https://x/a.png?ex=2&width=5", true},
        {"https://x/a.png?width=5", "https://x/a.png?width=6", false},
        {"https://x/a.png?width=5", "https://x/a.png", false},
        {"https://x/a.png", "https://x/b.png", false},
        {"https://x/a.png", "https://x/a.pngx", false},
        {"https://x/a.png", "https://y/a.png", false},
        {"", "", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (file_url_same(cases[i].a, cases[i].b) != cases[i].same ||
            file_url_same(cases[i].b, cases[i].a) != cases[i].same)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
}

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return file_address_public((const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return file_address_public((const struct sockaddr *)&v6);
}

static void no_address_of_a_private_network_is_public(void **state)
{
    static const char *const private_ones[] = {
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.9.9",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "::ffff:192.168.1.1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
    };
    static const char *const public_ones[] = {
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.169.0.1",
        "2606:4700::6810:84e5",
        "2a00:1::1",
        "::ffff:162.159.1.1",
        "2001:4860::8888",
    };
    for (size_t i = 0; i < sizeof private_ones / sizeof *private_ones; i++)
        if (is_public(private_ones[i]))
            fail_msg("%s", private_ones[i]);
    for (size_t i = 0; i < sizeof public_ones / sizeof *public_ones; i++)
        if (!is_public(public_ones[i]))
            fail_msg("%s", public_ones[i]);
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_false(file_address_public(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_discords_file_servers_are_asked_and_over_https),
        cmocka_unit_test(a_renewed_signature_leaves_a_file_the_same),
        cmocka_unit_test(no_address_of_a_private_network_is_public),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
