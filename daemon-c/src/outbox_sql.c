/* outbox_sql.c - every statement the outbox runs, one row each. Constants only. */
#include "outbox_sql.h"

/* The dead stand in their own table, so that many of them slow nothing down. Ids are given out by
 * us (see reserve_ids): AUTOINCREMENT would dirty one more page in every commit. Only entries that
 * failed once are in the index of due times: the hot path never touches it. */
const char outbox_schema[] =
    "CREATE TABLE IF NOT EXISTS waiting(id INTEGER PRIMARY KEY, key TEXT NOT NULL,"
    " payload BLOB NOT NULL, created_at INTEGER NOT NULL, next_at INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT NOT NULL DEFAULT '',"
    " dead_at INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX IF NOT EXISTS waiting_by_next_at ON waiting(next_at) WHERE attempts > 0;"
    "CREATE TABLE IF NOT EXISTS dead(id INTEGER PRIMARY KEY, key TEXT NOT NULL,"
    " payload BLOB NOT NULL, created_at INTEGER NOT NULL, next_at INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, last_error TEXT NOT NULL, dead_at INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS dead_by_key ON dead(key);"
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;";

const char outbox_unique_index[] =
    "CREATE UNIQUE INDEX IF NOT EXISTS waiting_by_key ON waiting(key);";

#define OUTBOX_COLUMNS "id, key, payload, created_at, next_at, attempts, last_error, dead_at"

const char *const outbox_statements[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_APPEND] = "INSERT INTO waiting(id, key, payload, created_at, next_at)"
                   " VALUES(?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING",
    [SQL_FIND_DEAD] = "SELECT 1 FROM dead WHERE key = ?1",
    [SQL_FIND_WAITING] = "SELECT 1 FROM waiting WHERE key = ?1",
    [SQL_PEEK] = "SELECT " OUTBOX_COLUMNS " FROM waiting WHERE id > ?1 AND next_at <= ?2"
                 " ORDER BY id LIMIT ?3",
    [SQL_LIST] =
        "SELECT " OUTBOX_COLUMNS " FROM waiting WHERE id > ?1 UNION ALL SELECT " OUTBOX_COLUMNS
        " FROM dead WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_NEXT_FRESH] = "SELECT next_at FROM waiting WHERE attempts = 0 ORDER BY id LIMIT 1",
    [SQL_NEXT_RETRY] = "SELECT next_at FROM waiting WHERE attempts > 0 ORDER BY next_at LIMIT 1",
    [SQL_SIZE] = "SELECT length(CAST(key AS BLOB)) + length(payload) FROM waiting WHERE id = ?1",
    [SQL_DELETE] = "DELETE FROM waiting WHERE id = ?1",
    [SQL_RETRY] = "UPDATE waiting SET attempts = attempts + 1, next_at = ?2, last_error = ?3"
                  " WHERE id = ?1",
    [SQL_BURY] = "INSERT INTO dead SELECT id, key, payload, created_at, next_at, attempts + 1, ?3,"
                 " ?2 FROM waiting WHERE id = ?1",
    [SQL_DEAD_SIZE] = "SELECT length(CAST(key AS BLOB)) + length(payload) FROM dead WHERE id = ?1",
    [SQL_REVIVE] = "INSERT INTO waiting SELECT id, key, payload, created_at, ?2, 0, last_error, 0"
                   " FROM dead WHERE id = ?1",
    [SQL_DELETE_DEAD] = "DELETE FROM dead WHERE id = ?1",
    [SQL_OLDEST] = "SELECT created_at FROM waiting ORDER BY id LIMIT 1",
    [SQL_PUT] = "INSERT INTO meta VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2",
    [SQL_UNPUT] = "DELETE FROM meta WHERE name = ?1",
    [SQL_GET] = "SELECT value FROM meta WHERE name = ?1",
    [SQL_COUNT_WAITING] =
        "SELECT count(*), ifnull(sum(length(CAST(key AS BLOB)) + length(payload)), 0) FROM waiting",
    [SQL_COUNT_DEAD] =
        "SELECT count(*), ifnull(sum(length(CAST(key AS BLOB)) + length(payload)), 0) FROM dead",
    [SQL_LAST_ID] = "SELECT max(ifnull((SELECT max(id) FROM waiting), 0),"
                    " ifnull((SELECT max(id) FROM dead), 0))",
    [SQL_FREE_PAGES] = "PRAGMA freelist_count",
};
