/* trust_fuzz.c - any list of proxies is taken or refused, and any X-Forwarded-For leaves an address
 * that a proxy of ours wrote, or the peer's own. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "trust.h"

static void check(const trust *self, const char *forwarded)
{
    static const char peer[] = "10.0.0.1";
    char found[64];

    trust_client(self, peer, forwarded, found, sizeof(found));
    if (strcmp(found, peer) != 0 && (!trust_has(self, peer) || !strstr(forwarded, found)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t length = end ? (size_t)(end - data) : size;
    char *list = strndup((const char *)data, length);
    char *forwarded = strndup(end ? (const char *)end + 1 : "", end ? size - length - 1 : 0);
    trust *self = NULL, *everybody = NULL;
    char reason[200];

    if (list && forwarded && trust_new(list, &self, reason, sizeof(reason)) == 0)
        check(self, forwarded);
    if (forwarded && trust_new("0.0.0.0/0,::/0", &everybody, reason, sizeof(reason)) == 0)
        check(everybody, forwarded);
    trust_free(self);
    trust_free(everybody);
    free(list);
    free(forwarded);
    return 0;
}
