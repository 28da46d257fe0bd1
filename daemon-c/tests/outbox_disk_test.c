/* outbox_disk_test.c - a box on a disk that it fills: what is in it comes out without help. */
#include "harness.h"

#include <errno.h>
#include <sys/wait.h>

#include "daemon/outbox.h"
#include "small_disk.h"

enum { KB = 1024, RESERVE = 1024 * KB, DISK = 2200 * KB, TAKEN_AT_ONCE = 64, PAYLOAD_MAX = 9000 };

static char *directory, path[4200];

static int set_up(void **state)
{
    char *made = make_directory();

    directory = realpath(made, NULL);
    free(made);
    snprintf(path, sizeof(path), "%s/outbox", directory);
    return 0;
}

static int tear_down(void **state)
{
    small_disk_set(NULL, 0, 0);
    remove_directory(directory);
    return 0;
}

static outbox *open_box(void)
{
    outbox_options options = {.path = path, .reserve_bytes = RESERVE};
    outbox_error error = {""};
    outbox *box = NULL;

    if (outbox_open(&options, &box, &error) != 0)
        fail_msg("%s", error.text);
    return box;
}

/* Appends entries of `size` bytes with numbers `from` on for keys, `batch` in a transaction, until
 * the disk is full. Returns how many were acknowledged. */
static int fill(outbox *box, int from, size_t size, int batch)
{
    static const char payload[PAYLOAD_MAX];
    int done = 0, r = 0;
    char key[20];

    while (r == 0) {
        r = outbox_begin(box);
        for (int i = 0; r == 0 && i < batch; i++) {
            snprintf(key, sizeof(key), "%d", from + done + i);
            r = outbox_append(box, key, payload, size, 1000, NULL);
        }
        if (r == 0)
            r = outbox_commit(box);
        else
            outbox_rollback(box);
        done += r == 0 ? batch : 0;
    }
    assert_true(r == -ENOSPC || r == -EIO);
    return done;
}

typedef struct taken {
    int64_t ids[TAKEN_AT_ONCE];
    size_t count;
    int next; /* the key that has to come */
} taken;

static bool take(const outbox_entry *entry, void *user)
{
    taken *t = user;

    assert_int_equal(atoi(entry->key), t->next++);
    t->ids[t->count++] = entry->id;
    return true;
}

/* Takes out all from one on to another, as one who delivers does. Each is there once. */
static void drain(outbox *box, int from, int to)
{
    taken t = {.next = from};

    while (t.next < to) {
        size_t limit = to - t.next < TAKEN_AT_ONCE ? (size_t)(to - t.next) : TAKEN_AT_ONCE;
        t.count = 0;
        assert_int_equal(outbox_peek(box, 0, 1000, limit, take, &t), 0);
        assert_int_equal(t.count, limit);
        assert_int_equal(outbox_delete(box, t.ids, t.count), 0);
    }
}

static void assert_takes(outbox *box)
{
    assert_int_equal(outbox_regain(box), 0);
    assert_int_equal(outbox_append(box, "new", "1", 1, 1000, NULL), 0);
}

TEST(a_box_that_has_filled_its_disk_is_emptied_and_takes_in_again)
{
    static const struct {
        size_t size;
        int batch;
    } loads[] = {{100, 300}, {3000, 50}, {PAYLOAD_MAX, 1}};

    for (size_t i = 0; i < sizeof(loads) / sizeof(*loads); i++) {
        small_disk_set(directory, DISK, ENOSPC);
        outbox *box = open_box();
        int acknowledged = fill(box, 0, loads[i].size, loads[i].batch);
        assert_true(acknowledged > 0);
        assert_int_equal(outbox_regain(box), -ENOSPC);
        assert_int_equal(outbox_append(box, "no", "1", 1, 1000, NULL), -ENOSPC);
        drain(box, 0, acknowledged);
        assert_takes(box);
        assert_true(small_disk_used() < RESERVE + 256 * KB);
        outbox_close(box);
        unlink(path);
    }
}

TEST(a_process_that_is_killed_on_a_full_disk_starts_again_and_empties_it)
{
    int ends[2], acknowledged = 0;

    small_disk_set(directory, DISK, ENOSPC);
    assert_int_equal(pipe(ends), 0);
    for (int life = 0; life < 2; life++) { /* the second finds it full */
        pid_t child = fork();
        if (child == 0) {
            outbox *box = open_box();
            int done = fill(box, 0, 3000, 50);
            _exit(write(ends[1], &done, sizeof(done)) == sizeof(done) ? 0 : 1);
        }
        int status = -1, done = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_int_equal(read(ends[0], &done, sizeof(done)), sizeof(done));
        assert_true(life == 0 ? done > 0 : done == 0);
        acknowledged += done;
    }
    close(ends[0]);
    close(ends[1]);
    outbox *box = open_box();
    assert_int_equal(outbox_append(box, "no", "1", 1, 1000, NULL), -ENOSPC);
    drain(box, 0, acknowledged);
    assert_takes(box);
    outbox_close(box);
}

TEST(a_box_that_was_closed_on_a_full_disk_is_opened_and_emptied_in_the_little_that_is_left)
{
    small_disk_set(directory, DISK, ENOSPC);
    outbox *box = open_box();
    int acknowledged = fill(box, 0, 3000, 50);
    outbox_close(box);
    small_disk_set(directory, small_disk_used() + 200 * KB, ENOSPC);
    box = open_box();
    assert_int_equal(outbox_append(box, "no", "1", 1, 1000, NULL), -ENOSPC);
    drain(box, 0, acknowledged);
    outbox_close(box);
}

TEST(room_that_somebody_makes_is_taken_before_the_box_is_empty)
{
    small_disk_set(directory, DISK, ENOSPC);
    outbox *box = open_box();
    int acknowledged = fill(box, 0, 3000, 50);
    assert_int_equal(outbox_regain(box), -ENOSPC);
    small_disk_set(directory, 2 * DISK, ENOSPC);
    assert_takes(box);
    drain(box, 0, acknowledged);
    outbox_close(box);
}

TEST(a_box_most_of_which_is_delivered_takes_in_again_and_keeps_the_rest)
{
    small_disk_set(directory, DISK, ENOSPC);
    outbox *box = open_box();
    int acknowledged = fill(box, 0, 3000, 50);
    drain(box, 0, acknowledged - 5);
    assert_takes(box);
    drain(box, acknowledged - 5, acknowledged);
    outbox_close(box);
}

TEST(a_box_that_has_used_up_its_quota_is_recovered_and_emptied_and_takes_in_again)
{
    outbox_error error;

    small_disk_set(directory, DISK, EDQUOT);
    outbox *box = open_box();
    int acknowledged = 0, done;
    do { /* opened anew it may have some room: the log is gone */
        done = fill(box, acknowledged, 3000, 5);
        acknowledged += done;
        assert_int_equal(outbox_recover(box, &error), 0);
    } while (done > 0);
    assert_int_equal(outbox_append(box, "no", "1", 1, 1000, NULL), -ENOSPC);
    drain(box, 0, acknowledged);
    assert_takes(box);
    outbox_close(box);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_box_that_has_filled_its_disk_is_emptied_and_takes_in_again),
        CASE(a_process_that_is_killed_on_a_full_disk_starts_again_and_empties_it),
        CASE(a_box_that_was_closed_on_a_full_disk_is_opened_and_emptied_in_the_little_that_is_left),
        CASE(room_that_somebody_makes_is_taken_before_the_box_is_empty),
        CASE(a_box_most_of_which_is_delivered_takes_in_again_and_keeps_the_rest),
        CASE(a_box_that_has_used_up_its_quota_is_recovered_and_emptied_and_takes_in_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
