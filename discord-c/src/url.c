/* url.c - the parts of a WebSocket address. No state, any thread. */
#include "url.h"

#include <string.h>

static bool copy(char *ret, size_t size, const char *from, size_t n)
{
    if (n == 0 || n >= size)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)from[i] <= ' ' || (unsigned char)from[i] >= 0x7F)
            return false;
    memcpy(ret, from, n);
    ret[n] = '\0';
    return true;
}

static bool port(const char *s, const char *end, int *ret)
{
    int value = 0;

    for (; s < end; s++) {
        if (*s < '0' || *s > '9' || value > 65535)
            return false;
        value = value * 10 + (*s - '0');
    }
    *ret = value;
    return value > 0 && value <= 65535;
}

bool durl_parse(const char *text, durl *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->tls = strncmp(text, "wss://", 6) == 0;
    if (!ret->tls && strncmp(text, "ws://", 5) != 0)
        return false;
    ret->port = ret->tls ? 443 : 80;

    const char *host = text + (ret->tls ? 6 : 5);
    const char *end = host + strcspn(host, "/?#");
    const char *path = end;
    const char *host_end = memchr(host, ':', (size_t)(end - host));
    if (*host == '[') {
        host++;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end || (host_end + 1 < end && host_end[1] != ':'))
            return false;
        if (host_end + 1 < end && !port(host_end + 2, end, &ret->port))
            return false;
    } else if (host_end && !port(host_end + 1, end, &ret->port)) {
        return false;
    }
    if (!host_end)
        host_end = end;
    if (memchr(host, '@', (size_t)(end - host)))
        return false;
    if (!copy(ret->host, sizeof ret->host, host, (size_t)(host_end - host)))
        return false;

    size_t slash = *path == '/' ? 0 : 1;
    size_t n = strcspn(path, "#");
    ret->path[0] = '/';
    return n == 0 || copy(ret->path + slash, sizeof ret->path - slash, path, n);
}
