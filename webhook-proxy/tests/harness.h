/* harness.h - what every unit test of this program includes. */
#ifndef PROXY_TEST_HARNESS_H
#define PROXY_TEST_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) static void name(void **state)

#endif
