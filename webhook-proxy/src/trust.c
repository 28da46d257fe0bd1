/* trust.c - which address a request came from, when proxies stand in front.
 * Owns a list of networks; immutable. IPv4 is kept as IPv6 (::ffff:a.b.c.d), as a listener on both
 * sees it. */
#include "trust.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 64, V4_OFFSET = 96 };

typedef struct network {
    unsigned char bytes[16];
    unsigned bits;
} network;

struct trust {
    size_t count;
    network networks[];
};

/* A numeric address of either kind; *ret_v4 tells which. */
static bool parse_address(const char *text, unsigned char ret[16], bool *ret_v4)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    *ret_v4 = inet_pton(AF_INET, text, ret + 12) == 1;
    if (*ret_v4) {
        memcpy(ret, mapped, sizeof(mapped));
        return true;
    }
    return inet_pton(AF_INET6, text, ret) == 1;
}

static bool parse_network(const char *text, network *ret)
{
    char address[TEXT_MAX];
    const char *slash = strchr(text, '/');
    size_t size = slash ? (size_t)(slash - text) : strlen(text);
    unsigned width;
    bool v4;

    if (size >= sizeof(address))
        return false;
    memcpy(address, text, size);
    address[size] = '\0';
    if (!parse_address(address, ret->bytes, &v4))
        return false;
    width = v4 ? 32 : 128;
    ret->bits = width;
    if (slash) {
        size_t digits = strspn(slash + 1, "0123456789");
        if (digits == 0 || digits > 3 || slash[1 + digits])
            return false;
        ret->bits = (unsigned)strtoul(slash + 1, NULL, 10);
    }
    if (ret->bits > width)
        return false;
    ret->bits += v4 ? V4_OFFSET : 0;
    return true;
}

/* The next item between commas, without blanks; NULL at the end. */
static const char *next_item(const char **at, char *ret, size_t size)
{
    size_t length;

    *at += strspn(*at, " \t,");
    if (!**at)
        return NULL;
    length = strcspn(*at, ",");
    snprintf(ret, size, "%.*s", (int)(length < size ? length : size - 1), *at);
    *at += length;
    for (size_t n = strlen(ret); n > 0 && (ret[n - 1] == ' ' || ret[n - 1] == '\t'); n--)
        ret[n - 1] = '\0';
    return ret;
}

int trust_new(const char *list, trust **ret, char *reason, size_t reason_size)
{
    const char *at = list ? list : "";
    char item[TEXT_MAX * 2];
    size_t count = 1;
    trust *self;

    for (const char *c = at; *c; c++)
        count += *c == ',';
    self = calloc(1, sizeof(*self) + count * sizeof(network));
    if (!self)
        return -ENOMEM;
    while (next_item(&at, item, sizeof(item))) {
        if (!parse_network(item, &self->networks[self->count])) {
            snprintf(reason, reason_size, "\"%.60s\" is no address or network such as 10.0.0.0/8",
                     item);
            trust_free(self);
            return -EINVAL;
        }
        self->count++;
    }
    *ret = self;
    return 0;
}

void trust_free(trust *self)
{
    free(self);
}

static bool within(const network *in, const unsigned char address[16])
{
    unsigned whole = in->bits / 8, rest = in->bits % 8;
    unsigned char mask = (unsigned char)(0xff00 >> rest);

    return memcmp(in->bytes, address, whole) == 0 &&
           (rest == 0 || ((in->bytes[whole] ^ address[whole]) & mask) == 0);
}

bool trust_has(const trust *self, const char *address)
{
    unsigned char bytes[16];
    bool v4;

    if (!parse_address(address, bytes, &v4))
        return false;
    for (size_t i = 0; i < self->count; i++)
        if (within(&self->networks[i], bytes))
            return true;
    return false;
}

/* The item before `end` of the list; *end moves to its beginning. False at the start. */
static bool previous_item(const char *list, const char **end, char *ret, size_t size)
{
    const char *last = *end, *first;

    while (last > list && strchr(" \t,", last[-1]))
        last--;
    for (first = last; first > list && first[-1] != ','; first--)
        ;
    *end = first;
    while (first < last && (*first == ' ' || *first == '\t'))
        first++;
    if (first == last || (size_t)(last - first) >= size)
        return false;
    memcpy(ret, first, (size_t)(last - first));
    ret[last - first] = '\0';
    return true;
}

void trust_client(const trust *self, const char *peer, const char *forwarded, char *ret,
                  size_t size)
{
    const char *end = forwarded + strlen(forwarded);
    unsigned char bytes[16];
    char item[TEXT_MAX];
    bool v4;

    snprintf(ret, size, "%s", peer);
    /* What is no address was not written by a proxy of ours: what we know so far stands. */
    while (trust_has(self, ret) && previous_item(forwarded, &end, item, sizeof(item)) &&
           parse_address(item, bytes, &v4))
        snprintf(ret, size, "%s", item);
}
