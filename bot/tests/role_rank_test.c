/* role_rank_test.c - may we give these roles? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "api.h"
#include "role_rank.h"

static const char guild[] =
    "[{\"id\":\"1\",\"name\":\"@everyone\",\"position\":0,\"permissions\":\"0\"},"
    "{\"id\":\"2\",\"name\":\"VIP\",\"position\":1,\"permissions\":\"0\"},"
    "{\"id\":\"3\",\"name\":\"Bot\",\"position\":2,\"permissions\":\"268435456\"},"
    "{\"id\":\"4\",\"name\":\"Boss\",\"position\":3,\"permissions\":\"8\"},"
    "{\"id\":\"5\",\"name\":\"Booster\",\"position\":1,\"permissions\":\"0\",\"managed\":true}]";

/* Role ids, as the backend gives them; counted. */
static const convex_str_list *list_of(const char *json)
{
    const api_roles_people_result *list = NULL; /* a list of texts, too */
    convex_value *value = NULL;

    assert_int_equal(
        convex_value_parse(json, strlen(json), CONVEX_ENCODED_JSON, 0, NULL, &value, NULL),
        CONVEX_OK);
    assert_int_equal(api_roles_people_result_decode(value, NULL, &list, NULL), CONVEX_OK);
    convex_value_unref(value);
    return list;
}

static void check(const char *own, const char *wanted, const char *expected)
{
    cJSON *roles = cJSON_Parse(guild), *have = cJSON_Parse(own);
    const convex_str_list *ids = list_of(wanted);
    char text[200];

    assert_int_equal(role_rank_check("1", roles, have, ids, text, sizeof text), expected == NULL);
    if (expected)
        assert_non_null(strstr(text, expected));
    else
        assert_string_equal(text, "");
    api_roles_people_result_unref(ids);
    cJSON_Delete(roles);
    cJSON_Delete(have);
}

static void a_role_below_ours_may_be_given(void **state)
{
    check("[\"3\"]", "[\"2\"]", NULL);
    check("[\"4\"]", "[\"2\",\"3\"]", NULL); /* an administrator may, too */
}

static void without_the_permission_none_may(void **state)
{
    check("[]", "[\"2\"]", "Manage Roles");
    check("[\"2\"]", "[\"2\"]", "Manage Roles");
    check("[]", "[]", NULL); /* nothing to give, nothing to ask for */
}

static void a_role_that_is_not_below_ours_is_named(void **state)
{
    check("[\"3\"]", "[\"2\",\"4\"]", "\"Boss\" is not below");
    check("[\"3\"]", "[\"3\"]", "\"Bot\" is not below");
}

static void what_nobody_can_give_is_named(void **state)
{
    check("[\"3\"]", "[\"9\"]", "no role 9");
    check("[\"3\"]", "[\"5\"]", "\"Booster\" belongs to an integration");
}

static void strange_answers_allow_nothing(void **state)
{
    const convex_str_list *ids = list_of("[\"2\"]");
    char text[200];

    assert_false(role_rank_check("1", NULL, NULL, ids, text, sizeof text));
    api_roles_people_result_unref(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_role_below_ours_may_be_given),
        cmocka_unit_test(without_the_permission_none_may),
        cmocka_unit_test(a_role_that_is_not_below_ours_is_named),
        cmocka_unit_test(what_nobody_can_give_is_named),
        cmocka_unit_test(strange_answers_allow_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
