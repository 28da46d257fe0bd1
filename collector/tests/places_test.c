/* places_test.c - which channels are captured, and whose threads are whose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "places.h"

static void set_channels(places *self, const char *json)
{
    convex_value *value = NULL;
    const api_channels_captured_result *list = NULL;
    assert_int_equal(
        convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    assert_int_equal(api_channels_captured_result_decode(value, NULL, &list, NULL), CONVEX_OK);
    assert_int_equal(places_set_channels(self, list), 0);
    api_channels_captured_result_unref(list);
    convex_value_unref(value);
}

#define ONE "[{\"guildId\":\"6\",\"channelId\":\"45\",\"since\":0}]"

static void learn(places *self, const char *name, const char *text)
{
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    places_learn(self, name, json);
    cJSON_Delete(json);
}

/* "guild/channel/thread", or "" for what is not captured. */
static const char *at(places *self, const char *id, const char *guild)
{
    static char text[80];
    capture_place place;
    text[0] = '\0';
    if (places_find(self, id, guild, &place))
        snprintf(text, sizeof text, "%s/%s/%s", place.guild_id, place.channel_id, place.thread_id);
    return text;
}

static void until_the_channels_are_known_an_events_guild_is_believed(void **state)
{
    places *self = NULL;
    assert_int_equal(places_new(NULL, &self), 0);
    assert_false(places_known(self));
    assert_string_equal(at(self, "45", "6"), "6/45/");
    assert_string_equal(at(self, "45", NULL), "");
    places_add_thread(self, "46", "45");
    assert_string_equal(at(self, "46", "6"), "6/45/46");
    set_channels(self, ONE);
    assert_true(places_known(self));
    assert_string_equal(at(self, "45", NULL), "6/45/");
    assert_string_equal(at(self, "46", "9"), "6/45/46");
    assert_string_equal(at(self, "47", "6"), "");
    places_free(self);
}

static void threads_are_learned_and_forgotten_from_events(void **state)
{
    places *self = NULL;
    assert_int_equal(places_new(NULL, &self), 0);
    set_channels(self, ONE);
    learn(self, "GUILD_CREATE",
          "{\"id\":\"6\",\"threads\":[{\"id\":\"50\",\"parent_id\":\"45\"},"
          "{\"id\":\"51\",\"parent_id\":\"99\"},{\"id\":\"x\",\"parent_id\":\"45\"},7]}");
    learn(self, "THREAD_LIST_SYNC", "{\"threads\":[{\"id\":\"52\",\"parent_id\":\"45\"}]}");
    learn(self, "THREAD_CREATE", "{\"id\":\"40\",\"parent_id\":\"45\"}");
    learn(self, "THREAD_UPDATE", "{\"id\":\"40\",\"parent_id\":\"45\"}");
    assert_string_equal(at(self, "50", NULL), "6/45/50");
    assert_string_equal(at(self, "51", NULL), "");
    assert_string_equal(at(self, "52", NULL), "6/45/52");
    assert_string_equal(at(self, "40", NULL), "6/45/40");
    learn(self, "THREAD_DELETE", "{\"id\":\"50\",\"parent_id\":\"45\"}");
    assert_string_equal(at(self, "50", NULL), "");
    set_channels(self, "[]");
    set_channels(self, ONE);
    assert_string_equal(at(self, "52", NULL), ""); /* its channel was off */
    places_free(self);
}

static void count(const capture_place *thread, void *user)
{
    (*(unsigned *)user)++;
}

static void the_oldest_of_too_many_threads_are_forgotten(void **state)
{
    places *self = NULL;
    char id[16];
    unsigned threads = 0;
    assert_int_equal(places_new(NULL, &self), 0);
    set_channels(self, ONE);
    for (int i = 10010; i > 0; i--) {
        snprintf(id, sizeof id, "%d", 100 + i);
        places_add_thread(self, id, "45");
    }
    places_threads(self, count, &threads);
    assert_int_equal(threads, 10000);
    assert_string_equal(at(self, "10110", NULL), "6/45/10110");
    places_free(self);
}

static void learn_guilds(places *self, const char *name, const char *text)
{
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    places_learn_guilds(self, name, json);
    cJSON_Delete(json);
}

static const char *foreign(places *self)
{
    static char text[16];
    places_foreign_guilds(self, text, sizeof text);
    return text;
}

static void a_captured_guild_that_the_bot_is_not_in_is_named(void **state)
{
    places *self = NULL;
    assert_int_equal(places_new(NULL, &self), 0);
    set_channels(self, "[{\"guildId\":\"6\",\"channelId\":\"45\",\"since\":0},"
                       "{\"guildId\":\"7\",\"channelId\":\"46\",\"since\":0},"
                       "{\"guildId\":\"7\",\"channelId\":\"47\",\"since\":0}]");
    assert_string_equal(foreign(self), ""); /* nobody knows yet */
    learn_guilds(self, "READY", "{\"guilds\":[{\"id\":\"5\",\"unavailable\":true}]}");
    assert_string_equal(foreign(self), "6, 7");
    learn_guilds(self, "GUILD_CREATE", "{\"id\":\"6\"}");
    learn_guilds(self, "GUILD_CREATE", "{\"id\":\"6\"}");
    assert_string_equal(foreign(self), "7");
    learn_guilds(self, "GUILD_DELETE", "{\"id\":\"6\",\"unavailable\":true}");
    assert_string_equal(foreign(self), "7");
    learn_guilds(self, "GUILD_DELETE", "{\"id\":\"6\"}");
    assert_string_equal(foreign(self), "6, 7");
    learn_guilds(self, "READY", "{\"guilds\":[{\"id\":\"6\"},{\"id\":\"7\"}]}");
    assert_string_equal(foreign(self), "");
    set_channels(self, "[{\"guildId\":\"1000000001\",\"channelId\":\"1\",\"since\":0},"
                       "{\"guildId\":\"2000000002\",\"channelId\":\"2\",\"since\":0}]");
    assert_string_equal(foreign(self), "1000000001"); /* as many as fit */
    places_free(self);
}

static void what_was_committed_is_known_to_the_next_life(void **state)
{
    char directory[] = "/tmp/places-test-XXXXXX", path[64], file[80];
    outbox *box = NULL;
    places *self = NULL;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/outbox.db", directory);
    outbox_options options = {.path = path};
    assert_int_equal(outbox_open(&options, &box, NULL), 0);
    assert_int_equal(places_new(box, &self), 0);
    set_channels(self, ONE);
    places_add_thread(self, "46", "45");
    learn_guilds(self, "READY", "{\"guilds\":[{\"id\":\"5\"}]}");
    assert_int_equal(outbox_begin(box), 0);
    assert_int_equal(places_write(self, box), 0);
    outbox_rollback(box);
    places_written(self, false);
    assert_int_equal(places_write(self, box), 0); /* so it is written again */
    places_written(self, true);
    places_add_thread(self, "47", "45"); /* and this never */
    places_free(self);
    assert_int_equal(places_new(box, &self), 0);
    assert_true(places_known(self));
    assert_string_equal(at(self, "46", NULL), "6/45/46");
    assert_string_equal(at(self, "47", NULL), "");
    assert_string_equal(foreign(self), "6");
    places_free(self);
    outbox_close(box);
    for (size_t i = 0; i < 4; i++) {
        static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
        snprintf(file, sizeof file, "%s%s", path, suffixes[i]);
        unlink(file);
    }
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(until_the_channels_are_known_an_events_guild_is_believed),
        cmocka_unit_test(threads_are_learned_and_forgotten_from_events),
        cmocka_unit_test(the_oldest_of_too_many_threads_are_forgotten),
        cmocka_unit_test(a_captured_guild_that_the_bot_is_not_in_is_named),
        cmocka_unit_test(what_was_committed_is_known_to_the_next_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
