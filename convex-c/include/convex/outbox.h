/* convex/outbox.h - mutations that take effect exactly once, whatever crashes in between.
 *
 * convex_outbox_mutation() returns when the mutation is on disk. From then on kill -9, power
 * loss, a reboot or weeks without a network change nothing: it is sent, in order, takes effect
 * once, and what came of it is given to `on_done`, in this run of the program or a later one. In
 * a library of its own, libconvex-outbox, as it needs SQLite.
 *
 * How: Convex stores the result of a mutation together with its effect, under the session and the
 * number of the request, for two weeks, and answers a repeat from there. The outbox keeps both
 * numbers in its file, so a mutation is repeated under the same ones even by another process.
 * (The official clients draw a new session in each process: there a mutation is safe over a lost
 * connection, and lost or doubled over a crash.)
 *
 *   effect    exactly once
 *   on_done   at least once: the entry is deleted when on_done has returned, so a crash in
 *             between brings the same result again. Make it idempotent, by `seq` or by `tag`
 *   order     in the order of acceptance. With max_in_flight 1 always; with more, one that threw
 *             and whose answer was lost runs again behind those that were sent after it
 *
 * What ends an entry:
 *   it returned, or threw   on_done with CONVEX_OK and the result. A thrown error is a result
 *             and is final: it is stored before it is delivered and never run again. (An error
 *             whose answer was lost is not known to anybody; Convex does not store errors, so
 *             such a mutation runs again.)
 *   too old   on_done with CONVEX_EUNKNOWN: it may have been sent, no answer came, and 13 days
 *             have passed since, so the server may have forgotten it and a repeat could take
 *             effect twice. One that was certainly never sent has no age limit.
 *
 * What does not:
 *   no network, a refused or missing identity: entries wait. They are sent while the client is
 *             connected and its identity is confirmed (or none was asked for), as the identity of
 *             then
 *   data of the deployment wiped, or restored from a backup: effect and stored result vanish
 *             together, so what was not answered takes effect once in the data as it is now
 *   a full disk: convex_outbox_mutation() fails, what was accepted stays and is sent
 *
 * Ordinary queries, mutations and actions run through convex_outbox_client(). Actions do not go
 * through an outbox: Convex does not store their results, so they are never sent twice.
 *
 * The file is SQLite's (with FILE-wal, FILE-shm and FILE.lock beside it), on a local disk. One
 * process at a time has it. Do not copy it or bring it back from a backup while entries wait: the
 * copy would use the numbers of the original. The age of entries is measured with the system's
 * clock, which must be right within a day.
 *
 * Threads: one of its own that writes the file (all signals blocked), and the client's loop, which
 * is driven as client.h says and runs on_done. All functions are thread-safe but for
 * convex_outbox_open() and convex_outbox_free(). */
#ifndef CONVEX_OUTBOX_H
#define CONVEX_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "convex/client.h"
#include "convex/error.h"
#include "convex/result.h"
#include "convex/value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct convex_outbox convex_outbox; /* opaque, one owner */

/* All of it borrowed until the callback returns. */
typedef struct convex_outbox_entry {
    uint64_t seq; /* ascending in the order of acceptance; never used again in this file */
    const char *path;
    const char *args; /* an object, as Convex's encoded JSON; not terminated */
    size_t args_len;
    const char *tag;        /* the caller's; "" if none */
    int64_t accepted_at_ms; /* since 1970 */
    int64_t sent_at_ms;     /* since 1970: when it may have been sent first; 0: never sent */
} convex_outbox_entry;

/* Runs on the client's loop thread, one at a time, with no lock held, and may call anything but
 * convex_outbox_free() and what client.h forbids. May come before convex_outbox_mutation() has
 * returned.
 *   status  CONVEX_OK: `result` says whether the function returned or threw. Else `result` is
 *           NULL: CONVEX_EUNKNOWN (too old, see above; or cancelled when it may have been sent), or
 *           CONVEX_ECANCELED (cancelled, and certainly never sent)
 *   result  borrowed; keep it by ref */
typedef void convex_outbox_done_fn(const convex_outbox_entry *entry, convex_status status,
                                   const convex_result *result, void *user);

/* How an outbox is opened; begin with CONVEX_OUTBOX_OPTIONS_INIT. */
typedef struct convex_outbox_options {
    size_t size;                    /* set by CONVEX_OUTBOX_OPTIONS_INIT */
    const char *file;               /* copied; made if missing, mode 0600 */
    const convex_options *client;   /* copied; of the client that the outbox makes. Its mem is the
                                       outbox's too */
    convex_outbox_done_fn *on_done; /* required: entries of an earlier run need it */
    void *user;                     /* passed to on_done; must live until convex_outbox_free() */

    size_t max_entries;     /* 0: 100 000. Beyond: CONVEX_EBUSY */
    size_t max_bytes;       /* of paths, arguments and tags; 0: 256 MiB. Beyond: CONVEX_EBUSY */
    unsigned max_in_flight; /* sent and not answered; 0: 100; at most 500. 1: strictly ordered */
    bool moved;             /* the deployment has another URL now: let the entries that wait for
                               the old one go there. Without it that is refused */
} convex_outbox_options;

#ifdef __cplusplus
static inline convex_outbox_options convex_outbox_options_init(void)
{
    convex_outbox_options options = {};
    options.size = sizeof options;
    return options;
}
#define CONVEX_OUTBOX_OPTIONS_INIT convex_outbox_options_init()
#else
/* clang-format off */
#define CONVEX_OUTBOX_OPTIONS_INIT {.size = sizeof(convex_outbox_options)}
/* clang-format on */
#endif

/* Opens or makes the file, checks it, and makes the client; nothing is sent before that is driven.
 *   ret  owned, release with convex_outbox_free(); untouched on error
 * Returns CONVEX_OK, CONVEX_EINVAL (an option; a file that is damaged, not an outbox, of a newer
 * version, or that holds entries for another deployment), CONVEX_EBUSY (another process has the
 * file), CONVEX_ELIMIT (the disk is full, no descriptor or thread to be had) or CONVEX_ENOMEM.
 * The error says which. A file that is refused is left as it is. */
CONVEX_API convex_status convex_outbox_open(const convex_outbox_options *options,
                                            convex_outbox **ret, convex_error *reterr);
/* Closes the client, waits for its last callback and for the file. What was not answered waits
 * for the next convex_outbox_open(). Not from a callback, and not while another thread is in a
 * call of this outbox. NULL is fine. */
CONVEX_API void convex_outbox_free(convex_outbox *outbox);

/* The client, to be driven (convex_client_start_thread(), or a host loop) and for everything
 * else. Borrowed. Closing it ends the sending, not the accepting. */
CONVEX_API convex_client *convex_outbox_client(convex_outbox *outbox);

/* One mutation to accept. */
typedef struct convex_outbox_item {
    const char *path;         /* "module:function"; copied */
    const convex_value *args; /* an object; copied; NULL means {} */
    const char *tag;          /* copied, at most 512 bytes of UTF-8; given back to on_done; NULL:
                                 "" */
} convex_outbox_item;

/* Accepts a mutation: blocks until it is on disk, for one synced write. Calls of several threads
 * share one.
 *   ret_seq  may be NULL
 * Returns CONVEX_OK; or, and then the mutation was not accepted, CONVEX_EINVAL, CONVEX_ENOMEM,
 * CONVEX_EBUSY (max_entries or max_bytes; nothing is dropped to make room), CONVEX_ELIMIT (the
 * disk is full or failed; or larger than max_bytes; or 3 000 000 000 were accepted since the
 * outbox was opened, which opening it again cures); or CONVEX_EUNKNOWN: the disk failed at the
 * last moment, and it may or may not have been accepted. */
CONVEX_API convex_status convex_outbox_mutation(convex_outbox *outbox, const char *path,
                                                const convex_value *args, const char *tag,
                                                uint64_t *ret_seq, convex_error *reterr);
/* The same for several in one write, such as all of one turn of a loop: all or none is accepted,
 * in this order, with ascending seq.
 *   ret_first_seq  may be NULL; the others follow without a gap */
CONVEX_API convex_status convex_outbox_mutations(convex_outbox *outbox,
                                                 const convex_outbox_item *items, size_t count,
                                                 uint64_t *ret_first_seq, convex_error *reterr);

/* Gives up the entry `seq`, such as one that the server can never answer: it is not sent (again),
 * and on_done is called in its turn with CONVEX_ECANCELED when it was certainly never sent, else
 * with CONVEX_EUNKNOWN; or with its result, when that came first. One that is over already, or
 * never was, is no error.
 * Returns CONVEX_OK once that is on disk, CONVEX_EINVAL, CONVEX_ENOMEM, CONVEX_ELIMIT (the disk) or
 * CONVEX_EUNKNOWN (the disk; it may have been given up). */
CONVEX_API convex_status convex_outbox_cancel(convex_outbox *outbox, uint64_t seq,
                                              convex_error *reterr);

/* What waits. */
typedef struct convex_outbox_counts {
    size_t entries;          /* accepted and not done */
    size_t bytes;            /* of their paths, arguments and tags */
    size_t in_flight;        /* sent and not answered */
    int64_t oldest_at_ms;    /* when the oldest was accepted, since 1970; 0: none */
    char storage_error[256]; /* what the disk said last, while it is failing; "" when it works */
} convex_outbox_counts;

/* What waits now. */
CONVEX_API void convex_outbox_count(convex_outbox *outbox, convex_outbox_counts *ret);

/* Return 0 to end the walk. */
typedef int convex_outbox_entry_fn(const convex_outbox_entry *entry, void *user);

/* Walks through the entries of a file in order, those with seq > after_seq; changes nothing. Any
 * process may, while another has the outbox open.
 * Returns CONVEX_OK, CONVEX_EINVAL (no such file, damaged, not an outbox), CONVEX_EBUSY, or
 * CONVEX_ENOMEM. */
CONVEX_API convex_status convex_outbox_list(const char *file, uint64_t after_seq,
                                            convex_outbox_entry_fn *fn, void *user,
                                            convex_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
