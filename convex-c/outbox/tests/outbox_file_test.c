/* outbox_file_test.c - the file of an outbox: what is in it after any failure of disk or memory,
 * and which files are refused. */
#include "outbox_story.h"

#include <sys/stat.h>

static const char nowhere[] = "http://127.0.0.1:1";

/* ---- a disk that fails when told to ---- */

/* Wraps SQLite's own VFS. The nth write or sync from now fails, or all from then on. */
static struct {
    pthread_mutex_t lock;
    int left; /* < 0: none fails */
    int code;
    bool for_ever;
    int writes, syncs;
    bool hold;       /* syncs wait */
    long log_synced; /* bytes of the log that power loss would leave */
    int memory_left; /* allocations of SQLite until one fails; < 0: none does */
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .left = -1, .memory_left = -1};

static const sqlite3_io_methods *real_methods[2]; /* of a log; of a database, which has locks */
static sqlite3_io_methods methods[2];
static sqlite3_vfs vfs, *real_vfs;
static sqlite3_mem_methods real_memory;

/* A sync that fails is an I/O error to SQLite, whatever the cause. */
static int chance(int *count, bool is_sync)
{
    int rc = SQLITE_OK;
    bool concerned = !is_sync || disk.code != SQLITE_FULL;

    pthread_mutex_lock(&disk.lock);
    ++*count;
    if (disk.left == 0 && concerned)
        rc = disk.code;
    if (concerned && (disk.left > 0 || (disk.left == 0 && !disk.for_ever)))
        disk.left--;
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static const sqlite3_io_methods *real_of(const sqlite3_file *file)
{
    return real_methods[file->pMethods == &methods[1]];
}

static int disk_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    int rc = chance(&disk.writes, false);
    return rc != SQLITE_OK ? rc : real_of(file)->xWrite(file, bytes, size, at);
}

static bool is_held(void)
{
    pthread_mutex_lock(&disk.lock);
    bool hold = disk.hold;
    pthread_mutex_unlock(&disk.lock);
    return hold;
}

/* Nobody pulls the plug here, so nothing is really synced: that would take most of the time. */
static int disk_sync(sqlite3_file *file, int flags)
{
    int rc = chance(&disk.syncs, true);
    sqlite3_int64 size = 0;

    while (is_held())
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (rc == SQLITE_OK && file->pMethods == &methods[0]) {
        real_of(file)->xFileSize(file, &size);
        pthread_mutex_lock(&disk.lock);
        disk.log_synced = (long)size;
        pthread_mutex_unlock(&disk.lock);
    }
    return rc;
}

/* What the last sync made sure of, no more. */
static void copy_as_after_power_loss(const char *from, const char *to)
{
    char log[80];

    pthread_mutex_lock(&disk.lock);
    long synced = disk.log_synced;
    pthread_mutex_unlock(&disk.lock);
    copy_as_crashed(from, to);
    snprintf(log, sizeof log, "%s-wal", to);
    assert_int_equal(truncate(log, synced), 0);
}

static int disk_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    int rc = real_vfs->xOpen(real_vfs, name, file, flags, ret_flags);
    int kind = (flags & SQLITE_OPEN_MAIN_DB) != 0;

    if (rc == SQLITE_OK && file->pMethods) {
        real_methods[kind] = file->pMethods;
        methods[kind] = *file->pMethods;
        methods[kind].xWrite = disk_write;
        methods[kind].xSync = disk_sync;
        file->pMethods = &methods[kind];
    }
    return rc;
}

static bool memory_fails(void)
{
    pthread_mutex_lock(&disk.lock);
    bool fails = disk.memory_left == 0;
    if (disk.memory_left > 0)
        disk.memory_left--;
    pthread_mutex_unlock(&disk.lock);
    return fails;
}

static void *memory_malloc(int size)
{
    return memory_fails() ? NULL : real_memory.xMalloc(size);
}

static void *memory_realloc(void *block, int size)
{
    return memory_fails() ? NULL : real_memory.xRealloc(block, size);
}

static int install(void **state)
{
    sqlite3_mem_methods memory;

    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    memory = real_memory;
    memory.xMalloc = memory_malloc;
    memory.xRealloc = memory_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "failing";
    vfs.xOpen = disk_open;
    return sqlite3_vfs_register(&vfs, 1);
}

static void fail_after(int calls, int code, bool for_ever)
{
    pthread_mutex_lock(&disk.lock);
    disk.left = calls;
    disk.code = code;
    disk.for_ever = for_ever;
    pthread_mutex_unlock(&disk.lock);
}

static void heal(void)
{
    pthread_mutex_lock(&disk.lock);
    disk.left = disk.memory_left = -1;
    pthread_mutex_unlock(&disk.lock);
}

static void hold_syncs(bool hold)
{
    pthread_mutex_lock(&disk.lock);
    disk.hold = hold;
    pthread_mutex_unlock(&disk.lock);
}

static int syncs_so_far(void)
{
    pthread_mutex_lock(&disk.lock);
    int syncs = disk.syncs;
    pthread_mutex_unlock(&disk.lock);
    return syncs;
}

/* ---- looking into the file ---- */

typedef struct listing {
    char tags[4096];
    int count, stop_at;
} listing;

static int list_entry(const convex_outbox_entry *entry, void *user)
{
    listing *self = user;
    strncat(self->tags, entry->tag, sizeof self->tags - strlen(self->tags) - 1);
    strncat(self->tags, ",", sizeof self->tags - strlen(self->tags) - 1);
    return ++self->count != self->stop_at;
}

static listing list(const char *file)
{
    listing ret = {.stop_at = -1};
    convex_error error = {0};
    if (convex_outbox_list(file, 0, list_entry, &ret, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
    return ret;
}

static bool holds(const listing *self, const char *tag)
{
    char part[32];
    snprintf(part, sizeof part, "%s,", tag);
    return strstr(self->tags, part) != NULL;
}

static convex_status try_tag(story *s, const char *tag, convex_error *reterr)
{
    return convex_outbox_mutation(s->box, "m:add", NULL, tag, NULL, reterr);
}

/* ---- who has it ---- */

TEST(a_second_opening_is_refused_and_names_the_holder)
{
    story s;
    convex_options client;
    convex_outbox *other = NULL;
    convex_error error;
    char pid[32];
    story_begin(&s, nowhere);
    box_open(&s);
    convex_outbox_options options = box_options(&s, &client);
    assert_int_equal(convex_outbox_open(&options, &other, &error), CONVEX_EBUSY);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(error.message, pid));
    assert_null(other);
    box_close(&s);
    box_open(&s);
    story_end(&s);
}

TEST(the_file_is_for_its_owner_only)
{
    story s;
    struct stat stat_of;
    char name[80];
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    story_begin(&s, nowhere);
    box_open(&s);
    add(&s, 1);
    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%s", s.file, suffixes[i]);
        assert_int_equal(stat(name, &stat_of), 0);
        assert_int_equal(stat_of.st_mode & 07777, 0600);
    }
    story_end(&s);
}

TEST(entries_are_listed_while_the_outbox_is_open)
{
    story s;
    story_begin(&s, nowhere);
    box_open(&s);
    uint64_t first = add(&s, 1);
    add(&s, 2);
    add(&s, 3);
    listing all = list(s.file), two = {.stop_at = 2}, rest = {.stop_at = -1};
    assert_string_equal(all.tags, "1,2,3,");
    assert_int_equal(convex_outbox_list(s.file, 0, list_entry, &two, NULL), CONVEX_OK);
    assert_string_equal(two.tags, "1,2,");
    assert_int_equal(convex_outbox_list(s.file, first, list_entry, &rest, NULL), CONVEX_OK);
    assert_string_equal(rest.tags, "2,3,");
    add(&s, 4); /* and goes on */
    story_end(&s);
}

/* ---- bounds ---- */

TEST(a_full_outbox_refuses_and_drops_nothing)
{
    story s;
    convex_options client;
    convex_error error;
    story_begin(&s, nowhere);
    convex_outbox_options options = box_options(&s, &client);
    options.max_entries = 2;
    options.max_bytes = 200;
    assert_int_equal(convex_outbox_open(&options, &s.box, NULL), CONVEX_OK);
    assert_int_equal(try_tag(&s, "a", NULL), CONVEX_OK);
    char long_tag[150] = "";
    memset(long_tag, 'x', sizeof long_tag - 1);
    assert_int_equal(try_tag(&s, long_tag, &error), CONVEX_EBUSY);
    assert_non_null(strstr(error.message, "full"));
    assert_int_equal(try_tag(&s, "b", NULL), CONVEX_OK);
    assert_int_equal(try_tag(&s, "c", &error), CONVEX_EBUSY);
    const convex_outbox_item items[3] = {{.path = "a:b"}, {.path = "a:b"}, {.path = "a:b"}};
    assert_int_equal(convex_outbox_mutations(s.box, items, 3, NULL, &error), CONVEX_ELIMIT);
    assert_string_equal(list(s.file).tags, "a,b,");
    assert_int_equal(counts_of(&s).entries, 2);
    story_end(&s);
}

TEST(numbers_that_are_used_up_are_reported)
{
    story s;
    convex_error error;
    story_begin(&s, nowhere);
    box_open(&s);
    add(&s, 1);
    box_close(&s);
    alter(s.file, "UPDATE entry SET sent_at = accepted_at;" /* keeps the session */
                  "UPDATE session SET seq_limit = base + 0xc0000000 - 1");
    box_open(&s);
    add(&s, 2);
    assert_int_equal(try_tag(&s, "3", &error), CONVEX_ELIMIT);
    assert_non_null(strstr(error.message, "used up"));
    box_close(&s);
    alter(s.file, "DELETE FROM entry WHERE sent_at <> 0");
    box_open(&s); /* a new session */
    add(&s, 3);
    assert_string_equal(list(s.file).tags, "2,3,");
    story_end(&s);
}

typedef struct adder {
    story *s;
    int n;
} adder;

static void *add_one(void *user)
{
    adder *self = user;
    add(self->s, self->n);
    return NULL;
}

static size_t asked_of(const story *s)
{
    pthread_mutex_lock(&s->box->lock);
    size_t asked = s->box->asked;
    pthread_mutex_unlock(&s->box->lock);
    return asked;
}

TEST(many_callers_share_one_write)
{
    enum { CALLERS = 6 };
    story s;
    pthread_t threads[CALLERS];
    story_begin(&s, nowhere);
    box_open(&s);
    add(&s, 1); /* the log is there */
    int before = syncs_so_far();
    hold_syncs(true);
    adder adders[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        adders[i] = (adder){&s, 10 + i};
        assert_int_equal(pthread_create(&threads[i], NULL, add_one, &adders[i]), 0);
        if (i == 0)
            AWAIT(syncs_so_far() == before + 1);
    }
    AWAIT(asked_of(&s) == CALLERS);
    hold_syncs(false);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counts_of(&s).entries, CALLERS + 1);
    assert_int_equal(syncs_so_far(), before + 2); /* the first, and all others */
    story_end(&s);
}

/* ---- failing disks ---- */

/* Five are accepted, the nth write or sync fails; what a caller was told holds. */
static bool survives(int n, int code, bool for_ever)
{
    static const char *const tags[] = {"a", "b", "c", "d", "e"};
    convex_status told[5];
    story s;
    story_begin(&s, nowhere);
    box_open(&s);
    fail_after(n, code, for_ever);
    for (int i = 0; i < 5; i++)
        told[i] = try_tag(&s, tags[i], NULL);
    pthread_mutex_lock(&disk.lock);
    bool failed = disk.left == -1 || (for_ever && disk.left == 0);
    pthread_mutex_unlock(&disk.lock);
    box_close(&s);
    heal();
    listing there = list(s.file);
    for (int i = 0; i < 5; i++) {
        bool stored = holds(&there, tags[i]);
        if (told[i] == CONVEX_OK)
            assert_true(stored);
        else if (told[i] == CONVEX_EUNKNOWN)
            assert_true(code != SQLITE_FULL);
        else
            assert_true(told[i] == CONVEX_ELIMIT && !stored);
    }
    box_open(&s); /* and goes on */
    assert_int_equal(counts_of(&s).entries, there.count);
    assert_int_equal(try_tag(&s, "f", NULL), CONVEX_OK);
    story_end(&s);
    return failed;
}

TEST(when_any_write_or_sync_fails_what_callers_were_told_holds)
{
    static const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC};
    for (size_t c = 0; c < 3; c++)
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            int n = 0;
            while (survives(n, codes[c], for_ever))
                n++;
            assert_true(n >= 10); /* five commits, each some writes and a sync */
        }
}

TEST(after_power_loss_what_was_accepted_is_there)
{
    deployment *d = deployment_start();
    story s;
    char lost[64];
    story_begin(&s, d->peer->url);
    box_open(&s);
    snprintf(lost, sizeof lost, "%s/lost", s.dir);
    for (int i = 1; i <= 5; i++) {
        add(&s, i);
        copy_as_after_power_loss(s.file, lost);
        assert_int_equal(list(lost).count, i);
    }
    box_run(&s);
    await_dones(&s, 5);
    AWAIT(counts_of(&s).entries == 0);
    copy_as_after_power_loss(s.file, lost); /* that they are over need not be there */
    box_close(&s);
    memcpy(s.file, lost, sizeof s.file);
    box_open(&s);
    int again = (int)counts_of(&s).entries;
    box_run(&s);
    await_dones(&s, 5 + again);
    assert_true(again > 0);
    assert_string_equal(d->effects, "1,2,3,4,5,"); /* once all the same */
    story_end(&s);
    deployment_stop(d);
}

TEST(on_a_full_disk_accepting_fails_with_words_until_there_is_room)
{
    story s;
    convex_error error;
    story_begin(&s, nowhere);
    box_open(&s);
    add(&s, 1);
    fail_after(0, SQLITE_FULL, true);
    assert_int_equal(try_tag(&s, "2", &error), CONVEX_ELIMIT);
    assert_non_null(strstr(error.message, "full"));
    assert_non_null(strstr(error.message, s.file));
    assert_non_null(strstr(counts_of(&s).storage_error, "full"));
    assert_int_equal(counts_of(&s).entries, 1);
    heal();
    add(&s, 3);
    assert_string_equal(counts_of(&s).storage_error, "");
    assert_string_equal(list(s.file).tags, "1,3,");
    story_end(&s);
}

TEST(after_an_io_error_the_file_is_opened_again)
{
    story s;
    story_begin(&s, nowhere);
    box_open(&s);
    add(&s, 1);
    fail_after(0, SQLITE_IOERR_FSYNC, true);
    convex_status told = try_tag(&s, "2", NULL);
    assert_true(told == CONVEX_ELIMIT || told == CONVEX_EUNKNOWN);
    told = try_tag(&s, "3", NULL);
    assert_true(told == CONVEX_ELIMIT || told == CONVEX_EUNKNOWN);
    heal();
    add(&s, 4);
    listing there = list(s.file);
    assert_true(holds(&there, "1") && holds(&there, "4"));
    assert_int_equal(counts_of(&s).entries, there.count);
    story_end(&s);
}

TEST(a_disk_that_fails_while_entries_are_forgotten_loses_nothing)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    d->mute = 1;
    box_open(&s);
    box_run(&s);
    add(&s, 1);
    AWAIT(seen_by(d) == 1);
    fail_after(0, SQLITE_FULL, true);
    deployment_cut(d); /* it is sent again, and answered */
    await_dones(&s, 1);
    AWAIT(*counts_of(&s).storage_error);
    assert_int_equal(counts_of(&s).entries, 1);
    heal();
    AWAIT(counts_of(&s).entries == 0);
    assert_string_equal(s.tags, "1,"); /* once all the same */
    assert_string_equal(d->effects, "1,");
    story_end(&s);
    deployment_stop(d);
}

static bool is_patient(const story *s)
{
    pthread_mutex_lock(&s->box->lock);
    bool patient = s->box->retry_at != 0 && !s->box->wake;
    pthread_mutex_unlock(&s->box->lock);
    return patient;
}

TEST(a_full_disk_is_tried_again_at_leisure_and_nothing_is_sent_unmarked)
{
    deployment *d = deployment_start();
    story s;
    story_begin(&s, d->peer->url);
    box_open(&s);
    add(&s, 1);
    fail_after(0, SQLITE_FULL, true);
    box_run(&s);
    AWAIT(*counts_of(&s).storage_error && is_patient(&s));
    assert_int_equal(seen_by(d), 0);
    heal();
    await_dones(&s, 1);
    story_end(&s);
    deployment_stop(d);
}

/* ---- failing memory ---- */

/* The writer thread allocates, too. */
static void *locked_realloc(void *ptr, size_t size, void *user)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    void *ret = failing_realloc(ptr, size, user);
    pthread_mutex_unlock(&lock);
    return ret;
}

static const char due_and_waiting[] = /* one that threw, and one to be sent */
    "UPDATE entry SET sent_at = accepted_at, outcome ="
    " '{\"message\":\"m\",\"data\":[1],\"lines\":[\"[LOG] l\"]}' WHERE tag = '1'";

TEST(when_any_allocation_fails_the_outbox_fails_cleanly)
{
    story s;
    convex_options client;
    story_begin(&s, nowhere);
    box_open(&s);
    add(&s, 1);
    add(&s, 2);
    box_close(&s);
    alter(s.file, due_and_waiting);
    for (long n = 0, done = 0; !done; n++) {
        failing_mem counter = {.left = n};
        convex_outbox_options options = box_options(&s, &client);
        client.mem = (convex_mem){locked_realloc, &counter};
        convex_status status = convex_outbox_open(&options, &s.box, NULL);
        if (status == CONVEX_OK)
            status = convex_outbox_mutation(s.box, "m:add", NULL, "more", NULL, NULL);
        done = status == CONVEX_OK;
        assert_true(done || status == CONVEX_ENOMEM);
        box_close(&s);
        assert_int_equal(counter.live, 0);
    }
    assert_int_equal(list(s.file).count, 3);
    story_end(&s);
}

TEST(when_any_allocation_of_sqlite_fails_the_outbox_fails_cleanly)
{
    story s;
    story_begin(&s, nowhere);
    box_open(&s);
    add(&s, 1);
    box_close(&s);
    int accepted = 1;
    for (int n = 0, done = 0; !done; n++) {
        convex_options client;
        convex_outbox_options options = box_options(&s, &client);
        pthread_mutex_lock(&disk.lock);
        disk.memory_left = n;
        pthread_mutex_unlock(&disk.lock);
        convex_status status = convex_outbox_open(&options, &s.box, NULL);
        if (status == CONVEX_OK)
            status = try_tag(&s, "more", NULL);
        pthread_mutex_lock(&disk.lock);
        done = disk.memory_left > 0;
        pthread_mutex_unlock(&disk.lock);
        heal();
        assert_true(status == CONVEX_OK || !done);
        accepted += status == CONVEX_OK;
        box_close(&s);
        assert_int_equal(list(s.file).count, accepted);
    }
    story_end(&s);
}

/* ---- files that are refused ---- */

static void assert_refused(story *s, convex_status expected, const char *words)
{
    convex_options client;
    convex_outbox_options options = box_options(s, &client);
    convex_error error = {0};
    assert_int_equal(convex_outbox_open(&options, &s->box, &error), expected);
    assert_null(s->box);
    if (strstr(error.message, words) == NULL)
        fail_msg("%s", error.message);
}

TEST(a_file_that_is_damaged_or_not_ours_is_refused_and_left_alone)
{
    story s;
    size_t len = 0;
    listing none = {.stop_at = -1};
    story_begin(&s, nowhere);
    FILE *file = fopen(s.file, "w");
    for (int i = 0; i < 500; i++)
        fputs("no database at all ", file);
    fclose(file);
    assert_refused(&s, CONVEX_EINVAL, "not a database");
    assert_int_equal(convex_outbox_list(s.file, 0, list_entry, &none, NULL), CONVEX_EINVAL);
    char *text = read_whole(s.file, &len);
    assert_memory_equal(text, "no database", 11);
    free(text);
    unlink(s.file);

    alter(s.file, "CREATE TABLE theirs(x)");
    assert_refused(&s, CONVEX_EINVAL, "another program's");
    assert_int_equal(convex_outbox_list(s.file, 0, list_entry, &none, NULL), CONVEX_EINVAL);
    alter(s.file, "INSERT INTO theirs VALUES(1)");
    unlink(s.file);

    box_open(&s);
    add(&s, 1);
    box_close(&s);
    alter(s.file, "PRAGMA user_version = 2");
    assert_refused(&s, CONVEX_EINVAL, "version 2");
    assert_int_equal(convex_outbox_list(s.file, 0, list_entry, &none, NULL), CONVEX_EINVAL);
    alter(s.file, "PRAGMA user_version = 1");
    assert_string_equal(list(s.file).tags, "1,");
    story_end(&s);
}

TEST(a_damaged_page_is_noticed_when_opening)
{
    story s;
    story_begin(&s, nowhere);
    box_open(&s);
    for (int i = 0; i < 200; i++)
        add(&s, i);
    box_close(&s);
    FILE *file = fopen(s.file, "r+");
    assert_int_equal(fseek(file, 4096 * 3, SEEK_SET), 0);
    for (int i = 0; i < 4096; i++)
        fputc(0x5a, file);
    fclose(file);
    assert_refused(&s, CONVEX_EINVAL, s.file);
    story_end(&s);
}

TEST(entries_for_one_deployment_do_not_go_to_another)
{
    story s;
    convex_options client;
    story_begin(&s, nowhere);
    box_open(&s);
    add(&s, 1);
    box_close(&s);
    s.url = "http://127.0.0.1:2";
    assert_refused(&s, CONVEX_EINVAL, nowhere);
    assert_refused(&s, CONVEX_EINVAL, "moved");
    convex_outbox_options options = box_options(&s, &client);
    options.moved = true;
    assert_int_equal(convex_outbox_open(&options, &s.box, NULL), CONVEX_OK);
    box_close(&s);
    box_open(&s);
    box_close(&s);
    alter(s.file, "DELETE FROM entry");
    s.url = nowhere; /* nothing waits: any will do */
    box_open(&s);
    story_end(&s);
}

TEST(a_file_that_cannot_be_made_is_named)
{
    story s;
    story_begin(&s, nowhere);
    snprintf(s.file, sizeof s.file, "%.30s/none/box", s.dir);
    assert_refused(&s, CONVEX_EINVAL, s.file);
    assert_int_equal(convex_outbox_list(s.file, 0, list_entry, NULL, NULL), CONVEX_EINVAL);
    story_end(&s);
}

TEST(misuse_is_refused)
{
    story s;
    convex_options client;
    convex_outbox *box = NULL;
    convex_error error;
    story_begin(&s, nowhere);
    convex_outbox_options options = box_options(&s, &client), bad;
    assert_int_equal(convex_outbox_open(NULL, &box, &error), CONVEX_EINVAL);
    assert_int_equal(convex_outbox_open(&options, NULL, &error), CONVEX_EINVAL);
    bad = options, bad.size = 0;
    assert_int_equal(convex_outbox_open(&bad, &box, &error), CONVEX_EINVAL);
    bad = options, bad.file = "";
    assert_int_equal(convex_outbox_open(&bad, &box, &error), CONVEX_EINVAL);
    bad = options, bad.on_done = NULL;
    assert_int_equal(convex_outbox_open(&bad, &box, &error), CONVEX_EINVAL);
    bad = options, bad.max_in_flight = 501;
    assert_int_equal(convex_outbox_open(&bad, &box, &error), CONVEX_EINVAL);
    client.url = "ftp://x";
    assert_int_equal(convex_outbox_open(&options, &box, &error), CONVEX_EINVAL);
    client.url = nowhere;
    box_open(&s);
    char long_tag[514] = "";
    memset(long_tag, 'x', 513);
    assert_int_equal(try_tag(&s, long_tag, &error), CONVEX_EINVAL);
    assert_int_equal(try_tag(&s, "\xff", &error), CONVEX_EINVAL);
    convex_value *number = parse("1");
    assert_int_equal(convex_outbox_mutation(s.box, "m:a", number, NULL, NULL, &error),
                     CONVEX_EINVAL);
    convex_value_unref(number);
    assert_int_equal(convex_outbox_mutation(s.box, NULL, NULL, NULL, NULL, &error), CONVEX_EINVAL);
    assert_int_equal(convex_outbox_mutation(NULL, "m:a", NULL, NULL, NULL, &error), CONVEX_EINVAL);
    assert_int_equal(convex_outbox_mutations(s.box, NULL, 1, NULL, &error), CONVEX_EINVAL);
    assert_int_equal(convex_outbox_list(NULL, 0, list_entry, NULL, &error), CONVEX_EINVAL);
    assert_int_equal(convex_outbox_cancel(NULL, 1, &error), CONVEX_EINVAL);
    assert_int_equal(convex_outbox_cancel(s.box, 0, &error), CONVEX_EINVAL);
    assert_null(convex_outbox_client(NULL));
    convex_outbox_count(NULL, NULL);
    convex_outbox_free(NULL);
    convex_client_close(convex_outbox_client(s.box));
    assert_int_equal(try_tag(&s, "accepted all the same", &error), CONVEX_OK);
    assert_int_equal(counts_of(&s).entries, 1);
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_opening_is_refused_and_names_the_holder),
        cmocka_unit_test(the_file_is_for_its_owner_only),
        cmocka_unit_test(entries_are_listed_while_the_outbox_is_open),
        cmocka_unit_test(a_full_outbox_refuses_and_drops_nothing),
        cmocka_unit_test(numbers_that_are_used_up_are_reported),
        cmocka_unit_test(many_callers_share_one_write),
        cmocka_unit_test(when_any_write_or_sync_fails_what_callers_were_told_holds),
        cmocka_unit_test(after_power_loss_what_was_accepted_is_there),
        cmocka_unit_test(on_a_full_disk_accepting_fails_with_words_until_there_is_room),
        cmocka_unit_test(after_an_io_error_the_file_is_opened_again),
        cmocka_unit_test(a_disk_that_fails_while_entries_are_forgotten_loses_nothing),
        cmocka_unit_test(a_full_disk_is_tried_again_at_leisure_and_nothing_is_sent_unmarked),
        cmocka_unit_test(when_any_allocation_fails_the_outbox_fails_cleanly),
        cmocka_unit_test(when_any_allocation_of_sqlite_fails_the_outbox_fails_cleanly),
        cmocka_unit_test(a_file_that_is_damaged_or_not_ours_is_refused_and_left_alone),
        cmocka_unit_test(a_damaged_page_is_noticed_when_opening),
        cmocka_unit_test(entries_for_one_deployment_do_not_go_to_another),
        cmocka_unit_test(a_file_that_cannot_be_made_is_named),
        cmocka_unit_test(misuse_is_refused),
    };
    return cmocka_run_group_tests(tests, install, NULL);
}
