/* curl.h - libcurl, loaded when it is first needed.
 *
 * It brings some thirty libraries, with 7 MB and 5 ms to load, which a program that reaches its
 * server by plain TCP never needs. Include this in place of <curl/curl.h>; the calls look
 * the same. */
#ifndef CVX_CURL_H
#define CVX_CURL_H

#include <curl/curl.h>
#include <stdbool.h>

/* Every function of libcurl that is called here. */
#define CVX_CURL_CALLS(X)                                                                          \
    X(global_init)                                                                                 \
    X(version_info)                                                                                \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(easy_init)                                                                                   \
    X(easy_cleanup)                                                                                \
    X(easy_setopt)                                                                                 \
    X(easy_getinfo)                                                                                \
    X(easy_header)                                                                                 \
    X(easy_recv)                                                                                   \
    X(easy_send)                                                                                   \
    X(easy_strerror)                                                                               \
    X(multi_init)                                                                                  \
    X(multi_cleanup)                                                                               \
    X(multi_setopt)                                                                                \
    X(multi_add_handle)                                                                            \
    X(multi_remove_handle)                                                                         \
    X(multi_perform)                                                                               \
    X(multi_poll)                                                                                  \
    X(multi_wakeup)                                                                                \
    X(multi_socket_action)                                                                         \
    X(multi_info_read)

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define CVX_CURL_POINTER(name) __typeof__(&curl_##name) name;
typedef struct cvx_curl_calls {
    CVX_CURL_CALLS(CVX_CURL_POINTER)
} cvx_curl_calls;

/* NULL pointers until cvx_curl_load(). */
extern cvx_curl_calls cvx_curl;

/* Loads and initialises it, once, for good; any thread. NULL, or why that failed. */
const char *cvx_curl_load(void);

#ifndef CVX_CURL_LOADER
#define curl_version_info        cvx_curl.version_info
#define curl_slist_append        cvx_curl.slist_append
#define curl_slist_free_all      cvx_curl.slist_free_all
#define curl_easy_init           cvx_curl.easy_init
#define curl_easy_cleanup        cvx_curl.easy_cleanup
#define curl_easy_setopt         cvx_curl.easy_setopt
#define curl_easy_getinfo        cvx_curl.easy_getinfo
#define curl_easy_header         cvx_curl.easy_header
#define curl_easy_recv           cvx_curl.easy_recv
#define curl_easy_send           cvx_curl.easy_send
#define curl_easy_strerror       cvx_curl.easy_strerror
#define curl_multi_init          cvx_curl.multi_init
#define curl_multi_cleanup       cvx_curl.multi_cleanup
#define curl_multi_setopt        cvx_curl.multi_setopt
#define curl_multi_add_handle    cvx_curl.multi_add_handle
#define curl_multi_remove_handle cvx_curl.multi_remove_handle
#define curl_multi_perform       cvx_curl.multi_perform
#define curl_multi_poll          cvx_curl.multi_poll
#define curl_multi_wakeup        cvx_curl.multi_wakeup
#define curl_multi_socket_action cvx_curl.multi_socket_action
#define curl_multi_info_read     cvx_curl.multi_info_read
#endif

#endif
