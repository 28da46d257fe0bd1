/* notify.c - datagrams to the service manager.
 * Owns nothing: the socket lives for one message, since messages are rare. Any thread. */
#include "daemon/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Fills in the address; returns its length, 0 if `path` is no socket name. */
static socklen_t address(const char *path, struct sockaddr_un *ret)
{
    size_t length = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || length < 2 || length >= sizeof(ret->sun_path))
        return 0;
    memset(ret, 0, sizeof(*ret));
    ret->sun_family = AF_UNIX;
    memcpy(ret->sun_path, path, length);
    if (path[0] == '@')
        ret->sun_path[0] = '\0'; /* abstract: a leading NUL, and no NUL at the end */
    else
        length++;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

int daemon_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to;
    socklen_t length;
    int fd, r = 1;

    if (path == NULL || *path == '\0')
        return 0;
    length = address(path, &to);
    if (length == 0)
        return -EINVAL;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, length) < 0)
        r = -errno;
    close(fd);
    return r;
}

int daemon_notify_ready(void)
{
    return daemon_notify("READY=1");
}

int daemon_notify_stopping(void)
{
    return daemon_notify("STOPPING=1");
}

int daemon_notify_status(const char *format, ...)
{
    char text[512] = "STATUS=";
    size_t prefix = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + prefix, sizeof(text) - prefix, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if (*c == '\n')
            *c = ' '; /* a new line would begin another assignment */
    return daemon_notify(text);
}

int64_t daemon_notify_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    long long value;

    if (usec == NULL || (pid != NULL && atoll(pid) != getpid()))
        return 0;
    value = atoll(usec);
    if (value <= 0)
        return 0;
    return value / 2000 > 0 ? value / 2000 : 1;
}
