/* harness.h - what every test of this library includes, and two helpers. */
#ifndef DAEMON_TEST_HARNESS_H
#define DAEMON_TEST_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEST(name) static void name(void **state)

/* A new directory under the temporary one; owned by the test, removed by remove_directory(). */
static inline char *make_directory(void)
{
    const char *base = getenv("TMPDIR");
    char *path;

    assert_true(asprintf(&path, "%s/daemon-test-XXXXXX", base ? base : "/tmp") > 0);
    assert_non_null(mkdtemp(path));
    return path;
}

static inline void remove_directory(char *path)
{
    char command[4200];

    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
    free(path);
}

#endif
