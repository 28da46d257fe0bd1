/* convex/version.h - which version of the library this is: of the headers and of
 * the code that is linked. Until 1.0 each minor version may change the interface. */
#ifndef CONVEX_VERSION_H
#define CONVEX_VERSION_H

#include "convex/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of the headers. The build and the packages read these three lines. */
#define CONVEX_VERSION_MAJOR 0
#define CONVEX_VERSION_MINOR 1
#define CONVEX_VERSION_PATCH 0

/* One number to compare with: 0x000100 is 0.1.0. */
#define CONVEX_VERSION_NUMBER                                                                      \
    (CONVEX_VERSION_MAJOR << 16 | CONVEX_VERSION_MINOR << 8 | CONVEX_VERSION_PATCH)

#define CONVEX_VERSION_TEXT_(number) #number
#define CONVEX_VERSION_JOIN_(major, minor, patch)                                                  \
    CONVEX_VERSION_TEXT_(major)                                                                    \
    "." CONVEX_VERSION_TEXT_(minor) "." CONVEX_VERSION_TEXT_(patch)
/* The same as a text, such as "0.1.0". */
#define CONVEX_VERSION                                                                             \
    CONVEX_VERSION_JOIN_(CONVEX_VERSION_MAJOR, CONVEX_VERSION_MINOR, CONVEX_VERSION_PATCH)

/* CONVEX_VERSION of the library that is linked; never NULL. Any thread. */
CONVEX_API const char *convex_version(void);

#ifdef __cplusplus
}
#endif
#endif
