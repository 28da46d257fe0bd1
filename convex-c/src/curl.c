/* curl.c - loads libcurl.
 * Owns the one table of its functions, which stays as it is once it was loaded. Any thread. */
#define CVX_CURL_LOADER
#include "curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"
#define PACKAGE "libcurl4" /* Debian's and Ubuntu's; others call it libcurl */

cvx_curl_calls cvx_curl;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char fault[256];

/* A pointer to a function, out of one to an object; POSIX has them alike. */
static bool find(void *handle, const char *name, void *ret)
{
    void *found = dlsym(handle, name);
    memcpy(ret, &found, sizeof found);
    return found != NULL;
}

static void load(void)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool whole = handle != NULL;

#define FIND(name) whole = whole && find(handle, "curl_" #name, &cvx_curl.name);
    CVX_CURL_CALLS(FIND)
    if (!whole)
        snprintf(fault, sizeof fault, "cannot load " LIBRARY " (package " PACKAGE "): %s",
                 dlerror());
    else if (cvx_curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        snprintf(fault, sizeof fault, "cannot start libcurl");
}

const char *cvx_curl_load(void)
{
    pthread_once(&once, load);
    return fault[0] != '\0' ? fault : NULL;
}
