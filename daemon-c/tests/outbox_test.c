/* outbox_test.c - the contract of the outbox, with a disk that fails when told to. */
#include "harness.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/outbox.h"

/* ---- a disk that fails ---- */

/* Wraps the default VFS: the nth write or sync from now fails, or all from then on. */
static struct {
    int countdown; /* < 0: never */
    int code;      /* SQLITE_FULL, SQLITE_IOERR_FSYNC, ... */
    int calls;
    bool for_ever;
} disk = {-1, 0, 0, false};

/* Databases lock, logs do not: two sets of methods, [1] for the database. */
static const sqlite3_io_methods *real_methods[2];
static sqlite3_io_methods failing_methods[2];
static sqlite3_vfs failing_vfs, *real_vfs;

static int maybe_fail(void)
{
    disk.calls++;
    if (disk.countdown < 0)
        return SQLITE_OK;
    if (disk.countdown > 0) {
        disk.countdown--;
        return SQLITE_OK;
    }
    if (!disk.for_ever)
        disk.countdown = -1;
    return disk.code;
}

static const sqlite3_io_methods *real_of(const sqlite3_file *file)
{
    return real_methods[file->pMethods == &failing_methods[1]];
}

static int failing_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    int rc = maybe_fail();

    return rc ? rc : real_of(file)->xWrite(file, bytes, size, offset);
}

static int failing_sync(sqlite3_file *file, int flags)
{
    int rc = maybe_fail();

    return rc ? rc : real_of(file)->xSync(file, flags);
}

static int failing_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                        int *ret_flags)
{
    int rc = real_vfs->xOpen(real_vfs, name, file, flags, ret_flags);

    int kind = (flags & SQLITE_OPEN_MAIN_DB) != 0;

    if (rc == SQLITE_OK && file->pMethods) {
        real_methods[kind] = file->pMethods;
        failing_methods[kind] = *file->pMethods;
        failing_methods[kind].xWrite = failing_write;
        failing_methods[kind].xSync = failing_sync;
        file->pMethods = &failing_methods[kind];
    }
    return rc;
}

static int install_disk(void **state)
{
    real_vfs = sqlite3_vfs_find(NULL);
    failing_vfs = *real_vfs;
    failing_vfs.zName = "failing";
    failing_vfs.xOpen = failing_open;
    return sqlite3_vfs_register(&failing_vfs, 1);
}

static void fail_after(int calls, int code, bool for_ever)
{
    disk.countdown = calls;
    disk.code = code;
    disk.for_ever = for_ever;
    disk.calls = 0;
}

static void heal(void)
{
    disk.countdown = -1;
}

/* ---- helpers ---- */

static char *directory, path[4200];

static int set_up(void **state)
{
    directory = make_directory();
    snprintf(path, sizeof(path), "%s/outbox", directory);
    return 0;
}

static int tear_down(void **state)
{
    heal();
    remove_directory(directory);
    return 0;
}

static outbox *open_with(int64_t max_entries, int64_t max_bytes, bool unique)
{
    outbox_options options = {path, max_entries, max_bytes, unique};
    outbox_error error = {""};
    outbox *box = NULL;

    if (outbox_open(&options, &box, &error) != 0)
        fail_msg("%s", error.text);
    return box;
}

static outbox *open_box(void)
{
    return open_with(0, 0, false);
}

static int64_t append(outbox *box, const char *key, const char *payload)
{
    int64_t id = 0;

    assert_int_equal(outbox_append(box, key, payload, strlen(payload), 1000, &id), 0);
    assert_true(id > 0);
    return id;
}

static bool collect(const outbox_entry *entry, void *user)
{
    char *seen = user;

    sprintf(seen + strlen(seen), "%s=%.*s/%d%s ", entry->key, (int)entry->size,
            (const char *)entry->payload, (int)entry->attempts, entry->dead_at ? "+" : "");
    return true;
}

static void assert_due(outbox *box, int64_t now, size_t limit, const char *expected)
{
    char seen[4096] = "";

    assert_int_equal(outbox_peek(box, 0, now, limit, collect, seen), 0);
    assert_string_equal(seen, expected);
}

static void assert_all(outbox *box, const char *expected)
{
    char seen[4096] = "";

    assert_int_equal(outbox_list(box, 0, 1000, collect, seen), 0);
    assert_string_equal(seen, expected);
}

static void assert_counts(outbox *box, int waiting, int dead, int bytes)
{
    outbox_counts counts;

    assert_int_equal(outbox_count(box, &counts), 0);
    assert_int_equal(counts.waiting, waiting);
    assert_int_equal(counts.dead, dead);
    assert_int_equal(counts.bytes, bytes);
}

/* ---- the contract ---- */

TEST(entries_come_back_in_order_after_a_restart)
{
    outbox *box = open_box();

    append(box, "a", "one");
    append(box, "b", "two");
    append(box, "a", "three");
    outbox_close(box);
    box = open_box();
    assert_due(box, 1000, 10, "a=one/0 b=two/0 a=three/0 ");
    assert_due(box, 1000, 2, "a=one/0 b=two/0 ");
    assert_due(box, 999, 10, "");
    assert_counts(box, 3, 0, 14);
    outbox_close(box);
}

TEST(payloads_are_bytes_empty_ones_included)
{
    outbox *box = open_box();
    char seen[200] = "";
    int64_t id;

    assert_int_equal(outbox_append(box, "", NULL, 0, 5, &id), 0);
    assert_int_equal(outbox_append(box, "z", "a\0b", 3, 5, NULL), 0);
    assert_int_equal(outbox_list(box, id, 10, collect, seen), 0);
    assert_memory_equal(seen, "z=a", 3);
    assert_counts(box, 2, 0, 4);
    outbox_close(box);
}

TEST(a_transaction_is_all_or_nothing_with_its_metadata)
{
    outbox *box = open_box();
    void *value;
    size_t size;

    assert_int_equal(outbox_begin(box), 0);
    append(box, "a", "1");
    assert_int_equal(outbox_put(box, "sequence", "7", 1), 0);
    outbox_rollback(box);
    assert_counts(box, 0, 0, 0);
    assert_int_equal(outbox_get(box, "sequence", &value, &size), -ENOENT);

    assert_int_equal(outbox_begin(box), 0);
    append(box, "b", "2");
    assert_int_equal(outbox_put(box, "sequence", "8", 1), 0);
    assert_int_equal(outbox_commit(box), 0);
    outbox_close(box);
    box = open_box();
    assert_all(box, "b=2/0 ");
    assert_int_equal(outbox_get(box, "sequence", &value, &size), 0);
    assert_string_equal(value, "8");
    free(value);
    assert_int_equal(outbox_put(box, "sequence", NULL, 0), 0);
    assert_int_equal(outbox_get(box, "sequence", &value, &size), -ENOENT);
    outbox_close(box);
}

TEST(an_id_is_never_used_again)
{
    outbox *box = open_box();
    int64_t first = append(box, "a", "1"), second;

    assert_int_equal(outbox_delete(box, &first, 1), 0);
    outbox_close(box);
    box = open_box();
    second = append(box, "a", "1");
    assert_true(second > first);
    outbox_close(box);
}

TEST(an_entry_may_have_an_id_of_the_callers_and_the_next_ones_are_larger)
{
    outbox *box = open_with(0, 0, true);
    int64_t id;

    assert_int_equal(outbox_insert(box, 500, "a", "1", 1, 1), 0);
    assert_int_equal(outbox_insert(box, 400, "b", "2", 1, 1), 0);
    assert_int_equal(outbox_insert(box, 400, "c", "3", 1, 1), -EEXIST);
    assert_int_equal(outbox_insert(box, 0, "c", "3", 1, 1), -EINVAL);
    assert_int_equal(outbox_next_id(box), 501);
    assert_int_equal(append(box, "c", "3"), 501);
    assert_int_equal(outbox_has(box, "b"), 1);
    assert_int_equal(outbox_bury(box, 400, 1, "x"), 0);
    assert_int_equal(outbox_has(box, "b"), 1);
    assert_int_equal(outbox_has(box, "d"), 0);
    id = 500;
    assert_int_equal(outbox_delete(box, &id, 1), 0);
    outbox_close(box);
    box = open_with(0, 0, true);
    assert_true(outbox_next_id(box) > 501);
    outbox_close(box);
}

TEST(a_retried_entry_waits_for_its_time_and_others_go_on)
{
    outbox *box = open_box();
    int64_t first = append(box, "a", "1"), due;

    append(box, "b", "2");
    assert_int_equal(outbox_retry(box, first, 5000, "refused"), 0);
    assert_due(box, 1000, 10, "b=2/0 ");
    assert_due(box, 5000, 10, "a=1/1 b=2/0 ");
    assert_int_equal(outbox_next_due(box, &due), 0);
    assert_int_equal(due, 1000);
    assert_int_equal(outbox_retry(box, 12345, 1, "x"), -ENOENT);
    outbox_close(box);
}

TEST(the_next_due_time_is_known_when_nothing_is_due)
{
    outbox *box = open_box();
    int64_t id, due;

    assert_int_equal(outbox_next_due(box, &due), 0);
    assert_true(due == INT64_MAX);
    id = append(box, "a", "1");
    assert_int_equal(outbox_retry(box, id, 9000, "x"), 0);
    assert_int_equal(outbox_next_due(box, &due), 0);
    assert_int_equal(due, 9000);
    outbox_close(box);
}

static bool check_letter(const outbox_entry *entry, void *user)
{
    assert_string_equal(entry->last_error, "never again");
    assert_int_equal(entry->dead_at, 7000);
    *(int *)user += 1;
    return true;
}

TEST(dead_letters_keep_the_payload_and_the_reason_and_can_be_revived)
{
    outbox *box = open_box();
    int64_t id = append(box, "a", "1");
    int seen = 0;

    assert_int_equal(outbox_bury(box, id, 7000, "never again"), 0);
    assert_due(box, 9000, 10, "");
    assert_all(box, "a=1/1+ ");
    assert_int_equal(outbox_list(box, 0, 10, check_letter, &seen), 0);
    assert_int_equal(seen, 1);
    assert_counts(box, 0, 1, 2);
    assert_int_equal(outbox_revive(box, id, 8000), 0);
    assert_due(box, 8000, 10, "a=1/0 ");
    assert_counts(box, 1, 0, 2);
    assert_int_equal(outbox_revive(box, id, 8000), -ENOENT);
    assert_int_equal(outbox_bury(box, id + 1, 8000, "x"), -ENOENT);
    assert_int_equal(outbox_bury(box, id, 8000, "x"), 0);
    assert_int_equal(outbox_delete(box, &id, 1), 0);
    assert_counts(box, 0, 0, 0);
    outbox_close(box);
}

TEST(a_key_that_is_waiting_or_dead_is_refused_when_keys_are_unique)
{
    outbox *box = open_with(0, 0, true);
    int64_t id = append(box, "a", "1");

    assert_int_equal(outbox_begin(box), 0);
    assert_int_equal(outbox_append(box, "a", "2", 1, 1, NULL), -EEXIST);
    append(box, "b", "2");
    assert_int_equal(outbox_commit(box), 0);
    assert_all(box, "a=1/0 b=2/0 ");
    assert_int_equal(outbox_bury(box, id, 1, "x"), 0);
    assert_int_equal(outbox_append(box, "a", "2", 1, 1, NULL), -EEXIST);
    assert_int_equal(outbox_delete(box, &id, 1), 0);
    append(box, "a", "3");
    assert_counts(box, 2, 0, 4);
    outbox_close(box);
}

TEST(a_full_box_refuses_and_accepts_again_after_a_delete)
{
    outbox *box = open_with(2, 100, false);
    int64_t id = append(box, "a", "1");
    char big[100] = "";

    assert_int_equal(outbox_append(box, "b", big, 100, 1, NULL), -ENOBUFS);
    append(box, "b", "2");
    assert_int_equal(outbox_append(box, "c", "3", 1, 1, NULL), -ENOBUFS);
    outbox_close(box);
    box = open_with(2, 100, false);
    assert_int_equal(outbox_append(box, "c", "3", 1, 1, NULL), -ENOBUFS);
    assert_int_equal(outbox_delete(box, &id, 1), 0);
    append(box, "c", "3");
    outbox_close(box);
}

TEST(calls_in_the_wrong_order_are_refused)
{
    outbox *box = open_box();
    char key[600];

    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_int_equal(outbox_commit(box), -EINVAL);
    assert_int_equal(outbox_begin(box), 0);
    assert_int_equal(outbox_begin(box), -EINVAL);
    assert_int_equal(outbox_checkpoint(box), -EINVAL);
    assert_int_equal(outbox_append(box, key, "x", 1, 1, NULL), -EINVAL);
    outbox_rollback(box);
    outbox_rollback(box);
    outbox_close(box);
    outbox_close(NULL);
}

/* ---- one process ---- */

TEST(a_second_process_is_told_who_has_the_file)
{
    outbox *box = open_box();
    char expected[4300];
    int status;
    pid_t child;

    snprintf(expected, sizeof(expected), "%s is in use by process %ld", path, (long)getpid());
    child = fork();
    if (child == 0) {
        outbox_options options = {path, 0, 0, false};
        outbox_error error = {""};
        outbox *other = NULL;
        int r = outbox_open(&options, &other, &error);
        _exit(r == -EBUSY && other == NULL && strcmp(error.text, expected) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    outbox_close(box);
    outbox_close(open_box());
}

TEST(another_program_may_look_at_an_open_box)
{
    outbox *box = open_box();
    char seen[200] = "";
    outbox_error error = {""};

    append(box, "a", "1");
    assert_int_equal(outbox_inspect(path, 0, 10, collect, seen, &error), 0);
    assert_string_equal(seen, "a=1/0 ");
    append(box, "b", "2");
    outbox_close(box);
    assert_true(outbox_inspect("/nowhere/at/all", 0, 10, collect, seen, &error) < 0);
    assert_true(error.text[0] != '\0');
}

TEST(files_are_for_their_owner_only)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    outbox *box = open_box();
    struct stat info;
    char name[4300];

    append(box, "a", "1");
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        assert_int_equal(stat(name, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
    outbox_close(box);
}

TEST(what_is_not_an_outbox_is_left_alone)
{
    outbox_options options = {path, 0, 0, false};
    outbox_error error = {""};
    outbox *box = NULL;
    sqlite3 *db;
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (int i = 0; i < 2000; i++)
        fputs("not a database ", file);
    fclose(file);
    assert_int_equal(outbox_open(&options, &box, &error), -EUCLEAN);
    assert_non_null(strstr(error.text, "file is not a database"));
    unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE theirs(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(outbox_open(&options, &box, &error), -EUCLEAN);
    assert_null(box);
}

/* ---- failing disks ---- */

TEST(a_full_disk_loses_nothing_and_is_recovered_from)
{
    outbox *box = open_box();

    append(box, "a", "1");
    fail_after(0, SQLITE_FULL, true);
    assert_int_equal(outbox_append(box, "b", "2", 1, 1000, NULL), -ENOSPC);
    assert_non_null(strstr(outbox_last_error(box), "full"));
    assert_int_equal(outbox_append(box, "b", "2", 1, 1000, NULL), -ENOSPC);
    assert_counts(box, 1, 0, 2);
    heal();
    append(box, "c", "3");
    assert_all(box, "a=1/0 c=3/0 ");
    outbox_close(box);
}

TEST(after_a_failed_sync_nothing_is_acknowledged_until_recovery)
{
    outbox *box = open_box();
    outbox_error error;

    append(box, "a", "1");
    assert_int_equal(outbox_begin(box), 0);
    append(box, "b", "2");
    fail_after(0, SQLITE_IOERR_FSYNC, true);
    assert_int_equal(outbox_commit(box), -EIO);
    heal();
    assert_int_equal(outbox_append(box, "c", "3", 1, 1000, NULL), -EIO);
    assert_int_equal(outbox_recover(box, &error), 0);
    append(box, "d", "4");
    assert_due(box, 1000, 1, "a=1/0 ");
    outbox_close(box);
}

/* Appends until the disk fails; returns how many were acknowledged. */
static int append_until_failure(outbox *box, int limit)
{
    int done = 0;
    char key[20];

    for (int r = 0; r == 0 && done < limit; done += r == 0) {
        snprintf(key, sizeof(key), "%d", done);
        r = outbox_begin(box);
        for (int i = 0; r == 0 && i < 2; i++)
            r = outbox_append(box, key, "payload", 7, 1000, NULL);
        if (r == 0)
            r = outbox_commit(box);
        else
            outbox_rollback(box);
    }
    return done;
}

static bool count_pairs(const outbox_entry *entry, void *user)
{
    int *count = user, number = atoi(entry->key);

    assert_true(number < 100);
    count[number]++;
    return true;
}

static void assert_nothing_half_written(outbox *box, int acknowledged)
{
    int seen[100] = {0};

    assert_int_equal(outbox_list(box, 0, 1000, count_pairs, seen), 0);
    for (int i = 0; i < 100; i++)
        assert_true(seen[i] == 2 || (seen[i] == 0 && i >= acknowledged));
}

TEST(whichever_write_fails_what_was_acknowledged_is_there_and_whole)
{
    static const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC};

    for (size_t c = 0; c < sizeof(codes) / sizeof(*codes); c++)
        for (int nth = 0; nth < 24; nth++) {
            outbox *box = open_box();
            outbox_error error;
            int done;

            fail_after(nth, codes[c], false);
            done = append_until_failure(box, 8);
            heal();
            assert_int_equal(outbox_recover(box, &error), 0);
            assert_nothing_half_written(box, done);
            outbox_close(box);
            box = open_box();
            assert_nothing_half_written(box, done);
            outbox_close(box);
            unlink(path);
        }
}

TEST(whichever_write_fails_while_opening_the_next_open_succeeds)
{
    outbox_options options = {path, 0, 0, false};
    outbox_error error;
    int failures = 0;

    for (int nth = 0; nth < 40; nth++) {
        outbox *box = NULL;
        int r;

        fail_after(nth, SQLITE_IOERR_WRITE, false);
        r = outbox_open(&options, &box, &error);
        heal();
        failures += r < 0;
        assert_true(r < 0 ? box == NULL : box != NULL);
        outbox_close(box);
        box = open_box();
        append(box, "a", "1");
        outbox_close(box);
        unlink(path);
    }
    assert_true(failures > 0);
}

TEST(a_checkpoint_moves_the_log_into_the_file_and_the_log_stops_growing)
{
    outbox *box = open_box();
    char payload[4096], wal[4300];
    struct stat first, second;

    memset(payload, 'p', sizeof(payload));
    snprintf(wal, sizeof(wal), "%s-wal", path);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++)
            assert_int_equal(outbox_append(box, "k", payload, sizeof(payload), 1, NULL), 0);
        assert_int_equal(stat(wal, round ? &second : &first), 0);
        assert_int_equal(outbox_checkpoint(box), 0);
    }
    assert_true(first.st_size > 300 * 4096);
    assert_true(second.st_size < first.st_size * 3 / 2);
    assert_counts(box, 600, 0, 600 * 4097);
    outbox_close(box);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(entries_come_back_in_order_after_a_restart),
        CASE(payloads_are_bytes_empty_ones_included),
        CASE(a_transaction_is_all_or_nothing_with_its_metadata),
        CASE(an_id_is_never_used_again),
        CASE(an_entry_may_have_an_id_of_the_callers_and_the_next_ones_are_larger),
        CASE(a_retried_entry_waits_for_its_time_and_others_go_on),
        CASE(the_next_due_time_is_known_when_nothing_is_due),
        CASE(dead_letters_keep_the_payload_and_the_reason_and_can_be_revived),
        CASE(a_key_that_is_waiting_or_dead_is_refused_when_keys_are_unique),
        CASE(a_full_box_refuses_and_accepts_again_after_a_delete),
        CASE(calls_in_the_wrong_order_are_refused),
        CASE(a_second_process_is_told_who_has_the_file),
        CASE(another_program_may_look_at_an_open_box),
        CASE(files_are_for_their_owner_only),
        CASE(what_is_not_an_outbox_is_left_alone),
        CASE(a_full_disk_loses_nothing_and_is_recovered_from),
        CASE(after_a_failed_sync_nothing_is_acknowledged_until_recovery),
        CASE(whichever_write_fails_what_was_acknowledged_is_there_and_whole),
        CASE(whichever_write_fails_while_opening_the_next_open_succeeds),
        CASE(a_checkpoint_moves_the_log_into_the_file_and_the_log_stops_growing),
    };

    return cmocka_run_group_tests(tests, install_disk, NULL);
}
