// header_test.cc - a generated header, included by the command line, in C++.

static_assert(sizeof(convex_str) == sizeof(convex_bytes), "texts and bytes are laid out alike");
