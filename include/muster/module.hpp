// SPDX-License-Identifier: MIT
//
// For the author of a module: a shared object whose functions a pool calls by name, typed or from JSON.
//
//     #include <muster/module.hpp>
//     std::string shrink(const std::string& path, int width);
//     MUSTER_MODULE(m) {
//       m.version("1.2");
//       m.add("shrink", shrink);
//       m.add("halve", [](double x) { return x / 2; });
//       m.init([] { open_the_model(); });
//     }
//
// Build it as a shared object with this header on the include path; link nothing of muster's. All that the
// functions above need is inline here, so the program that loads the module need not export its symbols. (A
// module that runs pools itself needs the library: from a program that exports it, or by linking the shared
// library.) The body runs once, on the thread that first loads the module in a process; the functions run on
// any worker. A new file at the same path is what new workers load: process_pool::recycle() puts it into
// service.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <muster/call.hpp>
#include <muster/context.hpp>
#include <muster/detail/module_abi.hpp>
#include <muster/detail/type_text.hpp>
#include <muster/fields.hpp>

namespace muster {

namespace detail {

template <class F, class Parameters>
struct export_of;

template <class F, class... Ps>
struct export_of<F, type_list<Ps...>> {
  // The arguments arrive as what they are stored in, so they fit by themselves.
  using signature = detail::signature<F, stored_parameter_t<Ps>...>;
  using shape = typename signature::shape;
  static consteval void check() { check_call<F, stored_parameter_t<Ps>...>(); }
};

class module_record;

}  // namespace detail

/// What the body of MUSTER_MODULE is given.
class module_builder {
public:
  module_builder(const module_builder&) = delete;
  module_builder& operator=(const module_builder&) = delete;

  /// The author's own name for this edition of the module. It appears in messages.
  void version(std::string_view text) { version_ = text; }

  /// Runs once in each process that calls the module, before the first of its functions there, on that
  /// thread; calls that come meanwhile wait. Not where the functions are only listed. What it throws is the
  /// error of that call, a std::runtime_error that names the module, and the next call tries again. It must
  /// not wait for calls of its own module.
  void init(void (*function)()) { init_ = function; }

  /// Runs once in each process that has called the module, when that ends in peace: in a worker process after
  /// its last task, which has as long as for process_hooks::close; with a thread_pool in std::exit. Where
  /// there are several modules, the last to be called first is closed first. What it throws is written to
  /// standard error.
  void close(void (*function)()) { close_ = function; }

  /// Makes `function` callable as `name` (letters, digits, `_`, `-` and `.`; each name once). It may be
  /// whatever could be submitted to a process pool and has one list of parameters: a function, or a lambda or
  /// function object without data. A first parameter of type std::stop_token or muster::context& is supplied
  /// by the worker.
  template <class F>
  void add(std::string_view name, F function) {
    using parts = typename decltype(detail::parts_of<F>())::type;
    if constexpr (detail::judge_callable<F>() != detail::refusal::none) {
      detail::check_call<F>();
    } else {
      static_assert(
          parts::known,
          "muster: a generic or overloaded function has no single signature to be called by. Wrap it in a "
          "lambda that names its parameters' types.");
      if constexpr (parts::known) {
        using rest = typename detail::without_injection<typename parts::parameters>::rest;
        using exported = detail::export_of<F, rest>;
        exported::check();
        if constexpr (exported::signature::why == detail::refusal::none) {
          using shape = typename exported::shape;
          add_export(name, detail::shape_text<shape>::get(), &detail::thunk_for<F, shape>::run,
                     detail::target_of<F>(function));
        }
      }
    }
  }

private:
  friend class detail::module_record;
  module_builder() = default;

  void add_export(std::string_view name, const std::string& signature, detail::thunk_function thunk,
                  const void* target) {
    if (!is_name(name)) {
      if (problem_.empty()) problem_ = "exports '" + std::string(name) + "', which is not a name";
      return;
    }
    for (const detail::module_export& each : exports_) {
      if (name != each.name) continue;
      if (problem_.empty()) problem_ = "exports two functions named '" + std::string(name) + "'";
      return;
    }
    exports_.push_back({names_.emplace_back(name).c_str(), signature.c_str(), thunk, target});
  }

  static bool is_name(std::string_view name) noexcept {
    for (const char c : name) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.') return false;
    }
    return !name.empty();
  }

  std::string version_;
  std::string problem_;
  void (*init_)() = nullptr;
  void (*close_)() = nullptr;
  std::deque<std::string> names_;  // never moved, the exports point into it
  std::vector<detail::module_export> exports_;
};

namespace detail {

/// What a module has to say about itself, made when it is first asked for and kept as long as the module.
class module_record {
public:
  explicit module_record(void (*fill)(module_builder&)) noexcept {
    try {
      try {
        fill(builder_);
      } catch (const std::exception& thrown) {
        builder_.problem_ = std::string("could not list its functions: ") + thrown.what();
      } catch (...) {
        builder_.problem_ = "could not list its functions";
      }
      identity_ = module_identity_text();
    } catch (...) {
      out_of_memory_ = true;
    }
    description_ = {
        .abi = module_abi,
        .size = sizeof(module_description),
        .identity = identity_.c_str(),
        .compiler = compiler_name,
        .version = builder_.version_.c_str(),
        .problem = out_of_memory_              ? "ran out of memory"
                   : builder_.problem_.empty() ? nullptr
                                               : builder_.problem_.c_str(),
        .exports = builder_.exports_.data(),
        .export_count = builder_.exports_.size(),
        .init = builder_.init_,
        .close = builder_.close_,
    };
  }
  module_record(const module_record&) = delete;
  module_record& operator=(const module_record&) = delete;

  const module_description* description() const noexcept { return &description_; }

private:
  module_builder builder_;
  std::string identity_;
  bool out_of_memory_ = false;
  module_description description_{};
};

}  // namespace detail
}  // namespace muster

/// Once in a module, followed by a body in braces that says what it exports. `m` names the
/// muster::module_builder.
#define MUSTER_MODULE(m)                                                                              \
  static void muster_fill_module(::muster::module_builder& m);                                        \
  extern "C" __attribute__((visibility("default"), used)) const ::muster::detail::module_description* \
  muster_module_1() noexcept;                                                                         \
  extern "C" const ::muster::detail::module_description* muster_module_1() noexcept {                 \
    static const ::muster::detail::module_record record(&muster_fill_module);                         \
    return record.description();                                                                      \
  }                                                                                                   \
  static void muster_fill_module(::muster::module_builder& m)
