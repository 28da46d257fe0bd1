/* spool_test.c - what was accepted is handed out until it is done with, once and in order, whatever
 * of journal and box a crash left. */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys.h"
#include "spool.h"

static char directory[] = "/tmp/spool-test-XXXXXX", copy[] = "/tmp/spool-copy-XXXXXX";

static void empty(const char *name)
{
    DIR *dir = opendir(name);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL)
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static int remove_files(void **state)
{
    empty(directory);
    empty(copy);
    return 0;
}

static int make_directories(void **state)
{
    return mkdtemp(directory) && mkdtemp(copy) ? 0 : -1;
}

static int remove_directories(void **state)
{
    remove_files(state);
    return rmdir(directory) | rmdir(copy);
}

static void copy_file(const char *from, const char *to, const char *name)
{
    char path[400], bytes[65536];
    int in, out;
    ssize_t n;

    snprintf(path, sizeof(path), "%s/%s", from, name);
    in = open(path, O_RDONLY);
    snprintf(path, sizeof(path), "%s/%s", to, name);
    out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while ((n = read(in, bytes, sizeof(bytes))) > 0)
        assert_int_equal(write(out, bytes, (size_t)n), n);
    close(in);
    close(out);
}

/* The journal's files, or the box's. */
static void copy_files(const char *from, const char *to, const char *beginning)
{
    DIR *dir = opendir(from);
    struct dirent *entry;

    while ((entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, beginning, strlen(beginning)) == 0)
            copy_file(from, to, entry->d_name);
    closedir(dir);
}

/* ---- a deliverer ---- */

enum { MOST = 400 };

typedef struct receiver {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int64_t ids[MOST], attempts[MOST];
    int numbers[MOST];
    size_t count;
} receiver;

static receiver received = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};

static void receive(spool_delivery *list, void *user)
{
    pthread_mutex_lock(&received.lock);
    for (spool_delivery *d = list, *next; d; d = next) {
        next = d->next;
        assert_true(received.count < MOST);
        received.ids[received.count] = d->id;
        received.attempts[received.count] = d->attempts;
        memcpy(&received.numbers[received.count++], d->payload, sizeof(int));
        spool_delivery_free(d);
    }
    pthread_cond_broadcast(&received.came);
    pthread_mutex_unlock(&received.lock);
}

/* Until so many were handed out in all. */
static void wait_for(size_t count)
{
    pthread_mutex_lock(&received.lock);
    while (received.count < count)
        pthread_cond_wait(&received.came, &received.lock);
    assert_int_equal(received.count, count);
    pthread_mutex_unlock(&received.lock);
}

static spool *open_spool(int64_t max_entries, spool_deliver_fn *fn)
{
    const spool_options options = {directory, max_entries, 0, fn, NULL};
    outbox_error error = {""};
    spool *self = NULL;

    received.count = 0;
    if (spool_open(&options, &self, &error) != 0)
        fail_msg("%s", error.text);
    return self;
}

static int accept_one(spool *self, int number)
{
    char key[32];

    snprintf(key, sizeof(key), "key-%d", number);
    return spool_accept(self, key, &number, sizeof(number), 1000 + number);
}

static int commit(spool *self)
{
    spool_seal(self);
    return spool_commit(self);
}

static void accept_some(spool *self, int from, int to)
{
    for (int i = from; i < to; i++)
        assert_int_equal(accept_one(self, i), 0);
    assert_int_equal(commit(self), 0);
}

static void settle(spool *self, size_t i, spool_verdict verdict, int64_t delay_ms)
{
    uint64_t until;

    assert_int_equal(spool_settle(self, received.ids[i], verdict, delay_ms, "because"), 0);
    until = spool_settlements(self);
    while (!spool_has_settled(self, until))
        usleep(200);
}

static outbox_counts counts(spool *self)
{
    spool_state state;

    spool_get_state(self, &state);
    return state.counts;
}

static void expect(size_t first, int from, int to)
{
    for (int i = from; i < to; i++)
        assert_int_equal(received.numbers[first + (size_t)(i - from)], i);
}

/* ---- tests ---- */

TEST(what_was_accepted_is_handed_out_in_order_a_window_at_a_time)
{
    spool *self = open_spool(0, receive);
    size_t out = SPOOL_WINDOW;

    accept_some(self, 0, 100);
    wait_for(out);
    for (size_t i = 0; i < 100; i++) {
        settle(self, i, SPOOL_DELIVERED, 0);
        wait_for(out < 100 ? ++out : 100);
    }
    expect(0, 0, 100);
    assert_int_equal(counts(self).waiting, 0);
    assert_int_equal(counts(self).bytes, 0);
    spool_close(self);
}

TEST(what_was_delivered_is_not_handed_out_by_the_next_run_and_the_rest_is)
{
    spool *self = open_spool(0, receive);

    accept_some(self, 0, 10);
    wait_for(10);
    for (size_t i = 0; i < 10; i += 2)
        settle(self, i, SPOOL_DELIVERED, 0);
    spool_close(self);
    self = open_spool(0, receive);
    wait_for(5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(received.numbers[i], 2 * i + 1);
    assert_int_equal(counts(self).waiting, 5);
    accept_some(self, 10, 11);
    wait_for(6);
    assert_true(received.ids[5] > 10);
    spool_close(self);
}

TEST(an_event_that_comes_again_while_it_waits_is_taken_and_not_kept_twice)
{
    spool *self = open_spool(0, NULL);

    assert_int_equal(accept_one(self, 1), 0);
    assert_int_equal(accept_one(self, 1), 0);
    assert_int_equal(commit(self), 0);
    assert_int_equal(accept_one(self, 1), 0);
    assert_int_equal(commit(self), 0);
    assert_int_equal(counts(self).waiting, 1);
    spool_close(self);
    self = open_spool(0, receive);
    assert_int_equal(accept_one(self, 1), 0);
    assert_int_equal(commit(self), 0);
    wait_for(1);
    settle(self, 0, SPOOL_DELIVERED, 0);
    accept_some(self, 1, 2); /* now it is new: the backend knows it by its key */
    wait_for(2);
    spool_close(self);
}

/* No file may be written beyond so many bytes: what a full disk looks like. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
}

TEST(when_a_batch_is_not_stored_what_relied_on_it_meanwhile_is_forgotten_too)
{
    spool *self = open_spool(0, NULL);

    signal(SIGXFSZ, SIG_IGN);
    accept_some(self, 0, 1);
    assert_int_equal(accept_one(self, 1), 0);
    spool_seal(self);
    assert_int_equal(accept_one(self, 1), 0); /* again, while it is being stored */
    assert_int_equal(accept_one(self, 2), 0);
    limit_files(1);
    assert_int_equal(spool_commit(self), -EFBIG);
    limit_files(RLIM_INFINITY);
    spool_discard(self);
    assert_int_equal(counts(self).waiting, 1);
    assert_int_equal(commit(self), 0);
    assert_int_equal(counts(self).waiting, 1);
    accept_some(self, 1, 3);
    assert_int_equal(counts(self).waiting, 3);
    spool_close(self);
    self = open_spool(0, receive);
    wait_for(3);
    expect(0, 0, 3);
    spool_close(self);
}

TEST(a_full_spool_refuses_until_something_is_delivered)
{
    spool *self = open_spool(3, receive);

    accept_some(self, 0, 3);
    assert_int_equal(accept_one(self, 3), -ENOBUFS);
    assert_int_equal(accept_one(self, 2), 0); /* is there */
    wait_for(3);
    settle(self, 1, SPOOL_DELIVERED, 0);
    accept_some(self, 3, 4);
    assert_int_equal(accept_one(self, 4), -ENOBUFS);
    spool_close(self);
}

TEST(a_refused_event_keeps_its_id_and_its_attempts_through_a_restart)
{
    spool *self = open_spool(0, receive);
    int64_t id;

    accept_some(self, 0, 2);
    wait_for(2);
    id = received.ids[0];
    settle(self, 0, SPOOL_RETRY, 0);
    wait_for(3);
    assert_int_equal(received.ids[2], id);
    assert_int_equal(received.attempts[2], 1);
    settle(self, 2, SPOOL_RETRY, 0);
    wait_for(4);
    spool_close(self);
    self = open_spool(0, receive);
    wait_for(2); /* older ones first */
    assert_int_equal(received.ids[0], id);
    assert_int_equal(received.attempts[0], 2);
    expect(0, 0, 2);
    settle(self, 0, SPOOL_DEAD, 0);
    assert_int_equal(counts(self).dead, 1);
    assert_int_equal(counts(self).waiting, 1);
    assert_int_equal(accept_one(self, 0),
                     0); /* a dead letter is not delivered because it came again */
    assert_int_equal(commit(self), 0);
    accept_some(self, 2, 3);
    wait_for(3);
    expect(2, 2, 3);
    settle(self, 0, SPOOL_REVIVE, 0);
    wait_for(4);
    assert_int_equal(received.ids[3], id);
    settle(self, 3, SPOOL_DELIVERED, 0);
    assert_int_equal(counts(self).dead, 0);
    assert_int_equal(counts(self).waiting, 2);
    spool_close(self);
}

TEST(what_is_postponed_comes_again_in_order_with_no_attempt_counted)
{
    spool *self = open_spool(0, receive);

    accept_some(self, 0, 4);
    wait_for(4);
    spool_pause(self); /* so that all are postponed before the first comes again */
    for (size_t i = 4; i-- > 0;)
        settle(self, i, SPOOL_POSTPONE, 0);
    assert_int_equal(counts(self).waiting, 4);
    spool_close(self);
    self = open_spool(0, receive);
    wait_for(4);
    settle(self, 2, SPOOL_POSTPONE, 1);
    wait_for(5);
    assert_int_equal(received.numbers[4], 2);
    assert_int_equal(received.attempts[4], 0);
    spool_close(self);
}

/* What a power loss, or a kill between the box's transaction and the marks, leaves: the journal as
 * it was before, the box as it was after. */
TEST(a_journal_without_its_last_marks_hands_out_nothing_that_the_box_has)
{
    spool *self = open_spool(0, receive);
    int64_t dead, retried;

    accept_some(self, 0, 3);
    wait_for(3);
    copy_files(directory, copy, "journal-0");
    dead = received.ids[0];
    retried = received.ids[1];
    settle(self, 0, SPOOL_DEAD, 0);
    settle(self, 1, SPOOL_RETRY, 3600000);
    settle(self, 2, SPOOL_DELIVERED, 0);
    spool_close(self);
    copy_files(copy, directory, "journal-0");
    self = open_spool(0, receive);
    wait_for(1); /* delivered, and its mark lost: the backend knows it by its key */
    expect(0, 2, 3);
    assert_int_equal(counts(self).dead, 1);
    assert_int_equal(counts(self).waiting, 2);
    assert_int_equal(spool_settle(self, dead, SPOOL_REVIVE, 0, NULL), 0);
    wait_for(2);
    assert_int_equal(received.ids[1], dead);
    assert_true(received.ids[0] != retried);
    spool_close(self);
}

/* The other way round cannot be: marks follow the box's sync. A box that is gone altogether loses
 * what only it had, and nothing of the journal. */
TEST(a_box_that_is_gone_leaves_what_the_journal_has)
{
    spool *self = open_spool(0, receive);
    int64_t last;

    accept_some(self, 0, 3);
    wait_for(3);
    last = received.ids[2];
    settle(self, 0, SPOOL_RETRY, 3600000);
    spool_close(self);
    copy_files(directory, copy, "journal-0");
    empty(directory);
    copy_files(copy, directory, "journal-0");
    self = open_spool(0, receive);
    accept_some(self, 3, 4);
    wait_for(3);
    expect(0, 1, 4);
    assert_true(received.ids[2] > last);
    spool_close(self);
}

TEST(a_set_of_keys_has_what_was_added_and_not_removed)
{
    enum { MANY = 20000 };
    keys set = {NULL, 0, 0};
    key_print print;
    char key[32];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            snprintf(key, sizeof(key), "key-%d", i);
            assert_true(key_print_of(key, &print));
            assert_int_equal(keys_add(&set, print), i % 3 == 1 && round > 0 ? -EEXIST : 0);
        }
        for (int i = 0; i < MANY; i++) {
            snprintf(key, sizeof(key), "key-%d", i);
            assert_true(key_print_of(key, &print));
            assert_true(keys_has(&set, print));
            if (i % 3 != 1)
                keys_remove(&set, print);
            assert_int_equal(keys_has(&set, print), i % 3 == 1);
        }
        assert_int_equal(set.count, (MANY + 1) / 3);
    }
    for (int i = 1; i < MANY; i += 3) {
        snprintf(key, sizeof(key), "key-%d", i);
        assert_true(key_print_of(key, &print));
        keys_remove(&set, print);
    }
    assert_int_equal(set.capacity, 0);
    keys_done(&set);
}

#define CASE(name) cmocka_unit_test_teardown(name, remove_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_accepted_is_handed_out_in_order_a_window_at_a_time),
        CASE(what_was_delivered_is_not_handed_out_by_the_next_run_and_the_rest_is),
        CASE(an_event_that_comes_again_while_it_waits_is_taken_and_not_kept_twice),
        CASE(when_a_batch_is_not_stored_what_relied_on_it_meanwhile_is_forgotten_too),
        CASE(a_full_spool_refuses_until_something_is_delivered),
        CASE(a_refused_event_keeps_its_id_and_its_attempts_through_a_restart),
        CASE(what_is_postponed_comes_again_in_order_with_no_attempt_counted),
        CASE(a_journal_without_its_last_marks_hands_out_nothing_that_the_box_has),
        CASE(a_box_that_is_gone_leaves_what_the_journal_has),
        CASE(a_set_of_keys_has_what_was_added_and_not_removed),
    };

    return cmocka_run_group_tests(tests, make_directories, remove_directories);
}
