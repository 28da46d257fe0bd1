/* identity_keys_test.c - key files, JWKS and auth.config of a service. */
#include "tests/support.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "convex/identity.h"

static char dir[] = "/tmp/convex_keys_XXXXXX";

static int make_dir(void **state)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

/* A key of its own for each name. */
static const char *key_file(const char *name, convex_key_algorithm algorithm, char *ret_kid)
{
    static char paths[8][100];
    static int next;
    char *path = paths[next++ % 8];
    convex_error error = {0};
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    if (convex_keys_generate(path, algorithm, ret_kid, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
    return path;
}

static const char *text_at(const convex_value *value, const char *path)
{
    const char *text = convex_value_string(convex_value_get(value, path), NULL);
    assert_non_null(text);
    return text;
}

TEST(a_key_is_made_for_its_owner_only_and_can_sign)
{
    for (int i = 0; i < 2; i++) {
        char kid[CONVEX_KID_SIZE] = "";
        struct stat stat_of;
        const char *file =
            key_file(i == 0 ? "es" : "rs", i == 0 ? CONVEX_KEY_ES256 : CONVEX_KEY_RS256, kid);
        assert_int_equal(stat(file, &stat_of), 0);
        assert_int_equal(stat_of.st_mode & 07777, 0600);
        convex_identity_options options = CONVEX_IDENTITY_OPTIONS_INIT;
        options.key_file = file;
        options.issuer = "i";
        options.subject = "s";
        convex_identity *identity = NULL;
        char *jwks = NULL, *same = NULL, *token = NULL;
        assert_int_equal(convex_identity_new(&options, &identity, NULL), CONVEX_OK);
        assert_int_equal(convex_identity_token(identity, 0, &token, NULL), CONVEX_OK);
        assert_int_equal(convex_identity_jwks(identity, &jwks, NULL), CONVEX_OK);
        assert_int_equal(convex_keys_jwks(&(convex_key_file){file, NULL}, 1, NULL, &same, NULL),
                         CONVEX_OK);
        assert_string_equal(jwks, same);
        convex_value *keys = parse_as(jwks, CONVEX_PLAIN_JSON);
        assert_string_equal(text_at(keys, "keys[0].kid"), kid);
        assert_string_equal(text_at(keys, "keys[0].alg"), i == 0 ? "ES256" : "RS256");
        assert_null(convex_value_get(keys, "keys[0].d"));
        convex_value_unref(keys);
        convex_text_free(jwks, NULL);
        convex_text_free(same, NULL);
        convex_text_free(token, NULL);
        convex_identity_free(identity);
    }
}

TEST(a_file_that_is_there_is_never_overwritten)
{
    size_t len = 0;
    convex_error error = {0};
    const char *file = key_file("once", CONVEX_KEY_ES256, NULL);
    char *before = read_whole(file, &len);
    char kid[CONVEX_KID_SIZE] = "untouched";
    assert_int_equal(convex_keys_generate(file, CONVEX_KEY_ES256, kid, &error), CONVEX_EINVAL);
    assert_non_null(strstr(error.message, "not overwritten"));
    assert_string_equal(kid, "untouched");
    char *after = read_whole(file, &len);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

TEST(a_key_that_cannot_be_written_leaves_no_file)
{
    convex_error error = {0};
    char path[100];
    snprintf(path, sizeof path, "%s/none/key", dir);
    assert_int_equal(convex_keys_generate(path, CONVEX_KEY_ES256, NULL, &error), CONVEX_EINVAL);
    assert_non_null(strstr(error.message, path));
    assert_int_equal(convex_keys_generate("/dev/full", CONVEX_KEY_ES256, NULL, &error),
                     CONVEX_EINVAL);
    assert_int_equal(convex_keys_generate("", CONVEX_KEY_ES256, NULL, &error), CONVEX_EINVAL);
    assert_int_equal(convex_keys_generate(path, (convex_key_algorithm)9, NULL, &error),
                     CONVEX_EINVAL);
    assert_int_not_equal(access(path, F_OK), 0);
}

TEST(two_keys_stand_in_one_jwks_under_their_own_names)
{
    char kid[CONVEX_KID_SIZE];
    const convex_key_file files[] = {{key_file("old", CONVEX_KEY_ES256, NULL), "service-1"},
                                     {key_file("new", CONVEX_KEY_RS256, kid), NULL}};
    char *jwks = NULL;
    assert_int_equal(convex_keys_jwks(files, 2, NULL, &jwks, NULL), CONVEX_OK);
    convex_value *keys = parse_as(jwks, CONVEX_PLAIN_JSON);
    assert_int_equal(convex_value_count(convex_value_field(keys, "keys")), 2);
    assert_string_equal(text_at(keys, "keys[0].kid"), "service-1");
    assert_string_equal(text_at(keys, "keys[1].kid"), kid);
    convex_value_unref(keys);
    convex_text_free(jwks, NULL);
}

static void assert_refused(const convex_key_file *files, size_t count, const char *word)
{
    convex_error error = {0};
    char *text = NULL;
    assert_int_equal(convex_keys_auth_config(files, count, "i", "a", NULL, &text, &error),
                     CONVEX_EINVAL);
    assert_null(text);
    if (strstr(error.message, word) == NULL)
        fail_msg("%s", error.message);
}

TEST(keys_that_cannot_share_a_provider_are_refused)
{
    const char *es = key_file("es-1", CONVEX_KEY_ES256, NULL);
    const char *rs = key_file("rs-1", CONVEX_KEY_RS256, NULL);
    const char *more = key_file("es-2", CONVEX_KEY_ES256, NULL);
    assert_refused((convex_key_file[]){{es, NULL}, {rs, NULL}}, 2, "algorithm");
    assert_refused((convex_key_file[]){{es, NULL}, {es, NULL}}, 2, "twice");
    assert_refused((convex_key_file[]){{es, "a"}, {more, "a"}}, 2, "kid");
    assert_refused((convex_key_file[]){{es, ""}}, 1, "kid");
    assert_refused((convex_key_file[]){{NULL, NULL}}, 1, "file");
    assert_refused((convex_key_file[]){{"/no/such/key", NULL}}, 1, "/no/such/key");
    assert_refused(NULL, 0, "no keys");
}

TEST(the_auth_config_holds_the_jwks_as_data)
{
    const convex_key_file files[] = {{key_file("c1", CONVEX_KEY_ES256, NULL), NULL},
                                     {key_file("c2", CONVEX_KEY_ES256, NULL), NULL}};
    char *config = NULL, *jwks = NULL;
    assert_int_equal(
        convex_keys_auth_config(files, 2, "https://a.b/\"c", "aud", NULL, &config, NULL),
        CONVEX_OK);
    assert_int_equal(convex_keys_jwks(files, 2, NULL, &jwks, NULL), CONVEX_OK);
    assert_non_null(strstr(config, "type: \"customJwt\""));
    assert_non_null(strstr(config, "issuer: \"https://a.b/\\\"c\""));
    assert_non_null(strstr(config, "applicationID: \"aud\""));
    assert_non_null(strstr(config, "algorithm: \"ES256\""));
    char *data = strstr(config, ";base64,");
    assert_non_null(data);
    data += strlen(";base64,");
    size_t len = 0;
    assert_true(cvx_base64_decode(data, strcspn(data, "\""), data, &len));
    assert_int_equal(len, strlen(jwks));
    assert_memory_equal(data, jwks, len);
    convex_text_free(config, NULL);
    convex_text_free(jwks, NULL);
}

TEST(without_an_audience_the_config_has_none)
{
    const convex_key_file file = {key_file("any", CONVEX_KEY_ES256, NULL), NULL};
    char *config = NULL;
    assert_int_equal(convex_keys_auth_config(&file, 1, "i", NULL, NULL, &config, NULL), CONVEX_OK);
    assert_null(strstr(config, "applicationID"));
    convex_text_free(config, NULL);
    assert_int_equal(convex_keys_auth_config(&file, 1, NULL, NULL, NULL, &config, NULL),
                     CONVEX_EINVAL);
}

TEST(when_any_allocation_fails_the_config_fails_cleanly)
{
    const convex_key_file files[] = {{key_file("m1", CONVEX_KEY_ES256, NULL), NULL},
                                     {key_file("m2", CONVEX_KEY_ES256, NULL), NULL}};
    for (long n = 0, done = 0; !done; n++) {
        failing_mem counter = {.left = n};
        convex_mem mem = failing(&counter);
        char *config = NULL, *jwks = NULL;
        convex_status status = convex_keys_auth_config(files, 2, "i", "a", &mem, &config, NULL);
        if (status == CONVEX_OK)
            status = convex_keys_jwks(files, 2, &mem, &jwks, NULL);
        done = status == CONVEX_OK;
        assert_true(done || status == CONVEX_ENOMEM);
        convex_text_free(config, &mem);
        convex_text_free(jwks, &mem);
        assert_int_equal(counter.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_made_for_its_owner_only_and_can_sign),
        cmocka_unit_test(a_file_that_is_there_is_never_overwritten),
        cmocka_unit_test(a_key_that_cannot_be_written_leaves_no_file),
        cmocka_unit_test(two_keys_stand_in_one_jwks_under_their_own_names),
        cmocka_unit_test(keys_that_cannot_share_a_provider_are_refused),
        cmocka_unit_test(the_auth_config_holds_the_jwks_as_data),
        cmocka_unit_test(without_an_audience_the_config_has_none),
        cmocka_unit_test(when_any_allocation_fails_the_config_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
