// header_test.cc - the generated header in C++.
#include "kinds.h"

static_assert(sizeof(kinds_channels_id) == sizeof(convex_str), "an id is laid out as a text");
