/* version.c - the version as the code has it. Owns nothing. Any thread. */
#include "convex/version.h"

const char *convex_version(void)
{
    return CONVEX_VERSION;
}
