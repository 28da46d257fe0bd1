/* sync_auth.c - who we are: from the credential to the server's confirmation.
 * Loop thread. The states and their moves are those of the official client; where
 * that one is known to go wrong (a fetch that fails, signing out, tokens too short to
 * renew, tokens that ended while offline) this one does what its own comments say.
 * Invariants: at most one fetch is awaited, that of the latest generation; a token known to have
 * expired is not sent; while `swapping` nothing is shown, so that no result of the former identity
 * passes for one of the new; no secret is ever logged. */
#include "sync_internal.h"

#include <math.h>
#include <string.h>

enum {
    MAX_REFUSALS = 2,      /* fresh tokens that may be refused before giving up */
    MIN_LIFETIME_S = 2,    /* shorter ones are not renewed by the clock */
    MIN_REFRESH_MS = 1000, /* however short a token lives */
    MAX_REFRESH_S = 20 * 24 * 3600
};

static void set_identity(cvx_sync *sync, convex_identity_state identity)
{
    if (sync->identity != identity)
        sync->state_changed = true;
    sync->identity = identity;
}

static void set_error(cvx_sync *sync, const char *text, size_t len)
{
    cvx_sync_keep_line(sync, &sync->auth_error, text, len);
    sync->state_changed = true;
}

static void forget_secret(cvx_sync *sync)
{
    cvx_free_secret(&sync->config.mem, sync->secret);
    cvx_free_secret(&sync->config.mem, sync->acting_as);
    sync->secret = sync->acting_as = NULL;
}

void cvx_auth_free(cvx_sync *sync)
{
    forget_secret(sync);
    cvx_free(&sync->config.mem, sync->auth_error);
}

static void hold_credential(cvx_sync *sync, cvx_credential kind, char *secret, char *acting_as)
{
    double exp = NAN;

    forget_secret(sync);
    sync->credential = kind;
    sync->secret = secret;
    sync->acting_as = acting_as;
    sync->auth_unsent = true;
    if (kind == CVX_USER)
        convex_jwt_times(secret, NULL, &exp); /* no JWT: the server will say so */
    sync->expires_ms = exp * 1000;
}

/* Back to anonymous: a connection that was told of an identity is told None. */
static void drop_credential(cvx_sync *sync)
{
    forget_secret(sync);
    if (sync->credential != CVX_ANONYMOUS)
        sync->auth_unsent = sync->conn == CVX_OPEN && sync->identity_sent > 0;
    sync->credential = CVX_ANONYMOUS;
    sync->auth_awaited = false;
}

static void want_token(cvx_sync *sync, bool force)
{
    sync->generation++;
    sync->fetch_wanted = true;
    sync->fetch_force = force;
    sync->refresh_at = INT64_MAX;
}

static void give_up(cvx_sync *sync)
{
    drop_credential(sync);
    sync->auth = CVX_NO_AUTH;
    sync->refresh_at = INT64_MAX;
    set_identity(sync, CONVEX_IDENTITY_REJECTED);
    cvx_sync_log(sync, CONVEX_LOG_ERROR, "authentication failed: %s",
                 sync->auth_error ? sync->auth_error : "");
}

/* Ends the swap when the server has confirmed, on this connection, who we are now. */
static void end_swap(cvx_sync *sync)
{
    if (!sync->swapping || sync->conn != CVX_OPEN || sync->paused || sync->auth_unsent ||
        sync->version.identity < sync->identity_sent)
        return;
    sync->swapping = false;
    cvx_queries_settled(sync);
}

static void resume(cvx_sync *sync)
{
    sync->paused = false;
    cvx_sync_restart(sync);
    end_swap(sync); /* at once if the server never knew another */
}

/* ---- what the program asks for ---- */

static void reset(cvx_sync *sync)
{
    sync->generation++; /* an answer still to come is for the old identity */
    sync->fetch_wanted = false;
    sync->refresh_at = INT64_MAX;
    sync->refusals = 0;
    sync->auth = CVX_NO_AUTH;
    sync->expiry_doubted = false;
    sync->swapping = sync->ever_open;
    cvx_queries_end_lingering(sync); /* results of the former identity, wanted by nobody */
    if (sync->auth_error)
        set_error(sync, "", 0);
}

void cvx_sync_set_auth_none(cvx_sync *sync, int64_t now_ms)
{
    sync->now = now_ms;
    reset(sync);
    drop_credential(sync);
    set_identity(sync, CONVEX_IDENTITY_NONE);
    resume(sync);
}

void cvx_sync_set_auth_admin(cvx_sync *sync, char *key, char *acting_as, int64_t now_ms)
{
    sync->now = now_ms;
    reset(sync);
    hold_credential(sync, CVX_ADMIN, key, acting_as);
    set_identity(sync, CONVEX_IDENTITY_PENDING);
    resume(sync);
}

void cvx_sync_set_auth_fetch(cvx_sync *sync, int64_t now_ms)
{
    sync->now = now_ms;
    reset(sync);
    sync->auth = CVX_INITIAL_FETCH;
    sync->paused = true;
    set_identity(sync, CONVEX_IDENTITY_PENDING);
    want_token(sync, false);
}

/* ---- tokens ---- */

static bool is_new(const cvx_sync *sync, const char *token)
{
    return sync->credential != CVX_USER || strcmp(sync->secret, token) != 0;
}

static bool has_expired(const cvx_sync *sync)
{
    return (double)(sync->now + sync->wall_offset - sync->skew_ms) >= sync->expires_ms;
}

bool cvx_auth_renew_first(cvx_sync *sync)
{
    if (sync->credential != CVX_USER || sync->expiry_doubted || !has_expired(sync))
        return false;
    cvx_sync_log(sync, CONVEX_LOG_INFO, "token has expired, getting a new one");
    sync->auth = CVX_RENEWING;
    sync->paused = true;
    set_identity(sync, CONVEX_IDENTITY_PENDING);
    want_token(sync, true);
    return true;
}

/* Renews `leeway` before the end of a life counted from now: no clock is compared. */
static void schedule(cvx_sync *sync)
{
    double iat = NAN, exp = NAN, life, delay_ms;

    sync->auth = CVX_SCHEDULED;
    sync->refresh_at = INT64_MAX;
    if (convex_jwt_times(sync->secret, &iat, &exp) != CONVEX_OK)
        return;
    life = exp - iat;
    if (!(life > MIN_LIFETIME_S))
        return; /* also when either is missing */
    if (life > MAX_REFRESH_S)
        life = MAX_REFRESH_S;
    delay_ms = life * 1000 - sync->config.auth_leeway_ms;
    if (delay_ms <= 0) {
        delay_ms = life * 500; /* shorter than the leeway: at half its life */
        cvx_sync_log(sync, CONVEX_LOG_WARN, "token lives only %.0f s: renewing it all the time",
                     life);
    }
    if (delay_ms < MIN_REFRESH_MS)
        delay_ms = MIN_REFRESH_MS;
    sync->refresh_at = sync->now + (int64_t)delay_ms;
}

/* The first token of an identity; nothing was sent since it was asked for. */
static void initial_token(cvx_sync *sync, char *token)
{
    if (token) {
        hold_credential(sync, CVX_USER, token, NULL);
        sync->auth = sync->auth == CVX_INITIAL_FETCH ? CVX_WAIT_CACHED : CVX_WAIT_FRESH;
        resume(sync);
    } else if (sync->auth == CVX_INITIAL_FETCH) {
        sync->auth = CVX_INITIAL_REFETCH;
        want_token(sync, true);
    } else {
        give_up(sync);
        resume(sync);
    }
}

/* A later one: after a confirmation, by the clock, or in the place of one that was refused
 * (stopped) or has expired (renewing). */
static void fresh_token(cvx_sync *sync, char *token)
{
    bool refused = sync->conn == CVX_STOPPED || sync->auth == CVX_RENEWING;

    if (token && is_new(sync, token)) {
        hold_credential(sync, CVX_USER, token, NULL);
        sync->auth = CVX_WAIT_FRESH;
        sync->expiry_doubted = has_expired(sync);
        if (sync->expiry_doubted)
            cvx_sync_log(sync, CONVEX_LOG_WARN,
                         "a fresh token has expired already, by this machine's clock: sent "
                         "nevertheless");
        token = NULL;
    } else if (token && !refused) {
        sync->auth = CVX_NOT_REFETCHING;
    } else {
        give_up(sync);
    }
    cvx_free_secret(&sync->config.mem, token);
    resume(sync);
}

void cvx_sync_token(cvx_sync *sync, uint32_t generation, char *token, const char *error,
                    int64_t now_ms)
{
    static const char expired[] = "the token has expired, and no newer one is to be had";

    sync->now = now_ms;
    if (generation != sync->generation || sync->auth == CVX_NO_AUTH) {
        cvx_free_secret(&sync->config.mem, token);
        return;
    }
    if (!token && error)
        set_error(sync, error, strlen(error));
    else if (sync->auth == CVX_RENEWING && token && !is_new(sync, token))
        set_error(sync, expired, strlen(expired));
    else if (!token && !sync->auth_error)
        set_error(sync, "no token to be had", strlen("no token to be had"));
    if (sync->auth == CVX_INITIAL_FETCH || sync->auth == CVX_INITIAL_REFETCH)
        initial_token(sync, token);
    else
        fresh_token(sync, token);
}

/* ---- what the connection brings ---- */

void cvx_auth_restart(cvx_sync *sync)
{
    sync->identity_sent = 0;
    sync->auth_unsent = sync->credential != CVX_ANONYMOUS;
    sync->auth_awaited = sync->auth_unsent;
}

static void note_skew(cvx_sync *sync, const convex_value *skew)
{
    double ms;
    if (convex_value_float64(skew, &ms) && fabs(ms) < 1e14)
        sync->skew_ms = (int64_t)ms;
}

static void confirmed(cvx_sync *sync)
{
    if (sync->credential != CVX_ANONYMOUS && sync->identity == CONVEX_IDENTITY_PENDING) {
        set_identity(sync, CONVEX_IDENTITY_CONFIRMED);
        set_error(sync, "", 0);
    }
    if (sync->auth == CVX_WAIT_CACHED) {
        want_token(sync, true);
    } else if (sync->auth == CVX_WAIT_FRESH) {
        sync->refusals = 0;
        schedule(sync);
    }
}

void cvx_auth_transition(cvx_sync *sync, const cvx_version *start, const cvx_version *end,
                         const convex_value *clock_skew)
{
    note_skew(sync, clock_skew);
    if (end->identity > start->identity) {
        sync->auth_awaited = false;
        if (!sync->auth_unsent && end->identity >= sync->identity_sent)
            confirmed(sync); /* else it is of an earlier identity */
    }
    end_swap(sync);
}

static bool waiting(const cvx_sync *sync)
{
    return sync->auth == CVX_WAIT_CACHED || sync->auth == CVX_WAIT_FRESH;
}

static bool is_stale(const cvx_sync *sync, const convex_value *frame)
{
    bool attempted = true;
    uint32_t base;

    convex_value_bool(convex_value_field(frame, "authUpdateAttempted"), &attempted);
    if (!attempted && waiting(sync))
        return true;
    return cvx_u32_read(convex_value_field(frame, "baseVersion"), &base) &&
           (uint64_t)base + 1 < sync->identity_sent;
}

void cvx_auth_error(cvx_sync *sync, const convex_value *frame)
{
    static const char unnamed[] = "authentication refused";
    size_t len = 0;
    const char *text = convex_value_string(convex_value_field(frame, "error"), &len);

    if (is_stale(sync, frame)) {
        cvx_sync_log(sync, CONVEX_LOG_INFO, "refusal of an earlier identity ignored");
        return;
    }
    if (sync->paused || (sync->auth == CVX_NO_AUTH && sync->credential == CVX_ANONYMOUS)) {
        cvx_sync_log(sync, CONVEX_LOG_INFO, "refusal of an identity given up ignored");
        return;
    }
    set_error(sync, text ? text : unnamed, text ? len : strlen(unnamed));
    if (sync->auth == CVX_NO_AUTH ||
        (sync->auth == CVX_WAIT_FRESH && sync->refusals >= MAX_REFUSALS)) {
        give_up(sync);
        return;
    }
    if (sync->auth == CVX_WAIT_FRESH)
        sync->refusals++;
    set_identity(sync, CONVEX_IDENTITY_PENDING);
    cvx_sync_log(sync, CONVEX_LOG_WARN, "identity refused, getting a new token: %s",
                 sync->auth_error ? sync->auth_error : "");
    cvx_sync_stop(sync);
    want_token(sync, true);
}

void cvx_auth_tick(cvx_sync *sync)
{
    if (sync->now >= sync->refresh_at)
        want_token(sync, true);
}
