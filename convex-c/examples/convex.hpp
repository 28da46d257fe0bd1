/* convex.hpp - an example of how little it takes to use the library from C++17: values, results,
 * a client and its subscriptions as objects that clean up after themselves.
 *
 * What goes wrong throws convex::error; a function that threw on the server is a result. Callbacks
 * run on the client's own thread and must not throw. */
#ifndef EXAMPLES_CONVEX_HPP
#define EXAMPLES_CONVEX_HPP

#include <convex/convex.h>

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace convex
{

class error : public std::runtime_error
{
  public:
    error(convex_status status, const char *message)
        : std::runtime_error(message && *message ? message : convex_status_text(status)),
          status(status)
    {
    }
    const convex_status status;
};

inline void check(convex_status status, const convex_error &details)
{
    if (status != CONVEX_OK)
        throw error(status, details.message);
}

/* A node of an immutable tree; absent ones are false, and so is all that is looked up in them. */
class value
{
  public:
    value() = default;
    explicit value(const convex_value *borrowed)
        : held(convex_value_ref(borrowed), convex_value_unref)
    {
    }

    static value parse(std::string_view json)
    {
        convex_value *parsed = nullptr;
        convex_error details = {};
        check(convex_value_parse(json.data(), json.size(), CONVEX_ENCODED_JSON, 0, nullptr, &parsed,
                                 &details),
              details);
        value ret(parsed);
        convex_value_unref(parsed);
        return ret;
    }

    explicit operator bool() const
    {
        return held != nullptr;
    }
    value operator[](const char *path) const
    {
        return value(convex_value_get(get(), path));
    }
    value operator[](std::size_t i) const
    {
        return value(convex_value_at(get(), i));
    }
    std::size_t size() const
    {
        return convex_value_count(get());
    }
    std::optional<double> number() const
    {
        double ret;
        return convex_value_float64(get(), &ret) ? std::optional(ret) : std::nullopt;
    }
    std::optional<std::int64_t> integer() const
    {
        std::int64_t ret;
        return convex_value_int64(get(), &ret) ? std::optional(ret) : std::nullopt;
    }
    std::optional<std::string_view> text() const /* as long as the value */
    {
        std::size_t len = 0;
        const char *ret = convex_value_string(get(), &len);
        return ret ? std::optional(std::string_view(ret, len)) : std::nullopt;
    }
    std::string json() const
    {
        char *text = nullptr;
        std::size_t len = 0;
        convex_status status = convex_value_print(get(), CONVEX_ENCODED_JSON, nullptr, &text, &len);
        if (status != CONVEX_OK)
            throw error(status, nullptr);
        std::string ret(text, len);
        convex_text_free(text, nullptr);
        return ret;
    }
    const convex_value *get() const
    {
        return held.get();
    }

  private:
    std::shared_ptr<const convex_value> held;
};

class result
{
  public:
    explicit result(const convex_result *borrowed)
        : held(convex_result_ref(borrowed), convex_result_unref)
    {
    }
    bool success() const
    {
        return convex_result_success(held.get());
    }
    value returned() const
    {
        return value(convex_result_value(held.get()));
    }
    std::string message() const /* of what it threw */
    {
        const char *text = convex_result_error_message(held.get(), nullptr);
        return text ? text : "";
    }

  private:
    std::shared_ptr<const convex_result> held;
};

/* Ends when it is destroyed. */
using subscription = std::unique_ptr<convex_sub, void (*)(convex_sub *)>;

/* A client on a thread of its own; closed, and its thread ended, when it is destroyed. */
class client
{
  public:
    using on_result = std::function<void(const result &)>;

    explicit client(const char *url)
    {
        convex_options options = CONVEX_OPTIONS_INIT;
        convex_client *made = nullptr;
        convex_error details = {};

        options.url = url;
        check(convex_client_new(&options, &made, &details), details);
        held.reset(made);
        check(convex_client_start_thread(made), details);
    }

    subscription subscribe(const char *path, const value &args, on_result show)
    {
        auto state = std::make_unique<on_result>(std::move(show));
        convex_sub *sub = nullptr;
        convex_error details = {};

        check(convex_client_subscribe(held.get(), path, args.get(), shown, ended, state.get(), &sub,
                                      &details),
              details);
        state.release(); /* ended() has it now */
        return subscription(sub, convex_sub_unref);
    }

    std::future<result> mutation(const char *path, const value &args)
    {
        auto state = std::make_unique<std::promise<result>>();
        std::future<result> ret = state->get_future();
        convex_error details = {};

        check(convex_client_mutation(held.get(), path, args.get(), nullptr, done, state.get(),
                                     nullptr, &details),
              details);
        state.release(); /* done() has it now */
        return ret;
    }

  private:
    struct closer {
        void operator()(convex_client *client) const
        {
            convex_client_join(client);
            convex_client_unref(client);
        }
    };
    std::unique_ptr<convex_client, closer> held;

    static void shown(const convex_result *borrowed, void *user) noexcept
    {
        (*static_cast<on_result *>(user))(result(borrowed));
    }
    static void ended(convex_status, void *user) noexcept
    {
        delete static_cast<on_result *>(user);
    }
    static void done(convex_status status, const convex_result *borrowed, void *user) noexcept
    {
        std::unique_ptr<std::promise<result>> state(static_cast<std::promise<result> *>(user));
        if (status == CONVEX_OK)
            state->set_value(result(borrowed));
        else
            state->set_exception(std::make_exception_ptr(error(status, nullptr)));
    }
};

} // namespace convex

#endif
