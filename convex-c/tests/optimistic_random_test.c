/* optimistic_random_test.c - optimistic updates and chance: what is shown is what a simple model
 * says, after every event. */
#include "optimistic_rig.h"

enum { KEYS = 4, STEPS = 300, PENDING = 12 };

typedef struct pending {
    plan p;
    char append[8];
    unsigned id;
    bool answered;
    uint64_t ts;
} pending;

typedef struct model {
    char server[KEYS][64]; /* what the client was told */
    char truth[KEYS][64];  /* what the server holds */
    bool told[KEYS];       /* on this connection */
    pending list[PENDING];
    int count;
    uint64_t now;
    rig_call calls[STEPS];
    int next_id;
} model;

static const char *const key_paths[KEYS] = {"k:a", "k:b", "k:c", "k:d"};

static void expect_model(rig *r, const model *m)
{
    for (int k = 0; k < KEYS; k++) {
        char shown[512];
        const convex_value *value;
        snprintf(shown, sizeof shown, "%s", m->server[k]);
        for (int i = 0; i < m->count; i++)
            if (strcmp(m->list[i].p.path, key_paths[k]) == 0)
                strcat(shown, m->list[i].append);
        value = convex_result_value(cvx_sync_result(&r->subs[k].listener));
        assert_string_equal(convex_value_string(value, NULL), shown);
        assert_memory_equal(r->subs[k].last + 1, shown, strlen(shown)); /* and was told */
    }
}

/* Its mutation is done, which is told when the client looks. */
static void model_forget(model *m, int i)
{
    memmove(&m->list[i], &m->list[i + 1], sizeof m->list[0] * (size_t)(m->count - i - 1));
    m->count--;
}

/* The plan must not move, as the update points to it: plans are by id. */
static plan plans[STEPS];
static char appends[STEPS][8];

static void model_mutate(rig *r, model *m, uint64_t *seed)
{
    int id = m->next_id++;
    rig_call *call = &m->calls[id];
    size_t len = 0;
    pending *p = &m->list[m->count++];

    snprintf(appends[id], sizeof appends[id], "%c", 'A' + (int)draw_below(seed, 26));
    plans[id] = (plan){.path = key_paths[draw_below(seed, KEYS)], .append = appends[id]};
    *p = (pending){.p = plans[id], .id = (unsigned)id};
    memcpy(p->append, appends[id], sizeof p->append);
    convex_optimistic how = {.update = apply, .user = &plans[id], .free_user = free_plan};
    *call = (rig_call){0};
    assert_int_equal(
        cvx_call_text(&r->config.mem, "m:x", NULL, NULL, false, &call->body, &len, NULL),
        CONVEX_OK);
    call->request = (cvx_request){.id = (uint32_t)id,
                                  .body = call->body,
                                  .body_len = len,
                                  .update = cvx_update_new(&r->config.mem, &how, NULL)};
    cvx_sync_request(r->sync, &call->request);
    rig_drain(r);
}

/* The server runs the oldest unanswered one, or refuses it. */
static void model_answer(rig *r, model *m, uint64_t *seed)
{
    for (int i = 0; i < m->count; i++) {
        pending *p = &m->list[i];
        if (p->answered)
            continue;
        if (draw_below(seed, 4) == 0) {
            respond(r, p->id, false, 0);
            model_forget(m, i);
            return;
        }
        for (int k = 0; k < KEYS; k++) {
            size_t at = strlen(m->truth[k]);
            if (strcmp(p->p.path, key_paths[k]) == 0)
                snprintf(m->truth[k] + (at > 40 ? 0 : at), 16, "%s", p->append);
        }
        p->answered = true;
        p->ts = ++m->now;
        respond(r, p->id, true, p->ts);
        return;
    }
}

static void model_transition(rig *r, model *m, uint64_t *seed, bool all)
{
    char list[1024] = "";
    size_t at = 0;
    bool whole = true;

    if (draw_below(seed, 2)) {
        m->now++; /* somebody else wrote */
        snprintf(m->truth[draw_below(seed, KEYS)], 16, "s%u-", (unsigned)draw_below(seed, 100));
    }
    for (int k = 0; k < KEYS; k++) {
        if (m->told[k] ? strcmp(m->server[k], m->truth[k]) == 0 : !all && draw_below(seed, 2)) {
            whole = whole && m->told[k];
            continue;
        }
        m->told[k] = true;
        strcpy(m->server[k], m->truth[k]);
        at += (size_t)snprintf(list + at, sizeof list - at,
                               "%s{\"type\":\"QueryUpdated\",\"queryId\":%d,\"value\":\"%s\","
                               "\"logLines\":[],\"journal\":null}",
                               at ? "," : "", k, m->truth[k]);
    }
    rig_transition(r, 1, 0, m->now, list);
    for (int i = 0; whole && i < m->count;) {
        if (m->list[i].answered)
            model_forget(m, i);
        else
            i++;
    }
}

/* Two listeners of each query: the second is the group's. */
static void expect_group(rig *r, const model *m, const cvx_group *group)
{
    for (int k = 0; k < KEYS; k++)
        if (!m->told[k])
            return; /* it waits for all */
    for (int k = 0; k < KEYS; k++)
        assert_true(convex_value_equal(
            convex_result_value(convex_snapshot_result_at(group->snapshot, (size_t)k)),
            convex_result_value(cvx_sync_result(&r->subs[k].listener))));
    assert_int_equal(convex_snapshot_ts(group->snapshot) <= cvx_sync_version(r->sync).ts, true);
}

static void random_history(uint64_t seed)
{
    static model m;
    convex_query_spec specs[KEYS];
    cvx_group group;
    rig r;

    m = (model){.now = 10};
    rig_init(&r);
    r.distinct = true;
    for (int k = 0; k < KEYS; k++)
        specs[k] = (convex_query_spec){.path = key_paths[k]};
    assert_int_equal(cvx_group_init(&group, &r.config.mem, specs, KEYS, NULL), CONVEX_OK);
    for (int k = 0; k < KEYS; k++) {
        snprintf(m.truth[k], sizeof m.truth[k], "t%d", k);
        rig_subscribe(&r, key_paths[k], NULL);
    }
    cvx_group_start(r.sync, &group);
    rig_open(&r);
    model_transition(&r, &m, &seed, true);
    for (int step = 0; step < STEPS; step++) {
        r.slow = draw_below(&seed, 4) == 0;
        uint64_t what = draw_below(&seed, 20);
        if (what < 7 && m.count < PENDING) {
            model_mutate(&r, &m, &seed);
        } else if (what < 12) {
            model_answer(&r, &m, &seed);
        } else if (what < 19) {
            model_transition(&r, &m, &seed, draw_below(&seed, 2) == 0);
        } else {
            rig_close(&r, 1006, "");
            rig_open(&r);
            memset(m.told, 0, sizeof m.told);
        }
        rig_drain(&r);
        if (!r.slow) {
            expect_model(&r, &m);
            expect_group(&r, &m, &group);
        }
        r.frame_read = r.frame_count;
    }
    r.slow = false;
    cvx_group_stop(r.sync, &group);
    cvx_group_done(&group);
    for (int k = 0; k < KEYS; k++)
        rig_unsubscribe(&r, &r.subs[k]);
    while (cvx_sync_take_request(r.sync))
        continue;
    rig_drain(&r);
    for (int id = 0; id < m.next_id; id++) {
        assert_int_equal(plans[id].freed, 1);
        assert_in_range(m.calls[id].done, 0, 1);
        convex_result_unref(m.calls[id].request.result);
        cvx_free(&r.config.mem, m.calls[id].body);
    }
    rig_done(&r);
}

TEST(in_random_histories_what_is_shown_is_the_servers_state_and_the_pending_updates)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        random_history(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            in_random_histories_what_is_shown_is_the_servers_state_and_the_pending_updates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
