// SPDX-License-Identifier: MIT
//
// Calls of functions in modules (shared objects made with <muster/module.hpp>): what pool.call and pool.proxy
// are made of. A pool sees such a call as an ordinary task: `call_module` with the path, the name and the
// encoded arguments, which runs in a worker, thread or process, and loads the module there. The owner of a
// process pool loads nothing. find_module and the encoding run on the caller's thread, the rest on a worker;
// all of it may run on any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <muster/call.hpp>
#include <muster/context.hpp>
#include <muster/detail/type_text.hpp>
#include <muster/fields.hpp>
#include <muster/options.hpp>

namespace muster {

/// The absolute path of a module. A path with a slash is taken relative to `base` (a directory; empty: the
/// working directory, now). A bare name is looked for in the directories of the environment variable
/// MUSTER_MODULE_PATH (colons between them; relative ones are relative to `base`), then in `base`. Throws
/// invalid_call when a bare name is in none of them; a path with a slash is not looked at before it is
/// loaded.
std::string find_module(const std::string& module, const std::string& base = {});

namespace detail {

/// One function of a module, as it can be told to another process.
struct export_text {
  std::string name;
  std::string signature;  // "(string, i32) -> string"
};

/// Calls a function of a module and returns its encoded result. Runs in the worker, and loads the module
/// there when it is not loaded yet. Throws invalid_call when the module cannot be loaded, has no such
/// function, or the function's signature is not `expected_signature`; what the function throws passes
/// through. `path` is absolute.
std::vector<std::byte> call_module(context& about, const std::string& path, const std::string& function,
                                   const std::string& expected_signature,
                                   std::span<const std::byte> arguments);
/// The same for arguments and results with descriptors beside their bytes.
void run_export(context& about, const std::string& path, const std::string& function,
                const std::string& expected_signature, reader& arguments, writer& result);

/// What the module exports. Loads it: submit it to a process pool to keep a stranger's module out of this
/// process.
std::vector<export_text> list_exports(const std::string& path);

/// call_module for a caller that knows the result's type. `handles` are the descriptors beside `arguments`.
template <class R>
R call_module_as(context& about, const std::string& path, const std::string& function,
                 const std::string& expected_signature, std::span<const std::byte> arguments,
                 std::vector<unique_fd> handles = {}) {
  reader given(arguments, handles);
  writer result;
  run_export(about, path, function, expected_signature, given, result);
  reader in(result.bytes(), result.handles());
  if constexpr (std::is_void_v<R>) {
    in.finish();
  } else {
    R value = codec<R>::decode(in);
    in.finish();
    return value;
  }
}

/// As what an argument of pool.call is passed: itself, but character arrays as strings. (A string_view stays
/// one, since it does not convert to a string; it is stored as one.)
template <class A>
using call_parameter_t =
    std::conditional_t<is_string_view<std::decay_t<A>>, std::decay_t<A>, stored_argument_t<A>>;

/// Encodes a call of a function of type R(Ps...) and passes everything to `submit`, which takes what a pool's
/// does.
template <class R, class... Ps, class Submit, class... Args>
auto submit_module_call(Submit&& submit, std::string path, std::string function, Args&&... args) {
  using pointer = R (*)(Ps...);
  check_call<pointer, Args...>();
  using called = signature<pointer, Args...>;
  writer encoded;
  const std::string* text = nullptr;
  if constexpr (called::why == refusal::none) {
    encode_arguments<pointer>(encoded, std::forward<Args>(args)...);
    text = &shape_text<typename called::shape>::get();
  }
  const std::span<const std::byte> bytes = encoded.bytes();
  return submit(&call_module_as<typename called::result>, std::move(path), std::move(function), *text,
                std::vector<std::byte>(bytes.begin(), bytes.end()), std::move(encoded.handles()));
}

}  // namespace detail

template <>
struct fields<detail::export_text> {
  static constexpr auto list = std::make_tuple(field("name", &detail::export_text::name),
                                               field("signature", &detail::export_text::signature));
};

/// A function of a module as a function object: `f(args...)` gives a future. Any thread may call it, also
/// several at once. It must not be called after its pool is gone.
template <class Pool, class Function>
class module_proxy;

template <class Pool, class R, class... Ps>
class module_proxy<Pool, R(Ps...)> {
public:
  /// Use pool.proxy.
  module_proxy(Pool& pool, std::string path, std::string function, std::optional<task_options> options = {})
      : pool_(&pool), path_(std::move(path)), function_(std::move(function)), options_(std::move(options)) {}

  /// The arguments are converted to the parameters' types as in an ordinary call.
  template <class... Args>
  auto operator()(Args&&... args) const {
    const auto submit = [this](auto&&... parts) {
      return options_ ? pool_->submit(*options_, std::forward<decltype(parts)>(parts)...)
                      : pool_->submit(std::forward<decltype(parts)>(parts)...);
    };
    return detail::submit_module_call<R, Ps...>(submit, path_, function_, std::forward<Args>(args)...);
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const std::string& function() const noexcept { return function_; }

private:
  Pool* pool_;
  std::string path_;  // absolute
  std::string function_;
  std::optional<task_options> options_;
};

}  // namespace muster
