/* outbox_crash_test.c - a child that appends is killed again and again, at any moment.
 * Over a pipe it tells every id range that commit acknowledged: that ledger is the truth. */
#include "harness.h"

#include <signal.h>
#include <sys/wait.h>

#include "daemon/backoff.h"
#include "daemon/outbox.h"

enum { ROUNDS = 40, BATCH = 5, TOTAL_MAX = 200000 };
enum { AHEAD = (65536 / sizeof(int) + 2) * BATCH }; /* a child commits, its ledger unread */

static char *directory, path[4200];
static unsigned char seen[TOTAL_MAX];

static outbox *open_box(void)
{
    outbox_options options = {path, TOTAL_MAX * 2, INT64_C(1) << 32, true};
    outbox_error error = {""};
    outbox *box = NULL;

    if (outbox_open(&options, &box, &error) != 0)
        fail_msg("%s", error.text);
    return box;
}

/* Appends numbers from `next` on, BATCH in one commit, and says so after each commit. */
static void append_for_ever(int next, int ledger)
{
    outbox *box = open_box();
    char key[20], text[20];

    for (int r = 0; r == 0; next += BATCH) {
        r = outbox_begin(box);
        for (int i = next; r == 0 && i < next + BATCH; i++) {
            snprintf(key, sizeof(key), "%d", i);
            r = outbox_append(box, key, key, strlen(key), 1000, NULL);
        }
        snprintf(text, sizeof(text), "%d", next + BATCH);
        if (r == 0)
            r = outbox_put(box, "next", text, strlen(text));
        if (r == 0)
            r = outbox_commit(box);
        if (next % 50 == 0)
            r = r == 0 ? outbox_checkpoint(box) : r;
        if (r == 0 && write(ledger, &next, sizeof(next)) != sizeof(next))
            break;
    }
    _exit(1);
}

static bool mark(const outbox_entry *entry, void *user)
{
    int number = atoi(entry->key);

    assert_true(number >= 0 && number < TOTAL_MAX);
    assert_int_equal(entry->size, strlen(entry->key));
    assert_memory_equal(entry->payload, entry->key, entry->size);
    seen[number]++;
    return true;
}

/* Starts a child, lets it commit at least `commits` times, kills it. Returns the number after the
 * last one acknowledged. */
static int one_life(int next, int commits)
{
    int ends[2], number, acknowledged = next;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        append_for_ever(next, ends[1]);
    }
    close(ends[1]);
    while (read(ends[0], &number, sizeof(number)) == sizeof(number)) {
        acknowledged = number + BATCH;
        if (--commits == 0)
            kill(child, SIGKILL);
    }
    close(ends[0]);
    waitpid(child, NULL, 0);
    return acknowledged;
}

/* The next number by the metadata, which must agree with the entries: they are one transaction. */
static int check_box(int acknowledged)
{
    outbox *box = open_box();
    void *value;
    int next;

    memset(seen, 0, sizeof(seen));
    assert_int_equal(outbox_list(box, 0, TOTAL_MAX, mark, NULL), 0);
    assert_int_equal(outbox_get(box, "next", &value, NULL), 0);
    next = atoi(value);
    free(value);
    assert_true(next >= acknowledged);
    for (int i = 0; i < TOTAL_MAX; i++)
        assert_int_equal(seen[i], i < next ? 1 : 0);
    outbox_close(box);
    return next;
}

TEST(what_was_acknowledged_survives_kill_9_exactly_once)
{
    int next = 0;

    directory = make_directory();
    snprintf(path, sizeof(path), "%s/outbox", directory);
    for (int round = 0; round < ROUNDS && next < TOTAL_MAX - AHEAD; round++)
        next = check_box(one_life(next, 1 + (int)(backoff_random() % 40)));
    assert_true(next >= ROUNDS * BATCH);
    remove_directory(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_kill_9_exactly_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
