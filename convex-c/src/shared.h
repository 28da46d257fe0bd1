/* shared.h - what libconvex exports for libconvex-outbox alone.
 * Such functions begin with cvx_, are in no public header, and have a symbol version that only a
 * libconvex-outbox of the very same version asks for. */
#ifndef CVX_SHARED_H
#define CVX_SHARED_H

#include "convex/error.h"

#define CVX_SHARED CONVEX_API

#endif
