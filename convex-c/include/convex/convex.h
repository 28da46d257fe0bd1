/* convex/convex.h - everything that libconvex offers.
 *
 * Separate, as they need a library of their own: convex/outbox.h, convex/lws.h, and the
 * event loops in convex/adapters/. */
#ifndef CONVEX_CONVEX_H
#define CONVEX_CONVEX_H

#include "convex/auth.h"
#include "convex/client.h"
#include "convex/error.h"
#include "convex/http.h"
#include "convex/id.h"
#include "convex/identity.h"
#include "convex/log.h"
#include "convex/mem.h"
#include "convex/network.h"
#include "convex/optimistic.h"
#include "convex/pages.h"
#include "convex/query_spec.h"
#include "convex/result.h"
#include "convex/snapshot.h"
#include "convex/typed.h"
#include "convex/value.h"
#include "convex/version.h"

#endif
