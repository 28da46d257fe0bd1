/* outbox_internal.h - an outbox's parts, shared by callers, its writer thread and the loop. */
#ifndef CVX_OUTBOX_INTERNAL_H
#define CVX_OUTBOX_INTERNAL_H

#include "client_internal.h"
#include "outbox_file.h"

enum { CVX_MAX_IN_FLIGHT = 500 };
/* Numbers of a session: entries below, other requests from here on. */
#define CVX_OTHER_REQUESTS UINT32_C(0xc0000000)

/* Where an entry in memory stands. Right is who moves it on. */
typedef enum cvx_entry_state {
    CVX_ENTRY_READY,     /* to be sent: the writer */
    CVX_ENTRY_IN_FLIGHT, /* the client has it: the loop */
    CVX_ENTRY_THREW,     /* the error is to be stored: the writer */
    CVX_ENTRY_DUE,       /* on_done is to run: the loop */
    CVX_ENTRY_SETTLED    /* on_done has run, to be deleted: the writer */
} cvx_entry_state;

/* What the transaction of now does about an entry. */
typedef enum cvx_entry_work {
    CVX_WORK_NONE,
    CVX_WORK_MARK,
    CVX_WORK_STORE,
    CVX_WORK_DELETE
} cvx_entry_work;

typedef struct cvx_entry {
    cvx_outbox_row row; /* its texts are in `texts`; without the outcome */
    convex_outbox *box;
    struct cvx_entry *next;
    cvx_entry_state state;
    cvx_entry_work work; /* writer */
    bool earlier;        /* an earlier run may have sent it */
    bool fed;            /* the client had it in this run */
    bool canceled;       /* while it was in flight */
    convex_status status;
    convex_result *result; /* for on_done; held */
    cvx_errand errand;
    char texts[]; /* path, call, tag */
} cvx_entry;

/* What a caller waits for: entries to be accepted, numbers to be reserved, or one entry to be given
 * up. On its stack. */
typedef struct cvx_ask {
    cvx_outbox_row *rows; /* seq and times are filled in here */
    size_t count, bytes;
    uint32_t id_limit; /* to be reserved; 0: none */
    uint64_t cancel;   /* an entry to be given up; 0: none */
    convex_status status;
    convex_error error;
    bool done;
    struct cvx_ask *next;
} cvx_ask;

struct convex_outbox {
    convex_mem mem;
    convex_client *client;
    convex_outbox_done_fn *on_done;
    void *user;
    convex_state_fn *on_state; /* the program's */
    void *state_user;
    size_t max_entries, max_bytes, max_in_flight;
    char *path;
    pthread_t thread;

    pthread_mutex_t lock; /* of what follows; taken before the client's; not held over user code */
    pthread_cond_t work, answered;
    cvx_ask *asks, *asks_last;
    bool wake, stopping;
    int64_t retry_at;        /* monotonic ms: something failed and is tried again; 0: nothing */
    bool connected, trusted; /* the connection; the identity that entries are to be sent as */
    size_t in_file, bytes_in_file;
    size_t asked, bytes_asked; /* by callers that wait */
    size_t in_flight;
    char storage_error[256];
    cvx_entry *first, *last; /* in memory, by seq. Only the writer adds and removes */

    /* Writer thread only. */
    cvx_outbox_file file;
    cvx_outbox_session session;
    uint64_t run_first; /* the first seq of this run */
    uint64_t next_seq, loaded_upto, last_seq;
    size_t loaded, loaded_bytes;
};

/* outbox_writer.c */
void *cvx_outbox_writer(void *box);
/* Waits until the writer has answered; `ask` is filled in. */
convex_status cvx_outbox_ask(convex_outbox *box, cvx_ask *ask);
/* With the lock held: on_done is to run. */
void cvx_outbox_make_due(cvx_entry *entry, convex_status status);

/* outbox_loop.c: what the client calls */
void cvx_outbox_on_state(const convex_state *state, void *box);
void cvx_outbox_on_done(convex_status status, const convex_result *result, void *entry);
void cvx_outbox_run_errand(void *entry);

/* outbox_error.c: a thrown error as text, and back; NULL when memory is short (or, back, when it
 * is none). Release the text with convex_text_free(). */
char *cvx_outbox_print_error(const convex_result *result, const convex_mem *mem);
convex_result *cvx_outbox_parse_error(const char *text, const convex_mem *mem);

uint32_t cvx_outbox_id(const convex_outbox *box, const cvx_entry *entry);
void cvx_entry_free(const convex_mem *mem, cvx_entry *entry);

#endif
