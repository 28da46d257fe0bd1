/* address.c - numeric addresses to listen at. Owns nothing; any thread. */
#include "daemon/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct addrinfo *parse(const char *text)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    const char *colon = strrchr(text, ':');
    char host[64];
    size_t size = colon ? (size_t)(colon - text) : 0;

    if (size == 0 || size >= sizeof(host) || colon[1] == '\0')
        return NULL;
    memcpy(host, text, size);
    host[size] = '\0';
    if (host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        memmove(host, host + 1, size - 1);
    } else if (strchr(host, ':')) {
        return NULL;
    }
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

bool daemon_address_valid(const char *text)
{
    struct addrinfo *found = parse(text);

    if (found)
        freeaddrinfo(found);
    return found != NULL;
}

int daemon_address_listen(const char *text, char *reason, size_t reason_size)
{
    struct addrinfo *to = parse(text);
    int fd = -1, on = 1, r = to ? 0 : -EINVAL;

    if (r == 0) {
        fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
            bind(fd, to->ai_addr, to->ai_addrlen) != 0 || listen(fd, 1024) != 0)
            r = -errno;
        freeaddrinfo(to);
    }
    if (r == 0)
        return fd;
    snprintf(reason, reason_size, "cannot listen at %s: %s", text, strerror(-r));
    if (fd >= 0)
        close(fd);
    return r;
}

void daemon_address_name(int fd, char *ret, size_t size)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "", port[8] = "";

    getsockname(fd, (struct sockaddr *)&address, &length);
    getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(ret, size, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
