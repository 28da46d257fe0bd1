/* convex/log.h - the log hook that the clients take. Silent by default. */
#ifndef CONVEX_LOG_H
#define CONVEX_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

/* How much a line matters. */
typedef enum convex_log_level {
    CONVEX_LOG_ERROR = 0,
    CONVEX_LOG_WARN,
    CONVEX_LOG_INFO,
    CONVEX_LOG_DEBUG
} convex_log_level;

/* `text` is one line without a newline, borrowed; never contains a credential.
 * Called on the loop thread of a live client, else inside a call, on the thread that makes it; may
 * not call the object that logs. */
typedef struct convex_log {
    void (*fn)(convex_log_level level, const char *text, void *user);
    void *user;
} convex_log;

#ifdef __cplusplus
}
#endif
#endif
