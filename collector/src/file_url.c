/* file_url.c - which addresses files may be fetched from.
 * Owns nothing; see file_url.h. Addresses are taken apart by libcurl, which fetches them too, so
 * that both read them alike. */
#include "file_url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static const char *const hosts[] = {"cdn.discordapp.com", "media.discordapp.net",
                                    "images-ext-1.discordapp.net", "images-ext-2.discordapp.net"};

typedef struct parts {
    CURLU *url;
    char *scheme, *host, *port, *user;
} parts;

static void parts_done(parts *self)
{
    curl_free(self->scheme);
    curl_free(self->host);
    curl_free(self->port);
    curl_free(self->user);
    curl_url_cleanup(self->url);
}

/* False: no address, or one with a name and password in it. */
static bool take_apart(const char *text, parts *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->url = curl_url();
    if (!ret->url || curl_url_set(ret->url, CURLUPART_URL, text, 0) != CURLUE_OK)
        return false;
    curl_url_get(ret->url, CURLUPART_SCHEME, &ret->scheme, 0);
    curl_url_get(ret->url, CURLUPART_HOST, &ret->host, 0);
    curl_url_get(ret->url, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT);
    curl_url_get(ret->url, CURLUPART_USER, &ret->user, 0);
    return ret->scheme && ret->host && ret->port && !ret->user;
}

static bool same_origin(const parts *a, const parts *b)
{
    return strcasecmp(a->scheme, b->scheme) == 0 && strcasecmp(a->host, b->host) == 0 &&
           strcmp(a->port, b->port) == 0;
}

bool file_url_on_origin(const char *url, const char *origin)
{
    parts a, b;
    if (!origin)
        return false;
    bool both = take_apart(url, &a), same = take_apart(origin, &b) && both && same_origin(&a, &b);
    parts_done(&a);
    parts_done(&b);
    return same;
}

bool file_url_allowed(const char *url, const char *extra_origin)
{
    parts p;
    bool known =
        take_apart(url, &p) && strcasecmp(p.scheme, "https") == 0 && strcmp(p.port, "443") == 0;
    bool allowed = false;
    for (size_t i = 0; known && i < sizeof hosts / sizeof *hosts; i++)
        allowed = allowed || strcasecmp(p.host, hosts[i]) == 0;
    parts_done(&p);
    return allowed || file_url_on_origin(url, extra_origin);
}

static bool is_signature(const char *pair, size_t len)
{
    return len >= 3 && (strncmp(pair, "ex=", 3) == 0 || strncmp(pair, "is=", 3) == 0 ||
                        strncmp(pair, "hm=", 3) == 0);
}

/* The next pair of a query that is no signature; its length, 0 at the end. */
static size_t next_pair(const char **query)
{
    for (;;) {
        *query += strspn(*query, "&?");
        size_t len = strcspn(*query, "&#");
        if (len == 0 || !is_signature(*query, len))
            return len;
        *query += len;
    }
}

bool file_url_same(const char *a, const char *b)
{
    size_t len = strcspn(a, "?#");
    if (len != strcspn(b, "?#") || strncmp(a, b, len) != 0)
        return false;
    a += len;
    b += len;
    for (;;) {
        size_t one = next_pair(&a), other = next_pair(&b);
        if (one != other || strncmp(a, b, one) != 0)
            return false;
        if (one == 0)
            return true;
        a += one;
        b += one;
    }
}

/* ---- numeric addresses ---- */

typedef struct block {
    uint32_t address;
    unsigned bits;
} block;

static const block private_blocks[] = {
    {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
    {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15},
    {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3}, /* multicast, reserved, broadcast */
};

static bool is_public4(uint32_t address)
{
    for (size_t i = 0; i < sizeof private_blocks / sizeof *private_blocks; i++)
        if ((address ^ private_blocks[i].address) >> (32 - private_blocks[i].bits) == 0)
            return false;
    return true;
}

static uint32_t word_at(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Of the global unicast range; an address that carries one of the old kind is judged by that. */
static bool is_public6(const uint8_t b[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
    if (memcmp(b, mapped, 12) == 0 || memcmp(b, nat64, 12) == 0)
        return is_public4(word_at(b + 12));
    if (b[0] == 0x20 && b[1] == 0x02) /* 6to4 */
        return is_public4(word_at(b + 2));
    bool teredo_or_documentation =
        b[0] == 0x20 && b[1] == 0x01 && ((b[2] == 0x0d && b[3] == 0xb8) || b[2] < 0x02);
    return (b[0] & 0xe0) == 0x20 && !teredo_or_documentation;
}

bool file_address_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        return is_public4(ntohl(v4->sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        return is_public6(v6->sin6_addr.s6_addr);
    }
    return false;
}
