/* set.cpp - calls a mutation and waits until a live query shows its effect, in C++17.
 *
 *     set URL MUTATION ARGS_JSON QUERY ARGS_JSON
 *
 * Prints every result of the query, and what the mutation returned. Exit status: 0 done, 1 failed,
 * 2 bad usage. */
#include "convex.hpp"

#include <csignal>
#include <cstdio>

static void print(const char *what, const convex::result &result)
{
    std::printf("%s: %s\n", what,
                result.success() ? result.returned().json().c_str() : result.message().c_str());
}

static int run(char **argv)
{
    convex::client client(argv[1]);
    convex::subscription live =
        client.subscribe(argv[4], convex::value::parse(argv[5]),
                         [](const convex::result &result) { print("query", result); });
    /* Done means: the subscriptions of this client have shown it. */
    convex::result result = client.mutation(argv[2], convex::value::parse(argv[3])).get();

    print("mutation", result);
    return result.success() ? 0 : 1;
}

int main(int argc, char **argv)
{
    std::signal(SIGPIPE, SIG_IGN);
    if (argc != 6) {
        std::fprintf(stderr, "usage: set URL MUTATION ARGS_JSON QUERY ARGS_JSON\n");
        return 2;
    }
    try {
        return run(argv);
    } catch (const convex::error &error) {
        std::fprintf(stderr, "set: %s\n", error.what());
        return 1;
    }
}
