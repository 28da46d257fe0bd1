/* outbox_sql.h - every statement the outbox runs, by name. */
#ifndef DAEMON_OUTBOX_SQL_H
#define DAEMON_OUTBOX_SQL_H

enum { OUTBOX_APPLICATION_ID = 0x6f757462, OUTBOX_VERSION = 1 };

typedef enum outbox_sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_APPEND,
    SQL_FIND_DEAD,
    SQL_FIND_WAITING,
    SQL_PEEK,
    SQL_LIST,
    SQL_NEXT_FRESH,
    SQL_NEXT_RETRY,
    SQL_SIZE,
    SQL_DELETE,
    SQL_RETRY,
    SQL_BURY,
    SQL_DEAD_SIZE,
    SQL_REVIVE,
    SQL_DELETE_DEAD,
    SQL_OLDEST,
    SQL_PUT,
    SQL_UNPUT,
    SQL_GET,
    SQL_COUNT_WAITING,
    SQL_COUNT_DEAD,
    SQL_LAST_ID,
    SQL_FREE_PAGES,
    SQL_STATEMENTS
} outbox_sql;

extern const char outbox_schema[];
extern const char outbox_unique_index[]; /* for boxes with unique keys */
extern const char *const outbox_statements[SQL_STATEMENTS];

#endif
