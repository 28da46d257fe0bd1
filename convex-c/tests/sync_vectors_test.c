/* sync_vectors_test.c - the recorded behaviour of the official software, vector by vector.
 *
 * Where this client does on purpose what the official JS client does not, the
 * vector is listed in `deviations` below with the reason, and checked for that. */
#include "sync_harness.h"

static convex_value *vectors;

static const struct {
    const char *name, *why;
} deviations[] = {
    {"s2c/ts_goes_backwards", "JS applies it; here a session whose time runs back is made anew"},
    {"s2c/chunk_recovers_after_error", "JS goes on in the same session; here it is made anew"},
    {"s2c/fatal_error", "JS never reconnects; here with the longest delay"},
    {"s2c/mutation_success_without_ts", "JS throws and stays; here the session is made anew"},
    {"exchange/auth_rejected_once", "JS still talks on the refused connection; here it closes"},
    {"exchange/slow_token_first_connect_is_count_1",
     "JS counts the open socket as an earlier one; here the first Connect says 0"},
    {"exchange/expect_auth_without_connect",
     "JS forgets Connect and with it exactly-once mutations; here it is always sent"},
    {"exchange/set_auth_null_leaves_server_identity",
     "JS leaves the server signed in; here None is sent before the next mutation"},
};

static bool deviates(const char *name)
{
    for (size_t i = 0; i < sizeof deviations / sizeof *deviations; i++)
        if (strcmp(name, deviations[i].name) == 0)
            return true;
    return false;
}

static void load_vectors(void)
{
    FILE *file = fopen("tests/vectors/sync.json", "rb");
    static char text[1 << 20];
    size_t len;

    assert_non_null(file);
    len = fread(text, 1, sizeof text, file);
    fclose(file);
    assert_int_equal(convex_value_parse(text, len, CONVEX_PLAIN_JSON, 80, NULL, &vectors, NULL),
                     CONVEX_OK);
}

static const char *text_of(const convex_value *value, const char *path)
{
    const char *text = convex_value_string(convex_value_get(value, path), NULL);
    return text ? text : "";
}

static double number_of(const convex_value *value, const char *path)
{
    double number = -1;
    convex_value_float64(convex_value_get(value, path), &number);
    return number;
}

static char *print(const convex_value *value)
{
    char *text = NULL;
    assert_int_equal(convex_value_print(value, CONVEX_PLAIN_JSON, NULL, &text, NULL), CONVEX_OK);
    return text;
}

static void expect_json(const char *name, const char *got, const convex_value *want)
{
    convex_value *value = rig_parse(got);
    if (!convex_value_equal(value, want)) {
        char *text = print(want);
        fail_msg("%s: got %s, not %s", name, got, text);
    }
    convex_value_unref(value);
}

/* ---- codec ---- */

static void check_codec(const char *name, const convex_value *json, const convex_value *expect)
{
    uint64_t ts = 0;
    char again[CVX_TS_SIZE + 1] = "", digits[24];
    bool ok = cvx_ts_read(convex_value_field(json, "b64"), &ts);

    if (!convex_value_field(json, "b64"))
        return; /* texts of request ids are the server's */
    if (ok != (strcmp(text_of(expect, "verdict"), "accept") == 0))
        fail_msg("%s: %s", name, ok ? "accepted" : "rejected");
    if (!ok)
        return;
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)ts);
    cvx_ts_encode(ts, again);
    assert_string_equal(digits, text_of(expect, "u64"));
    assert_string_equal(again, text_of(expect, "reencodes"));
}

/* ---- backoff ---- */

static void check_backoff(const char *name, const convex_value *json, const convex_value *expect)
{
    cvx_sync_config config = rig_config();
    bool ours = convex_value_field(json, "clientReason") != NULL;
    const char *reason = text_of(json, ours ? "clientReason" : "close.reason");
    unsigned retries = (unsigned)number_of(json, "retries");

    assert_int_equal(cvx_sync_backoff_ms(&config, reason, ours, retries, 0),
                     (unsigned)number_of(expect, "minMs"));
    assert_int_equal(cvx_sync_backoff_ms(&config, reason, ours, retries, 0.5),
                     (unsigned)number_of(expect, "baseMs"));
    assert_true(cvx_sync_backoff_ms(&config, reason, ours, retries, 1 - 1e-12) <=
                (unsigned)number_of(expect, "maxMs"));
}

/* ---- server to client ---- */

/* Brings a client into the state of `expect.given`. */
static void set_up(rig *r, const convex_value *given)
{
    const char *auth = text_of(given, "auth");

    rig_init(r);
    rig_subscribe(r, "q:a", NULL);
    rig_subscribe(r, "q:b", NULL);
    if (*auth)
        cvx_sync_set_auth_fetch(r->sync, r->now);
    rig_drain(r);
    if (*auth)
        rig_token(r, "a.b.c");
    rig_open(r);
    if (strncmp(auth, "fresh", 5) == 0) {
        rig_transition(r, 0, 1, 5, "");
        rig_token(r, "d.e.f");
        rig_transition(r, 1, 2, 10, UPDATED(0, "\"v0\"") "," UPDATED(1, "\"w0\""));
    } else {
        rig_transition(r, 1, 0, 10, UPDATED(0, "\"v0\"") "," UPDATED(1, "\"w0\""));
    }
    if (convex_value_field(given, "inflight")) {
        rig_mutate(r, "m:x");
        rig_act(r, "m:y");
    }
    assert_int_equal(r->closes, 0);
    assert_false(r->fetch_pending);
    r->forced = 0;
    rig_skip_frames(r);
}

static void say_json(rig *r, const convex_value *json)
{
    const char *raw = convex_value_string(convex_value_field(json, "$raw"), NULL);
    char *text = raw ? NULL : print(json);
    rig_say(r, raw ? raw : text);
    convex_text_free(text, NULL);
}

static void check_results(const char *name, rig *r, const convex_value *expect)
{
    const convex_value *results = convex_value_field(expect, "results");
    const convex_value *failed = convex_value_field(expect, "failed");
    const convex_value *absent = convex_value_field(expect, "absent");

    for (size_t i = 0; i < convex_value_count(results); i++) {
        int id = atoi(convex_value_key_at(results, i, NULL));
        double gone;
        if (convex_value_float64(convex_value_at(absent, 0), &gone) && id == (int)gone)
            assert_null(cvx_sync_result(&r->subs[id].listener));
        else
            expect_json(name, r->subs[id].last, convex_value_at(results, i));
    }
    for (size_t i = 0; i < convex_value_count(failed); i++) {
        const rig_sub *sub = &r->subs[atoi(convex_value_key_at(failed, i, NULL))];
        bool has_data = false;
        assert_int_equal(sub->last[0], '!');
        convex_value_bool(convex_value_field(convex_value_at(failed, i), "hasData"), &has_data);
        assert_int_equal(sub->has_data, has_data);
        if (has_data) {
            const convex_value *data = convex_result_error_data(cvx_sync_result(&sub->listener));
            char *text = NULL;
            convex_value_print(data, CONVEX_ENCODED_JSON, NULL, &text, NULL);
            expect_json(name, text, convex_value_field(convex_value_at(failed, i), "data"));
            convex_text_free(text, NULL);
        }
    }
}

static void check_requests(const char *name, rig *r, const convex_value *expect)
{
    const convex_value *requests = convex_value_field(expect, "requests");

    for (size_t i = 0; i < convex_value_count(requests); i++) {
        const char *key = convex_value_key_at(requests, i, NULL);
        const char *want = convex_value_string(convex_value_at(requests, i), NULL);
        const rig_call *call = &r->calls[atoi(key)];
        const char *got = !call->done              ? "pending"
                          : call->result[0] == '!' ? "rejected"
                                                   : "resolved";
        const convex_value *value = convex_value_field(convex_value_field(expect, "value"), key);
        const convex_value *data = convex_value_field(convex_value_field(expect, "errorData"), key);
        if (strcmp(got, want) != 0)
            fail_msg("%s: request %s is %s, not %s", name, key, got, want);
        assert_true(call->done <= 1);
        if (value)
            expect_json(name, call->result, value);
        if (strcmp(got, "rejected") == 0)
            assert_int_equal(call->has_data, data != NULL);
        if (data)
            assert_true(convex_value_equal(convex_result_error_data(call->request.result), data));
    }
}

/* What a new connection says of the queries shows which journals were kept. */
static void check_journals(rig *r, const convex_value *expect)
{
    const convex_value *journals = convex_value_field(expect, "journals");

    if (!journals)
        return;
    rig_close(r, 1006, "");
    rig_open(r);
    rig_expect_text(r, "Connect");
    const char *frame = rig_frame(r);
    for (size_t i = 0; i < convex_value_count(journals); i++) {
        char want[64];
        snprintf(want, sizeof want, "\"journal\":\"%s\"",
                 convex_value_string(convex_value_at(journals, i), NULL));
        assert_non_null(strstr(frame, want));
    }
}

static void check_s2c(const char *name, const convex_value *json, const convex_value *expect)
{
    const char *verdict = text_of(expect, "verdict");
    const convex_value *after = convex_value_field(expect, "versionAfter");
    rig r;

    set_up(&r, convex_value_field(expect, "given"));
    if (convex_value_type(json) == CONVEX_ARRAY)
        for (size_t i = 0; i < convex_value_count(json); i++)
            say_json(&r, convex_value_at(json, i));
    else
        say_json(&r, json);

    if (deviates(name) || strcmp(verdict, "protocol_error") == 0) {
        assert_int_equal(r.closes, 1);
        assert_int_equal(rig_state(&r).connection, CONVEX_CONNECTION_RECONNECTING);
        assert_string_equal(r.subs[0].last, "\"v0\"");
        assert_int_equal(cvx_sync_version(r.sync).ts, 10);
        if (strcmp(verdict, "terminate") == 0) {
            assert_string_equal(rig_state(&r).server_error, "Bad thing");
            assert_true(rig_state(&r).retry_in_ms >= 8000);
        }
        rig_open(&r); /* it comes back by itself */
    } else if (strcmp(verdict, "reauthenticate") == 0) {
        assert_int_equal(r.closes, 1);
        assert_int_equal(r.forced, (int)number_of(expect, "forcedFetches"));
        assert_int_equal(rig_state(&r).identity, CONVEX_IDENTITY_PENDING);
    } else {
        assert_int_equal(r.closes, 0);
        assert_int_equal(r.forced, 0);
        check_results(name, &r, expect);
        check_requests(name, &r, expect);
        if (after) {
            cvx_version version = cvx_sync_version(r.sync);
            assert_int_equal(version.query_set, (unsigned)number_of(after, "querySet"));
            assert_int_equal(version.identity, (unsigned)number_of(after, "identity"));
            assert_int_equal(version.ts, strtoull(text_of(after, "ts"), NULL, 10));
        }
        check_journals(&r, expect);
    }
    rig_done(&r);
}

/* ---- client to server ---- */

static bool same_but(const convex_value *got, const convex_value *want, const char *ignored)
{
    size_t n = convex_value_count(want);

    if (convex_value_count(got) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *key = convex_value_key_at(want, i, NULL);
        if (strcmp(key, "clientTs") == 0 || strcmp(key, "sessionId") == 0 ||
            strcmp(key, ignored) == 0) {
            if (!convex_value_field(got, key))
                return false;
        } else if (!convex_value_equal(convex_value_field(got, key), convex_value_at(want, i))) {
            return false;
        }
    }
    return true;
}

static void expect_frame(const char *name, rig *r, const convex_value *want, const char *ignored)
{
    const char *frame = rig_frame(r);
    if (!frame)
        fail_msg("%s: nothing sent", name);
    convex_value *got = rig_parse(frame);
    if (!same_but(got, want, ignored)) {
        char *text = print(want);
        fail_msg("%s: sent %s\nnot %s", name, frame, text);
    }
    convex_value_unref(got);
}

static const convex_value *find(const char *name)
{
    for (size_t i = 0; i < convex_value_count(vectors); i++)
        if (strcmp(text_of(convex_value_at(vectors, i), "name"), name) == 0)
            return convex_value_field(convex_value_at(vectors, i), "json");
    fail_msg("no vector %s", name);
    return NULL;
}

static void expect_vector(rig *r, const char *name)
{
    expect_frame(name, r, find(name), "");
}

#define ODD_ARGS                                                                                   \
    "{\"b\":{\"$integer\":\"AQAAAAAAAAA=\"},\"a\":[1.5,null,{\"$float\":\"AAAAAAAA+H8=\"},"        \
    "{\"$float\":\"AAAAAAAAAIA=\"},{\"$bytes\":\"AQID\"}]}"

/* The story from which the official client's frames were recorded. */
static void tell_recorded_story(rig *r)
{
    rig_sub *third;

    rig_init(r);
    rig_subscribe_at(r, "messages.js:list", ODD_ARGS, NULL);
    rig_subscribe_at(r, "dir/mod", NULL, NULL);
    rig_open(r);
    expect_vector(r, "c2s/connect_initial");
    expect_vector(r, "c2s/modify_initial_two_adds");
    third = rig_subscribe(r, "x:y", "{\"s\":\"\xc3\xa9\xf0\x9f\x98\x80\"}");
    expect_vector(r, "c2s/modify_add_unicode");
    rig_unsubscribe(r, third);
    expect_vector(r, "c2s/modify_remove");
    rig_call_at(r, false, "tasks.js:add", "{\"t\":\"x\",\"n\":{\"$integer\":\"BwAAAAAAAAA=\"}}",
                NULL, false);
    expect_vector(r, "c2s/mutation");
    rig_act(r, "mail:send");
    expect_vector(r, "c2s/action");
    rig_transition(r, 3, 0, 50,
                   UPDATED(0, "1") ",{\"type\":\"QueryUpdated\",\"queryId\":1,\"value\":2,"
                                   "\"logLines\":[],\"journal\":\"JOURNAL-1\"}");
    rig_say(r, "{\"type\":\"MutationResponse\",\"requestId\":0,\"success\":true,\"result\":null,"
               "\"ts\":\"ZAAAAAAAAAA=\",\"logLines\":[]}");
    rig_close(r, 1013, "TooManyWritesInTimePeriod");
    rig_open(r);
}

static void frames_of_the_recorded_session_are_the_official_clients(void **state)
{
    rig r;

    tell_recorded_story(&r);
    expect_vector(&r, "c2s/connect_reconnect");
    expect_vector(&r, "c2s/modify_resubscribe_with_journals");
    expect_vector(&r, "c2s/mutation");
    rig_expect_nothing(&r);
    assert_int_equal(r.calls[1].request.status, CONVEX_EUNKNOWN);
    rig_done(&r);

    rig_init(&r);
    rig_open(&r);
    expect_vector(&r, "c2s/connect_initial");
    expect_vector(&r, "c2s/modify_initial_empty");
    rig_done(&r);
}

static void frames_of_admins_and_components_are_the_official_clients(void **state)
{
    rig r;

    rig_init(&r);
    cvx_sync_set_auth_admin(
        r.sync, strdup("happy-animal-1|secret"),
        strdup("{\"subject\":\"s\",\"issuer\":\"https://i.example\",\"name\":\"N\"}"), r.now);
    rig_subscribe_at(&r, "q:a", NULL, "comp/sub");
    rig_call_at(&r, false, "m:x", NULL, "comp", false);
    rig_open(&r);
    expect_vector(&r, "c2s/connect_initial");
    expect_vector(&r, "c2s/authenticate_admin_impersonating");
    expect_vector(&r, "c2s/modify_component_path");
    expect_vector(&r, "c2s/mutation_component_path");
    cvx_sync_set_auth_admin(r.sync, strdup("happy-animal-1|secret"), NULL, r.now);
    rig_drain(&r);
    expect_vector(&r, "c2s/authenticate_admin");
    cvx_sync_set_auth_none(r.sync, r.now);
    rig_drain(&r);
    expect_vector(&r, "c2s/authenticate_none");
    rig_done(&r);
}

static void frames_of_users_are_the_official_clients(void **state)
{
    rig r;

    rig_init(&r);
    cvx_sync_set_auth_fetch(r.sync, r.now);
    rig_drain(&r);
    rig_token(&r, "eyJhbGciOi.JWT.sig");
    rig_open(&r);
    expect_vector(&r, "c2s/connect_initial");
    expect_vector(&r, "c2s/authenticate_user");
    expect_vector(&r, "c2s/modify_initial_empty");
    rig_done(&r);
}

/* What the server has heard when it gets the frame of a vector. */
static frame_check heard_before(const convex_value *frame, const convex_value *given)
{
    frame_check heard = {0};
    const convex_value *queries = convex_value_field(given, "queries");

    if (given) {
        cvx_u32_read(convex_value_field(given, "receivedQuerySetVersion"), &heard.query_set);
        cvx_u32_read(convex_value_field(given, "receivedIdentityVersion"), &heard.identity);
        for (size_t i = 0; i < convex_value_count(queries); i++)
            heard.live[atoi(convex_value_key_at(queries, i, NULL))] = true;
        return heard;
    }
    /* One out of the middle of a recorded session. */
    cvx_u32_read(convex_value_field(frame, "baseVersion"), &heard.query_set);
    heard.identity = heard.query_set;
    if (strcmp(text_of(frame, "modifications[0].type"), "Remove") == 0)
        heard.live[(int)number_of(frame, "modifications[0].queryId")] = true;
    return heard;
}

/* The server's verdict on every frame is known to the check that all our frames go through, save
 * where it looks at more than the frame. */
static void check_c2s(const char *name, const convex_value *json, const convex_value *expect)
{
    static const char *const beyond[] = {
        "c2s/bad_binary_frame", "c2s/bad_connect_max_observed_in_future",
        "c2s/bad_auth_token_rejected", "c2s/expired_identity_on_next_use"};
    const char *raw = convex_value_string(convex_value_field(json, "$raw"), NULL);
    char *text = raw ? NULL : print(json);
    frame_check heard = heard_before(json, convex_value_field(expect, "given"));
    const char *fault = check_frame(&heard, raw ? raw : text, strlen(raw ? raw : text));
    bool accept = strcmp(text_of(expect, "verdict"), "accept") == 0;

    convex_text_free(text, NULL);
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        if (strcmp(name, beyond[i]) == 0)
            return;
    if (accept != !fault)
        fail_msg("%s: %s", name, fault ? fault : "accepted");
}

/* ---- exchanges ---- */

typedef struct replay {
    rig r;
    const char *name;
    size_t at;
} replay;

static rig_sub *subscribe_page(rig *r, const char *cursors)
{
    char args[200];
    snprintf(args, sizeof args, "{\"ch\":\"x\",\"paginationOpts\":{%s,\"id\":-1,\"numItems\":2}}",
             cursors);
    return rig_subscribe(r, "m:list", args);
}

/* What the program does before entry `at` of the exchange. */
static void act(replay *p)
{
    rig *r = &p->r;
    bool fresh = p->at == 0;

    if (fresh && strcmp(p->name, "exchange/paginated_split") == 0)
        subscribe_page(r, "\"cursor\":null");
    else if (fresh && !strstr(p->name, "set_auth_null"))
        rig_subscribe(r, "q:a", NULL);
    if (fresh && strstr(p->name, "auth") && !strstr(p->name, "slow")) {
        r->tokens_format = "eyJhbGciOi.JWT";
        r->tokens = strstr(p->name, "expect_auth") ? 1 : 0;
        cvx_sync_set_auth_fetch(r->sync, r->now);
    }
    if (fresh && strstr(p->name, "slow")) {
        cvx_sync_set_auth_fetch(r->sync, r->now);
        rig_open(r);
        rig_expect_nothing(r);
        rig_token(r, "eyJhbGciOi.JWT0.sig"); /* the second is never answered */
    } else if (fresh) {
        rig_open(r);
    }
    if (strstr(p->name, "reflects") && p->at == 3)
        rig_mutate(r, "m:x");
    if (strstr(p->name, "paginated") && p->at == 3)
        subscribe_page(r, "\"cursor\":null,\"endCursor\":\"c2\"");
    if (strstr(p->name, "paginated") && p->at == 5)
        subscribe_page(r, "\"cursor\":\"c2\",\"endCursor\":\"c5\"");
    if (strstr(p->name, "paginated") && p->at == 7)
        rig_unsubscribe(r, &r->subs[0]);
    if (strstr(p->name, "set_auth_null") && p->at == 7) {
        r->tokens_format = "";
        cvx_sync_set_auth_fetch(r->sync, r->now);
        rig_drain(r);
        rig_mutate(r, "m:x");
        rig_expect(r, "{\"type\":\"Authenticate\",\"tokenType\":\"None\",\"baseVersion\":2}");
        assert_int_equal(rig_state(r).identity, CONVEX_IDENTITY_REJECTED);
    }
    rig_drain(r);
}

/* Replays one recorded session: our frames must be those recorded, in the same order. */
static void check_exchange(const char *name, const convex_value *json, const convex_value *expect)
{
    replay p = {.name = name};
    rig *r = &p.r;

    if (strcmp(name, "exchange/reconnect_resend") == 0)
        tell_recorded_story(r);
    else
        rig_init(r);
    for (p.at = 0; p.at < convex_value_count(json); p.at++) {
        const convex_value *entry = convex_value_at(json, p.at);
        const convex_value *frame = convex_value_field(entry, "frame");
        double conn = 0;
        convex_value_float64(convex_value_field(entry, "conn"), &conn);
        if (strcmp(name, "exchange/reconnect_resend") != 0)
            act(&p);
        if (p.at == 0 && strstr(name, "expect_auth"))
            rig_expect_text(r, "\"type\":\"Connect\"");
        if (p.at == 0 && strstr(name, "slow")) {
            rig_expect_text(r, "\"connectionCount\":0,\"lastCloseReason\":\"InitialConnect\"");
            continue;
        }
        if ((int)conn < r->closes) {
            rig_skip_frames(r);
            continue; /* on a connection we have closed */
        }
        if ((int)conn >= r->opens) {
            assert_true(cvx_sync_deadline(r->sync) <= r->now); /* at once, no backoff */
            rig_open(r);
        } else if ((int)conn == 1 && r->frame_read == r->frame_count) {
            cvx_sync_opened(r->sync, r->now, WALL_MS);
            rig_drain(r);
        }
        if (strcmp(text_of(entry, "from"), "client") == 0)
            expect_frame(name, r, frame, "");
        else
            say_json(r, frame);
    }
    rig_expect_nothing(r);
    rig_done(r);
}

/* ---- all ---- */

static void every_vector_holds(void **state)
{
    static const struct {
        const char *direction;
        void (*check)(const char *name, const convex_value *json, const convex_value *expect);
        int count;
    } kinds[] = {
        {"codec", check_codec, 21},      {"c2s", check_c2s, 54},         {"s2c", check_s2c, 59},
        {"exchange", check_exchange, 8}, {"backoff", check_backoff, 11},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int count = 0;
        for (size_t i = 0; i < convex_value_count(vectors); i++) {
            const convex_value *vector = convex_value_at(vectors, i);
            if (strcmp(text_of(vector, "direction"), kinds[k].direction) != 0)
                continue;
            kinds[k].check(text_of(vector, "name"), convex_value_field(vector, "json"),
                           convex_value_field(vector, "expect"));
            count++;
        }
        assert_int_equal(count, kinds[k].count);
    }
}

static void every_deviation_names_a_vector(void **state)
{
    for (size_t i = 0; i < sizeof deviations / sizeof *deviations; i++)
        assert_non_null(find(deviations[i].name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_the_recorded_session_are_the_official_clients),
        cmocka_unit_test(frames_of_admins_and_components_are_the_official_clients),
        cmocka_unit_test(frames_of_users_are_the_official_clients),
        cmocka_unit_test(every_vector_holds),
        cmocka_unit_test(every_deviation_names_a_vector),
    };
    load_vectors();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    convex_value_unref(vectors);
    return failed;
}
