/* buckets_test.c - when requests may leave, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "buckets.h"

#define CREATE "POST /channels/{id}/messages"
#define EDIT   "PATCH /channels/{id}/messages/{id}"

static int64_t now;
static dbk_entry e[64];

static uint32_t no_jitter(void *user)
{
    return 0;
}

static dbk *make(void)
{
    now = 5000000;
    memset(e, 0, sizeof e);
    dbk *b = dbk_new(no_jitter, NULL);
    assert_non_null(b);
    return b;
}

static void add(dbk *b, int i, const char *route, const char *major)
{
    e[i].deadline = now + 100000;
    assert_true(dbk_add(b, &e[i], route, major, now));
}

static dbk_facts ok(const char *bucket, int remaining, int reset_ms)
{
    dbk_facts f;

    danswer_init(&f);
    f.status = 200;
    f.limit = 5;
    f.remaining = remaining;
    f.reset_after_ms = reset_ms;
    snprintf(f.bucket, sizeof f.bucket, "%s", bucket);
    return f;
}

static dbk_facts limited(int64_t retry_ms, bool global)
{
    dbk_facts f;

    danswer_init(&f);
    f.status = 429;
    f.retry_after_ms = retry_ms;
    f.global = global;
    return f;
}

static void answer(dbk *b, int i, dbk_facts facts)
{
    dbk_answer(b, &e[i], &facts, now);
    dbk_done(b, &e[i]);
}

static void end(dbk *b)
{
    while (dbk_take(b))
        ;
    dbk_free(b);
}

static void a_lane_sends_one_at_a_time_in_order(void **state)
{
    dbk *b = make();

    add(b, 0, CREATE, "1");
    add(b, 1, CREATE, "1");
    assert_ptr_equal(dbk_next(b, now), &e[0]);
    assert_null(dbk_next(b, now));
    answer(b, 0, ok("h", 4, 5000));
    assert_ptr_equal(dbk_next(b, now), &e[1]);
    answer(b, 1, ok("h", 3, 5000));
    end(b);
}

static void a_limited_channel_does_not_delay_another(void **state)
{
    dbk *b = make();

    add(b, 0, CREATE, "1");
    assert_ptr_equal(dbk_next(b, now), &e[0]);
    answer(b, 0, ok("h", 0, 3000));
    add(b, 1, CREATE, "1");
    add(b, 2, CREATE, "2");
    assert_ptr_equal(dbk_next(b, now), &e[2]);
    assert_null(dbk_next(b, now));
    answer(b, 2, ok("h", 4, 5000));
    assert_int_equal(dbk_due(b, now), now + 3000);
    now += 2999;
    assert_null(dbk_next(b, now));
    now += 1;
    assert_ptr_equal(dbk_next(b, now), &e[1]);
    assert_int_equal(e[1].limited_ms, 3000);
    answer(b, 1, ok("h", 4, 5000));
    end(b);
}

static void routes_of_one_bucket_share_its_limit(void **state)
{
    dbk *b = make();

    add(b, 0, CREATE, "1");
    add(b, 1, EDIT, "1");
    assert_non_null(dbk_next(b, now));
    assert_non_null(dbk_next(b, now));
    answer(b, 0, ok("same", 1, 5000));
    answer(b, 1, ok("same", 0, 5000));
    add(b, 2, CREATE, "1");
    add(b, 3, EDIT, "1");
    assert_null(dbk_next(b, now));
    now += 5000;
    assert_non_null(dbk_next(b, now));
    assert_non_null(dbk_next(b, now));
    answer(b, 2, ok("same", 4, 5000));
    answer(b, 3, ok("same", 3, 5000));
    end(b);
}

static void what_is_under_way_counts_against_the_remaining(void **state)
{
    dbk *b = make();

    add(b, 0, CREATE, "1");
    add(b, 1, EDIT, "1");
    assert_non_null(dbk_next(b, now));
    assert_non_null(dbk_next(b, now));
    answer(b, 0, ok("same", 2, 5000));
    answer(b, 1, ok("same", 1, 5000));
    add(b, 2, CREATE, "1");
    add(b, 3, EDIT, "1");
    assert_non_null(dbk_next(b, now));
    assert_null(dbk_next(b, now));
    dbk_entry *waiting = dbk_take(b);
    assert_non_null(waiting);
    answer(b, waiting == &e[2] ? 3 : 2, ok("same", 0, 5000));
    end(b);
}

static void a_429_is_never_sent_again_early(void **state)
{
    dbk *b = make();
    dbk_facts facts = limited(1337, false);

    add(b, 0, CREATE, "1");
    add(b, 1, CREATE, "2");
    assert_non_null(dbk_next(b, now));
    assert_non_null(dbk_next(b, now));
    dbk_answer(b, &e[0], &facts, now);
    dbk_again(b, &e[0], now, now);
    answer(b, 1, ok("h", 4, 1000));
    add(b, 2, CREATE, "2");
    assert_ptr_equal(dbk_next(b, now), &e[2]);
    now += 1336;
    assert_null(dbk_next(b, now));
    assert_int_equal(dbk_due(b, now), now + 1);
    now += 1;
    assert_ptr_equal(dbk_next(b, now), &e[0]);
    assert_int_equal(e[0].limited_ms, 1337);
    answer(b, 0, ok("h", 4, 1000));
    answer(b, 2, ok("h", 4, 1000));
    end(b);
}

static void a_global_429_holds_every_lane(void **state)
{
    dbk *b = make();
    dbk_facts facts = limited(500, true);

    add(b, 0, CREATE, "1");
    assert_non_null(dbk_next(b, now));
    dbk_answer(b, &e[0], &facts, now);
    dbk_again(b, &e[0], now, now);
    add(b, 1, CREATE, "2");
    assert_null(dbk_next(b, now));
    now += 500;
    assert_non_null(dbk_next(b, now));
    assert_non_null(dbk_next(b, now));
    answer(b, 0, ok("h", 4, 1000));
    answer(b, 1, ok("h", 4, 1000));
    end(b);
}

static void a_429_that_does_not_say_how_long_cools_everything_down_longer_each_time(void **state)
{
    dbk *b = make();
    dbk_facts facts = limited(-1, false);
    int64_t expected = 60000;

    facts.html = true;
    add(b, 0, CREATE, "1");
    e[0].deadline = INT64_MAX;
    for (int i = 0; i < 6; i++) {
        assert_ptr_equal(dbk_next(b, now), &e[0]);
        dbk_answer(b, &e[0], &facts, now);
        dbk_again(b, &e[0], now, now);
        assert_int_equal(dbk_due(b, now), now + expected);
        now += expected;
        expected = expected * 2 < 900000 ? expected * 2 : 900000;
    }
    end(b);
}

static void a_request_whose_limit_ends_behind_its_deadline_ends_now(void **state)
{
    dbk *b = make();
    int64_t wait = -1;

    add(b, 0, CREATE, "1");
    assert_non_null(dbk_next(b, now));
    answer(b, 0, ok("h", 0, 60000));
    add(b, 1, CREATE, "1");
    e[1].deadline = now + 1000;
    assert_ptr_equal(dbk_expired(b, now, &wait), &e[1]);
    assert_int_equal(wait, 60000);
    assert_null(dbk_expired(b, now, &wait));
    end(b);
}

static void the_deadline_ends_a_request_that_waits_behind_another(void **state)
{
    dbk *b = make();
    int64_t wait = -1;

    add(b, 0, CREATE, "1");
    add(b, 1, CREATE, "1");
    e[1].deadline = now + 1000;
    assert_non_null(dbk_next(b, now));
    assert_int_equal(dbk_due(b, now), now + 1000);
    now += 1000;
    assert_ptr_equal(dbk_expired(b, now, &wait), &e[1]);
    assert_int_equal(wait, 0);
    answer(b, 0, ok("h", 4, 1000));
    end(b);
}

static void a_failed_request_keeps_its_place(void **state)
{
    dbk *b = make();

    add(b, 0, CREATE, "1");
    add(b, 1, CREATE, "1");
    assert_ptr_equal(dbk_next(b, now), &e[0]);
    dbk_answer(b, &e[0], NULL, now);
    dbk_again(b, &e[0], now + 200, now);
    assert_null(dbk_next(b, now));
    now += 200;
    assert_ptr_equal(dbk_next(b, now), &e[0]);
    assert_null(dbk_next(b, now));
    answer(b, 0, ok("h", 4, 1000));
    assert_ptr_equal(dbk_next(b, now), &e[1]);
    answer(b, 1, ok("h", 4, 1000));
    end(b);
}

/* Refused as fast as it is let: what an address may have in ten minutes is never used up. */
static void invalid_answers_are_slowed_down_well_before_the_ban(void **state)
{
    dbk *b = make();
    dbk_facts forbidden;
    int64_t end_at = now + 600000;
    unsigned before_pause = 0;
    unsigned sent = 0;

    danswer_init(&forbidden);
    forbidden.status = 403;
    add(b, 0, CREATE, "1");
    while (now < end_at) {
        if (!dbk_next(b, now)) {
            int64_t due = dbk_due(b, now);
            assert_true(due > now);
            before_pause = before_pause ? before_pause : sent;
            now = due;
            continue;
        }
        answer(b, 0, forbidden);
        sent++;
        add(b, 0, CREATE, "1");
    }
    assert_in_range(before_pause, 3000, 5000);
    assert_in_range(sent, 5000, 9000);
    end(b);
}

static void shared_limits_cost_no_budget(void **state)
{
    dbk *b = make();
    dbk_facts shared = limited(0, false);

    shared.shared = true;
    for (unsigned i = 0; i < 12000; i++) {
        add(b, 0, CREATE, "1");
        assert_non_null(dbk_next(b, now));
        answer(b, 0, shared);
    }
    end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_sends_one_at_a_time_in_order),
        cmocka_unit_test(a_limited_channel_does_not_delay_another),
        cmocka_unit_test(routes_of_one_bucket_share_its_limit),
        cmocka_unit_test(what_is_under_way_counts_against_the_remaining),
        cmocka_unit_test(a_429_is_never_sent_again_early),
        cmocka_unit_test(a_global_429_holds_every_lane),
        cmocka_unit_test(a_429_that_does_not_say_how_long_cools_everything_down_longer_each_time),
        cmocka_unit_test(a_request_whose_limit_ends_behind_its_deadline_ends_now),
        cmocka_unit_test(the_deadline_ends_a_request_that_waits_behind_another),
        cmocka_unit_test(a_failed_request_keeps_its_place),
        cmocka_unit_test(invalid_answers_are_slowed_down_well_before_the_ban),
        cmocka_unit_test(shared_limits_cost_no_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
