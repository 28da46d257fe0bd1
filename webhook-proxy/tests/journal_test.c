/* journal_test.c - what was committed is read again, whatever happened in between; and nothing
 * else.
 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"

enum { SMALL = 4096 };

static char directory[] = "/tmp/journal-test-XXXXXX";

static int remove_files(void **state)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL)
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    return 0;
}

static int make_directory(void **state)
{
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    remove_files(state);
    return rmdir(directory);
}

static journal *open_with(size_t max_segments, const journal_io *io)
{
    const journal_options options = {.directory = directory,
                                     .segment_bytes = SMALL,
                                     .max_bytes = max_segments * SMALL,
                                     .io = io};
    char reason[300] = "";
    journal *self = NULL;

    if (journal_open(&options, &self, reason, sizeof(reason)) != 0)
        fail_msg("%s", reason);
    return self;
}

static journal *opened(void)
{
    return open_with(0, NULL);
}

static int append(journal *self, int number, size_t size)
{
    char key[32], *payload = malloc(size + 1);
    int r;

    snprintf(key, sizeof(key), "key-%d", number);
    memset(payload, 'a' + number % 26, size);
    r = journal_append(
        self,
        &(journal_entry){
            .id = number + 1, .key = key, .payload = payload, .size = size, .now_ms = number});
    free(payload);
    return r;
}

static int commit(journal *self)
{
    journal_seal(self);
    return journal_commit(self);
}

static void commit_one(journal *self, int number, size_t size)
{
    assert_int_equal(append(self, number, size), 0);
    assert_int_equal(commit(self), 0);
}

/* What is read, checked to be whole. */
typedef struct seen {
    int numbers[4096];
    journal_place places[4096];
    size_t count, refuse_after;
    journal_place place;
} seen;

static bool see(const journal_entry *entry, journal_place next, void *user)
{
    seen *s = user;
    const char *bytes = entry->payload;

    if (s->refuse_after && s->count == s->refuse_after)
        return false;
    assert_int_equal(atoi(entry->key + strlen("key-")), entry->now_ms);
    for (size_t i = 0; i < entry->size; i++)
        assert_int_equal(bytes[i], 'a' + entry->now_ms % 26);
    assert_int_equal(entry->id, entry->now_ms + 1);
    s->places[s->count] = entry->place;
    s->numbers[s->count++] = (int)entry->now_ms;
    s->place = next;
    return true;
}

static seen read_from(journal *self, journal_place at)
{
    seen s;
    ssize_t n;

    s.count = s.refuse_after = 0;
    s.place = at;

    do
        n = journal_read(self, s.place, 100, see, &s);
    while (n > 0);
    assert_int_equal(n, 0);
    return s;
}

static seen read_all(journal *self)
{
    return read_from(self, (journal_place){0, 0});
}

static void mark_all(journal *self, const seen *s)
{
    for (size_t i = 0; i < s->count; i++)
        assert_int_equal(journal_mark(self, s->places[i]), 0);
}

static void expect_first(const seen *s, size_t count)
{
    assert_int_equal(s->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(s->numbers[i], i);
}

static size_t files(void)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;
    size_t count = 0;

    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void one_file(char *ret, size_t size)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;

    *ret = '\0';
    while ((entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, "journal-0", 9) == 0)
            snprintf(ret, size, "%s/%s", directory, entry->d_name);
    closedir(dir);
}

TEST(what_was_committed_is_read_in_order_and_what_was_not_is_not)
{
    journal *self = opened();
    seen s;

    for (int i = 0; i < 5; i++)
        assert_int_equal(append(self, i, (size_t)i * 7), 0);
    s = read_all(self);
    expect_first(&s, 0);
    assert_int_equal(commit(self), 0);
    commit_one(self, 5, 100);
    assert_int_equal(append(self, 6, 10), 0);
    s = read_all(self);
    expect_first(&s, 6);
    s = read_from(self, s.place);
    expect_first(&s, 0);
    journal_close(self);
}

TEST(a_reader_that_refuses_an_entry_gets_it_again)
{
    journal *self = opened();
    seen s = {.refuse_after = 2};

    for (int i = 0; i < 4; i++)
        commit_one(self, i, 10);
    assert_int_equal(journal_read(self, s.place, 100, see, &s), 2);
    s.refuse_after = 0;
    assert_int_equal(journal_read(self, s.place, 1, see, &s), 1);
    assert_int_equal(journal_read(self, s.place, 100, see, &s), 1);
    expect_first(&s, 4);
    journal_close(self);
}

TEST(segments_follow_each_other_and_large_entries_have_large_ones)
{
    journal *self = open_with(100, NULL);
    seen s;

    for (int i = 0; i < 60; i++)
        commit_one(self, i, i % 10 == 9 ? 3 * SMALL : 500);
    assert_true(files() > 10);
    s = read_all(self);
    expect_first(&s, 60);
    journal_close(self);
    self = open_with(100, NULL);
    s = read_all(self);
    expect_first(&s, 60);
    journal_close(self);
}

TEST(what_is_done_with_is_not_read_again_in_this_run_or_the_next)
{
    journal *self = opened();
    seen s;

    for (int i = 0; i < 5; i++)
        commit_one(self, i, 10);
    s = read_all(self);
    assert_int_equal(journal_mark(self, s.places[1]), 0);
    assert_int_equal(journal_mark(self, s.places[3]), 0);
    for (int run = 0; run < 2; run++) {
        s = read_all(self);
        assert_int_equal(s.count, 3);
        for (int i = 0; i < 3; i++)
            assert_int_equal(s.numbers[i], 2 * i);
        journal_close(self);
        self = opened();
    }
    assert_int_equal(journal_last_id(self), 5);
    journal_close(self);
}

TEST(one_entry_is_read_at_its_place_whether_it_is_done_with_or_not)
{
    journal *self = opened();
    seen all, one = {.count = 0};

    for (int i = 0; i < 3; i++)
        commit_one(self, i, 10);
    all = read_all(self);
    assert_int_equal(journal_mark(self, all.places[1]), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(journal_get(self, all.places[i], see, &one), 0);
    expect_first(&one, 3);
    assert_int_equal(journal_get(self, all.place, see, &one), -ENOENT);
    journal_close(self);
}

TEST(the_next_run_begins_a_segment_of_its_own_and_gives_up_the_one_before_when_that_is_over)
{
    journal *self = opened();
    seen s;

    for (int i = 0; i < 3; i++)
        commit_one(self, i, 10);
    journal_close(self);
    self = opened();
    commit_one(self, 3, 10);
    s = read_all(self);
    expect_first(&s, 4);
    assert_int_equal(files(), 2);
    mark_all(self, &s);
    assert_int_equal(journal_tend(self), 0);
    assert_int_equal(files(), 2); /* one of them the spare */
    journal_close(self);
    self = opened(); /* which id was the last is known, though all are done with */
    assert_int_equal(journal_last_id(self), 4);
    assert_int_equal(files(), 1);
    journal_close(self);
}

TEST(many_runs_with_little_in_each_leave_little_on_disk)
{
    struct stat status;
    char path[400];
    journal *self;
    seen s;

    for (int i = 0; i < 50; i++) {
        self = open_with(2, NULL); /* bytes of two segments */
        commit_one(self, i, 10);
        journal_close(self);
    }
    self = open_with(2, NULL);
    s = read_all(self);
    expect_first(&s, 50);
    one_file(path, sizeof(path));
    assert_int_equal(stat(path, &status), 0);
    assert_in_range(status.st_size, 32, 100);
    mark_all(self, &s);
    assert_int_equal(journal_tend(self), 0);
    assert_int_equal(files(), 2); /* the last one, and the spare */
    journal_close(self);
}

TEST(another_process_reads_it_and_changes_nothing)
{
    const journal_options options = {
        .directory = directory, .segment_bytes = SMALL, .read_only = true};
    char reason[300] = "";
    journal *self = opened(), *other = NULL;
    seen s;

    for (int i = 0; i < 20; i++)
        commit_one(self, i, 500);
    s = read_all(self);
    s.count = 3;
    mark_all(self, &s);
    assert_int_equal(journal_tend(self), 0);
    assert_int_equal(journal_open(&options, &other, reason, sizeof(reason)), 0);
    s = read_all(other);
    assert_int_equal(s.count, 17);
    assert_int_equal(s.numbers[0], 3);
    journal_close(other);
    commit_one(self, 20, 10);
    s = read_all(self);
    assert_int_equal(s.count, 18);
    journal_close(self);
}

TEST(a_batch_torn_at_any_byte_leaves_all_before_it)
{
    enum { HEAD = 32, ENTRY = 32 + 5 + 19 }; /* 56, a multiple of 8 */
    char path[400];

    for (size_t cut = 0; cut < ENTRY; cut++) {
        journal *self = opened();
        unsigned char byte;
        seen s;
        int fd;

        for (int i = 0; i < 4; i++)
            commit_one(self, i, 19);
        journal_close(self);
        one_file(path, sizeof(path));
        fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, (off_t)(HEAD + 3 * ENTRY + cut)), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(HEAD + 3 * ENTRY + cut)), 1);
        close(fd);
        self = opened();
        s = read_all(self);
        if (cut >= 4 && cut < 8) { /* of the mark: it is none, so the entry counts */
            expect_first(&s, 4);
            journal_close(self);
            remove_files(NULL);
            continue;
        }
        expect_first(&s, 3);
        commit_one(self, 3, 19);
        s = read_all(self);
        expect_first(&s, 4);
        journal_close(self);
        remove_files(NULL);
    }
}

TEST(a_file_used_again_shows_nothing_of_its_earlier_life)
{
    journal *self = open_with(3, NULL);
    seen s = {.count = 0};
    int number = 0;

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 10; i++)
            commit_one(self, number++, 300);
        s = read_all(self);
        assert_int_equal(s.count, 10);
        assert_int_equal(s.numbers[0], number - 10);
        mark_all(self, &s);
        assert_int_equal(journal_tend(self), 0);
        assert_true(files() <= 4);
    }
    journal_close(self);
    self = open_with(3, NULL);
    s = read_all(self);
    assert_int_equal(s.count, 0);
    commit_one(self, number, 10);
    s = read_all(self);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.numbers[0], number);
    journal_close(self);
}

TEST(when_all_segments_are_full_it_refuses_until_some_are_given_up)
{
    journal *self = open_with(2, NULL);
    seen s;
    int number = 0, r = 0;

    while (r == 0) {
        assert_int_equal(append(self, number, 1000), 0);
        r = commit(self);
        number += r == 0;
    }
    assert_int_equal(r, -ENOBUFS);
    s = read_all(self);
    expect_first(&s, (size_t)number);
    assert_int_equal(journal_tend(self), 0);
    mark_all(self, &s);
    assert_true(journal_is_untidy(self));
    assert_int_equal(journal_tend(self), 0);
    assert_false(journal_is_untidy(self));
    commit_one(self, number, 1000);
    s = read_all(self);
    assert_int_equal(s.count, 1);
    journal_close(self);
}

static int writes_left, syncs_left;

static ssize_t limited_write(int fd, const void *bytes, size_t size, off_t offset)
{
    if (writes_left-- == 0) {
        /* half of it arrives */
        ssize_t n = pwrite(fd, bytes, size / 2, offset);

        errno = n < 0 ? errno : ENOSPC;
        return -1;
    }
    return pwrite(fd, bytes, size, offset);
}

static int limited_sync(int fd)
{
    if (syncs_left-- == 0) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

/* Commits ten entries, of which some fail; those that did not must be there, before and after the
 * end of the run. Returns whether any failed. */
static bool survives(void)
{
    const journal_io io = {limited_write, limited_sync};
    journal *self = open_with(100, &io);
    int committed[20], failed = 0;
    size_t count = 0;
    seen s;

    for (int i = 0; i < 10; i++) {
        assert_int_equal(append(self, i, 700), 0);
        if (commit(self) == 0)
            committed[count++] = i;
        else
            failed++;
    }
    assert_true(failed <= 1);
    s = read_all(self);
    assert_int_equal(s.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(s.numbers[i], committed[i]);
    journal_close(self);
    self = opened();
    /* What a failed sync left may be there as well; nothing else. */
    s = read_all(self);
    assert_in_range(s.count, count, 10);
    for (size_t i = 0, j = 0; i < count; i++, j++) {
        while (s.numbers[j] != committed[i])
            assert_true(++j < s.count);
    }
    journal_close(self);
    remove_files(NULL);
    return failed > 0;
}

TEST(the_nth_write_or_sync_that_fails_loses_nothing_that_was_committed)
{
    int n;

    for (n = 0; n < 200; n++) {
        writes_left = n;
        syncs_left = -1;
        if (!survives())
            break;
    }
    assert_in_range(n, 10, 199);
    for (n = 0; n < 200; n++) {
        writes_left = -1;
        syncs_left = n;
        if (!survives())
            break;
    }
    assert_in_range(n, 10, 199);
}

TEST(a_mark_that_cannot_be_written_counts_for_this_run_only)
{
    const journal_io io = {limited_write, limited_sync};
    journal *self;
    seen s;

    writes_left = syncs_left = -1;
    self = open_with(0, &io);
    commit_one(self, 0, 10);
    commit_one(self, 1, 2 * SMALL);
    s = read_all(self);
    writes_left = 0;
    assert_int_equal(journal_mark(self, s.places[0]), -ENOSPC);
    journal_close(self);
    self = opened();
    s = read_all(self);
    expect_first(&s, 2);
    journal_close(self);
}

TEST(a_segment_in_which_nothing_was_committed_leaves_nothing_behind)
{
    const journal_io io = {limited_write, limited_sync};
    journal *self;
    seen s;

    writes_left = -1;
    syncs_left = 0;
    self = open_with(0, &io);
    assert_int_equal(append(self, 0, 10), 0);
    assert_int_equal(commit(self), -EIO);
    commit_one(self, 1, 10);
    assert_int_equal(journal_tend(self), 0);
    s = read_all(self);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.numbers[0], 1);
    journal_close(self);
    self = opened();
    s = read_all(self);
    assert_int_equal(s.count, 1);
    journal_close(self);
}

TEST(a_file_with_a_damaged_head_is_set_aside)
{
    journal *self = opened();
    char path[400];
    seen s;
    int fd;

    commit_one(self, 0, 10);
    journal_close(self);
    one_file(path, sizeof(path));
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "?", 1, 9), 1);
    close(fd);
    self = opened();
    s = read_all(self);
    assert_int_equal(s.count, 0);
    commit_one(self, 0, 10);
    s = read_all(self);
    expect_first(&s, 1);
    assert_int_equal(files(), 2);
    journal_close(self);
}

static void flip(const char *path, size_t offset, int bit)
{
    int fd = open(path, O_RDWR);
    unsigned char byte;

    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= (unsigned char)(1 << bit);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

static void expect_damage(const journal *self, size_t parts, size_t bytes)
{
    size_t found_parts, found_bytes;

    journal_damage(self, &found_parts, &found_bytes);
    assert_int_equal(found_parts, parts);
    assert_int_equal(found_bytes, bytes);
}

/* All that is read, by a process that only looks, is all but that one. */
static void expect_all_but(int missing, size_t bytes)
{
    const journal_options options = {.directory = directory, .read_only = true};
    char reason[300] = "";
    journal *self = NULL;
    seen s;

    assert_int_equal(journal_open(&options, &self, reason, sizeof(reason)), 0);
    s = read_all(self);
    assert_int_equal(s.count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(s.numbers[i], i < missing ? i : i + 1);
    expect_damage(self, 1, bytes);
    journal_close(self);
}

TEST(a_bit_that_flips_anywhere_in_an_entry_costs_that_entry_and_no_other)
{
    journal *self = opened();
    char path[400];
    seen s;

    for (int i = 0; i < 5; i++)
        commit_one(self, i, 40 + (size_t)i * 8); /* nothing is padded but keys */
    s = read_all(self);
    journal_close(self);
    one_file(path, sizeof(path));
    for (int i = 0; i < 4; i++) {
        size_t begin = s.places[i].offset, bytes = s.places[i + 1].offset - begin;

        for (size_t at = 0; at < bytes - 8; at++) {
            if (at >= 4 && at < 8)
                continue; /* the mark: at worst the entry is not done with */
            flip(path, begin + at, (int)at % 8);
            expect_all_but(i, bytes);
            flip(path, begin + at, (int)at % 8);
        }
    }
}

TEST(an_entry_larger_than_what_is_read_at_once_is_found_behind_a_damaged_one)
{
    journal *self = open_with(100, NULL);
    char path[400];
    seen s;

    assert_int_equal(append(self, 0, 40), 0);
    assert_int_equal(append(self, 1, 300000), 0);
    assert_int_equal(commit(self), 0);
    s = read_all(self);
    one_file(path, sizeof(path));
    flip(path, s.places[0].offset + 40, 0);
    s = read_all(self);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.numbers[0], 1);
    journal_close(self);
}

TEST(a_damaged_file_is_read_on_counted_once_and_set_aside_when_it_is_done_with)
{
    journal *self = opened();
    char path[400];
    size_t bytes;
    seen s;

    for (int i = 0; i < 4; i++)
        commit_one(self, i, 100);
    s = read_all(self);
    bytes = s.places[1].offset - s.places[0].offset;
    one_file(path, sizeof(path));
    flip(path, s.places[1].offset + 40, 0); /* under the eyes of whoever has it open */
    flip(path, s.places[3].offset + 40, 0); /* nothing is behind this one */
    s = read_all(self);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.numbers[1], 2);
    expect_damage(self, 2, 2 * bytes);
    (void)read_all(self);
    expect_damage(self, 2, 2 * bytes);
    journal_close(self);

    self = opened();
    s = read_all(self);
    assert_int_equal(s.count, 2);
    expect_damage(self, 1, bytes); /* the last one is a torn end to this run */
    commit_one(self, 4, 10);
    mark_all(self, &s);
    assert_int_equal(journal_tend(self), 0);
    s = read_all(self);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.numbers[0], 4);
    journal_close(self);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof(path), "%s/damaged-journal-%020d", directory, 1);
    assert_int_equal(access(path, F_OK), 0);
    self = opened();
    expect_damage(self, 0, 0);
    journal_close(self);
}

TEST(a_directory_that_is_not_there_is_named)
{
    const journal_options options = {.directory = "/nonexistent/place"};
    char reason[200] = "";
    journal *self = NULL;

    assert_int_equal(journal_open(&options, &self, reason, sizeof(reason)), -ENOENT);
    assert_string_equal(reason, "/nonexistent/place: No such file or directory");
    assert_null(self);
}

enum { TOGETHER = 3000 };

static void *write_many(void *user)
{
    journal *self = user;

    for (int i = 0; i < TOGETHER;) {
        int in_batch = 0;

        for (; in_batch < 7 && i + in_batch < TOGETHER; in_batch++)
            if (append(self, i + in_batch, 40) != 0)
                return user;
        if (commit(self) == 0)
            i += in_batch;
        else
            usleep(100); /* full: the reader will make room */
    }
    return NULL;
}

TEST(one_thread_writes_while_another_reads_marks_and_tends)
{
    journal *self = open_with(3, NULL);
    seen *s = calloc(1, sizeof(*s));
    pthread_t writer;
    void *failed;

    assert_int_equal(pthread_create(&writer, NULL, write_many, self), 0);
    while (s->count < TOGETHER) {
        size_t before = s->count;

        assert_true(journal_read(self, s->place, 50, see, s) >= 0);
        for (; before < s->count; before++)
            assert_int_equal(journal_mark(self, s->places[before]), 0);
        assert_int_equal(journal_tend(self), 0);
    }
    pthread_join(writer, &failed);
    assert_null(failed);
    expect_first(s, TOGETHER);
    assert_int_equal(journal_read(self, (journal_place){0, 0}, 1, see, s), 0);
    free(s);
    journal_close(self);
}

#define CASE(name) cmocka_unit_test_teardown(name, remove_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_committed_is_read_in_order_and_what_was_not_is_not),
        CASE(a_reader_that_refuses_an_entry_gets_it_again),
        CASE(segments_follow_each_other_and_large_entries_have_large_ones),
        CASE(what_is_done_with_is_not_read_again_in_this_run_or_the_next),
        CASE(one_entry_is_read_at_its_place_whether_it_is_done_with_or_not),
        CASE(
            the_next_run_begins_a_segment_of_its_own_and_gives_up_the_one_before_when_that_is_over),
        CASE(many_runs_with_little_in_each_leave_little_on_disk),
        CASE(another_process_reads_it_and_changes_nothing),
        CASE(a_batch_torn_at_any_byte_leaves_all_before_it),
        CASE(a_file_used_again_shows_nothing_of_its_earlier_life),
        CASE(when_all_segments_are_full_it_refuses_until_some_are_given_up),
        CASE(the_nth_write_or_sync_that_fails_loses_nothing_that_was_committed),
        CASE(a_mark_that_cannot_be_written_counts_for_this_run_only),
        CASE(a_segment_in_which_nothing_was_committed_leaves_nothing_behind),
        CASE(a_file_with_a_damaged_head_is_set_aside),
        CASE(a_bit_that_flips_anywhere_in_an_entry_costs_that_entry_and_no_other),
        CASE(an_entry_larger_than_what_is_read_at_once_is_found_behind_a_damaged_one),
        CASE(a_damaged_file_is_read_on_counted_once_and_set_aside_when_it_is_done_with),
        CASE(a_directory_that_is_not_there_is_named),
        CASE(one_thread_writes_while_another_reads_marks_and_tends),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
