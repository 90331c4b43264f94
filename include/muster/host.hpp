// SPDX-License-Identifier: MIT
#pragma once

/// Pools whose workers are programs, in any language:
///
///     muster::host_pool pool(muster::node{.module = "./worker.js"}, {.workers = {.max = 4, .at_once = 10}});
///     muster::future<int> sum = pool.call<int>("add", 1, 2);
///
/// A host_pool is a process_pool in every other respect: each worker process keeps one such program, a
/// *host*, as its child, starts it before it counts as ready, and ends with it. So options, limits, deaths,
/// retries, recycle, stop and statistics are those of process pools. `workers.at_once` is how many calls one
/// host has at a time. What hosts are told and answer is in docs/guide/hosts.md. Every member function may be
/// called from any thread.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <muster/buffer.hpp>
#include <muster/context.hpp>
#include <muster/fields.hpp>
#include <muster/future.hpp>
#include <muster/json.hpp>
#include <muster/options.hpp>
#include <muster/pool.hpp>

namespace muster {

/// The language between a worker and its program.
enum class host_protocol : std::uint8_t {
  json_lines,  ///< Ours: docs/guide/hosts.md.
  bazel,       ///< That of Bazel's persistent workers, in JSON; called with `run`.
};

/// What becomes of lines that a program writes among its messages and that are none.
enum class stray_lines : std::uint8_t {
  refuse,   ///< They break the protocol: the worker is replaced, its calls fail as protocol_violation.
  forward,  ///< They go to the worker's standard error. (A line that begins with { is always a message.)
};

/// Any program that speaks the protocol.
struct program {
  /// The program and its arguments, then process_options::args. A name without a slash is looked for in PATH,
  /// a relative path from the working directory, now.
  std::vector<std::string> command{};
  host_protocol protocol = host_protocol::json_lines;
  /// False: it counts as ready as soon as it runs. One that speaks Bazel's protocol always does.
  bool says_ready = true;
  /// Where it reads and writes messages: a descriptor of both directions, 3 or above; then what it prints
  /// goes to its standard error. std::nullopt: standard input and output.
  std::optional<int> descriptor{};
  stray_lines stray = stray_lines::refuse;
  /// Whether it is told of cancelled calls. Default: yes, but not in Bazel's protocol, where not every
  /// program knows that message.
  std::optional<bool> cancels{};
  /// Bytes of the longest line it may write. Range 1 KiB..1 GiB.
  std::size_t max_line = 64U << 20U;
  /// Bazel's protocol: whether another exit code than 0 is a failure of the task (worker_error).
  bool check = true;
};

/// Node.js with functions of a module, CommonJS or ES, plain or async.
struct node {
  /// Whose functions are called where none is named; it is loaded before a worker is ready. A path ("./x",
  /// "/x") or a package. Empty: each call names its module.
  std::string module{};
  /// From which directory relative paths, and packages, are found. Empty: the working directory, now.
  std::string base{};
  /// For node itself, such as --max-old-space-size=512.
  std::vector<std::string> flags{};
  /// Looked for in PATH, or a path.
  std::string command = "node";
  /// As in program. Bytes (Buffer, typed arrays) do not count.
  std::size_t max_line = 64U << 20U;
};

/// Python 3 with functions of a module, plain or async.
struct python {
  /// As in node: a path ("./thumbs.py"), or the name of a module ("thumbs"), looked for in `base`, then where
  /// Python looks.
  std::string module{};
  std::string base{};
  std::vector<std::string> flags{};
  std::string command = "python3";
  std::size_t max_line = 64U << 20U;
};

/// A program of yours with muster linked in, in C or whatever can call C: it *is* the worker, and speaks with
/// the pool through shared memory. Its side is in muster/worker.h. It is called with `call_bytes`.
struct native {
  /// As in program.
  std::vector<std::string> command{};
};

/// A command that is run anew for each task, as xargs and parallel do: for programs that speak no protocol.
///
///     muster::host_pool pool(muster::command{{"convert", "{}", "-resize", "200", "small/{/.}.png"}});
///     muster::future<muster::program_result> done = pool.run({"photos/cat.jpg"});
///
/// In each word after the first, what `run` is given takes the place of:
///
///   {}      it, whole                         {/}   its file name          {#}  the task's number
///   {.}     it, without the ending .xyz       {//}  its directory          {2}, {2.}, {2/} …  the second of
///   several
///   {/.}    its file name, without the ending
///
/// Of several inputs a word that is just {} becomes as many words. Where no word has any of these, the inputs
/// are added as the last words. No shell has a hand in it; name one ({"sh", "-c", "… $1", "sh", "{}"}) where
/// you need it.
struct command {
  std::vector<std::string> words{};
  /// The last so many bytes that it prints to each of its two outputs are kept. Range 0..64 MiB.
  std::size_t keep = 1U << 20U;
  /// Whether another exit code than 0, or a signal, is a failure of the task (worker_error). False: it is a
  /// result.
  bool check = true;
};

/// The words that such a command runs for these inputs. `number` is what {#} stands for. Pure. Throws
/// invalid_call where a word names an input that there is none of: {3} of two.
std::vector<std::string> fill_in(const command& what, const std::vector<std::string>& inputs,
                                 std::uint64_t number);

/// What became of a command, or of a request in Bazel's protocol.
struct program_result {
  int exit_code = 0;            ///< 128 + the signal's number where a signal ended it, as in a shell.
  std::optional<int> signal{};  ///< That ended it.
  std::string out{};            ///< What it printed; of Bazel's protocol: its `output`.
  std::string err{};
  std::uint64_t out_dropped = 0;  ///< So many bytes came before `out`.
  std::uint64_t err_dropped = 0;
};

template <>
struct fields<program_result> {
  static constexpr auto list = std::make_tuple(
      field("exit_code", &program_result::exit_code), field("signal", &program_result::signal),
      field("out", &program_result::out), field("err", &program_result::err),
      field("out_dropped", &program_result::out_dropped), field("err_dropped", &program_result::err_dropped));
};

/// A function of a host: its name, and its module where that is not the pool's.
struct host_function {
  host_function(const char* function) : name(function) {}             // NOLINT(google-explicit-constructor)
  host_function(std::string function) : name(std::move(function)) {}  // NOLINT(google-explicit-constructor)
  host_function(std::string of_module, std::string function)
      : module(std::move(of_module)), name(std::move(function)) {}

  std::string module{};
  std::string name;
};

namespace detail {

/// Calls a function of this worker's host. `arguments` is an array. Throws worker_error with what the host
/// threw, invalid_call where it has no such function.
json call_host(context& about, const std::string& module, const std::string& function, const json& arguments);

template <class R>
R host_result(const std::string& function, const json& got) {
  try {
    return from_json<R>(got);
  } catch (const decode_error& e) {
    throw decode_error("the result of '" + function + "' is not what the caller expects: " + e.what());
  }
}

/// The same for a caller that knows the result's type. Runs in the worker.
template <class R>
R call_host_as(context& about, const std::string& module, const std::string& function,
               const json& arguments) {
  const json got = call_host(about, module, function, arguments);
  if constexpr (!std::is_void_v<R>) return host_result<R>(function, got);
}

/// A buffer that goes with a call, and which of its attachments stands for it.
struct lent_buffer {
  std::variant<std::monostate, buffer, shared_buffer> memory{};
  std::uint32_t place = 0;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept;
};
template <class T>
inline constexpr bool is_buffer = std::same_as<T, buffer> || std::same_as<T, shared_buffer>;

/// The same with buffers, for which `arguments` has attachments without bytes. Where the result is nothing
/// but one of them, that one; where it is other bytes, those in a buffer; else nothing is in it.
json call_host_lending(context& about, const std::string& module, const std::string& function,
                       const json& arguments, std::vector<lent_buffer>& lent, lent_buffer* result);

template <class R>
R call_host_lending_as(context& about, const std::string& module, const std::string& function,
                       const json& arguments, std::vector<lent_buffer> lent) {
  lent_buffer result;
  const json got =
      call_host_lending(about, module, function, arguments, lent, is_buffer<R> ? &result : nullptr);
  if constexpr (is_buffer<R>) {
    if (R* const found = std::get_if<R>(&result.memory)) return std::move(*found);
    throw decode_error("the result of '" + function + "' is no buffer of the kind that the caller expects");
  } else if constexpr (!std::is_void_v<R>) {
    return host_result<R>(function, got);
  }
}

/// Never runs: it stands for the functions that a native program has itself.
std::vector<std::byte> call_native(context& about, std::uint64_t mark, const std::string& function,
                                   std::span<const std::byte> input);

/// Runs this worker's command, or asks its program in Bazel's protocol.
program_result run_program(context& about, const std::vector<std::string>& inputs);

/// The arguments as an array, and the buffers among them, which are given up.
template <class... Args>
json host_arguments(std::vector<lent_buffer>& lent, Args&&... args) {
  json_writer out;
  out.raw("[");
  [[maybe_unused]] const auto one = [&]<class Arg>(Arg&& arg) {
    using plain = std::remove_cvref_t<Arg>;
    if constexpr (is_buffer<plain>) {
      static_assert(std::same_as<plain, shared_buffer> || !std::is_lvalue_reference_v<Arg>,
                    "muster: a buffer is handed over, so pass std::move(it).");
      lent.push_back({static_cast<Arg&&>(arg), static_cast<std::uint32_t>(out.value.attachments.size())});
      out.bytes({});
    } else {
      write_json(out, arg);
    }
  };
  [[maybe_unused]] bool first = true;
  ((out.raw(std::exchange(first, false) ? "" : ","), one(static_cast<Args&&>(args))), ...);
  out.raw("]");
  return std::move(out.value);
}

/// What a host_pool keeps about its programs; made from one of the structs above, with every problem found.
class host_settings {
public:
  explicit host_settings(const program& what);
  explicit host_settings(const node& what);
  explicit host_settings(const python& what);
  explicit host_settings(const native& what);
  explicit host_settings(const muster::command& what);

  /// The options of the process_pool below. Throws invalid_options.
  [[nodiscard]] process_options options_with(process_options given);
  /// Of a start or recycle with changes. Throws invalid_options.
  void adapt(worker_changes& changes, const recycle_options& how) const;
  /// The module as the host is to find it: absolute where it is a path.
  [[nodiscard]] std::string find(const std::string& module) const;
  /// Throws invalid_call where such a pool is not called like that.
  void check_call(const host_function& function) const;
  void check_call_bytes(const std::string& function) const;
  void check_run() const;

private:
  std::string plan_;  // for the worker, encoded
  std::string base_;
  std::string default_module_;
  enum class way : unsigned char { calls, bytes, runs };
  way called_by_ = way::calls;
  bool has_modules_ = false;
};

/// Before the pool, so that it is there when the pool is made from it.
struct host_base {
  host_settings host_;
};

}  // namespace detail

template <>
struct fields<detail::lent_buffer> {
  static constexpr auto list = std::make_tuple(field("memory", &detail::lent_buffer::memory),
                                               field("place", &detail::lent_buffer::place));
};

template <class Function>
class host_proxy;

/// See above. Needs muster::init at the beginning of main.
class host_pool : private detail::host_base, public process_pool {
public:
  /// As process_pool's constructor. `init`, `hooks.close` and `program` are the host's: they must not be set.
  /// `args` go to the program, which finds them where its language has its arguments. Signals of `.stop` are
  /// passed on to it. What start and recycle change is held to the same. Of a native program, which is the
  /// worker itself, these must not be set either: `health.check`, `hooks.keep_alive`, `faults`. Throws
  /// invalid_options with every problem.
  explicit host_pool(const program& what, process_options options = {});
  explicit host_pool(const node& what, process_options options = {});
  explicit host_pool(const python& what, process_options options = {});
  explicit host_pool(const native& what, process_options options = {});
  explicit host_pool(const command& what, process_options options = {});

  /// Calls a function with arguments, and gives its result, by way of JSON: see json.hpp for what has such a
  /// form. Throws what submit throws, encode_error where an argument has none (NaN, a string that is not
  /// UTF-8), and invalid_call where the pool has no module and the call names none. The future throws:
  ///
  /// - worker_error with what the function threw: type, text, and its stack as backtrace();
  /// - invalid_call where there is no such module or function;
  /// - decode_error where the result is no R;
  /// - unexpected_exit where the host ended, protocol_violation where it said what no host says.
  ///
  /// Arguments that are buffers are lent (see buffer.hpp): a function in Python gets a memoryview of the
  /// memory itself, of a shared_buffer one to read, and where it returns that view as its result, R is
  /// muster::buffer or shared_buffer again, and the same memory. Other hosts get and return them as bytes.
  template <class R, class... Args>
  future<R> call(const host_function& function, Args&&... args) {
    return call_by<R>([this](auto&&... all) { return this->submit(std::forward<decltype(all)>(all)...); },
                      function, std::forward<Args>(args)...);
  }
  /// The same with options.
  template <class R, class... Args>
  future<R> call(const task_options& options, const host_function& function, Args&&... args) {
    return call_by<R>(
        [this, &options](auto&&... all) {
          return this->submit(options, std::forward<decltype(all)>(all)...);
        },
        function, std::forward<Args>(args)...);
  }

  /// Text in, text out: `arguments` is an array of JSON. Throws encode_error where it is not.
  future<json> call_json(const host_function& function, const json& arguments,
                         const task_options& options = {});

  /// Of a pool of native programs: calls one of their functions, bytes in and bytes out. Throws what submit
  /// throws, and invalid_call for other pools. The future throws worker_error where the function failed,
  /// invalid_call where there is none of that name, unexpected_exit where the program ended.
  future<std::vector<std::byte>> call_bytes(const std::string& function, const std::vector<std::byte>& input,
                                            const task_options& options = {});

  /// Of a pool of commands: runs it with these inputs. Of a pool of programs in Bazel's protocol: sends a
  /// request with these arguments. Throws what submit throws, and invalid_call for other pools. The future
  /// throws worker_error where the exit code is not 0 and `check` is on: its type() is "exit code 3" or
  /// "signal SIGSEGV", its text() the command and the last it wrote to standard error; and invalid_call where
  /// the command cannot be started, or one of its words names an input that there is none of.
  future<program_result> run(std::vector<std::string> inputs, const task_options& options = {});

  /// A function object: `auto add = pool.proxy<int(int, int)>("add"); add(1, 2)`. Where it names a module the
  /// path is resolved now. Must not outlive the pool.
  template <class Function>
  host_proxy<Function> proxy(host_function function, std::optional<task_options> options = {}) {
    host_.check_call(function);
    function.module = host_.find(function.module);
    return host_proxy<Function>(*this, std::move(function), std::move(options));
  }

private:
  host_pool(detail::host_settings settings, process_options options);

  template <class R, class Submit, class... Args>
  future<R> call_by(Submit by, const host_function& function, Args&&... args) {
    host_.check_call(function);
    std::vector<detail::lent_buffer> lent;
    json arguments = detail::host_arguments(lent, std::forward<Args>(args)...);
    if constexpr (detail::is_buffer<R> || (detail::is_buffer<std::remove_cvref_t<Args>> || ...))
      return by(&detail::call_host_lending_as<R>, host_.find(function.module), function.name,
                std::move(arguments), std::move(lent));
    else
      return by(&detail::call_host_as<R>, host_.find(function.module), function.name, std::move(arguments));
  }
};

/// What host_pool::proxy gives. Any thread may call it.
template <class R, class... Ps>
class host_proxy<R(Ps...)> {
public:
  /// Use host_pool::proxy.
  host_proxy(host_pool& pool, host_function function, std::optional<task_options> options)
      : pool_(&pool), function_(std::move(function)), options_(std::move(options)) {}

  future<R> operator()(Ps... args) const {
    return options_ ? pool_->call<R>(*options_, function_, std::forward<Ps>(args)...)
                    : pool_->call<R>(function_, std::forward<Ps>(args)...);
  }

private:
  host_pool* pool_;
  host_function function_;
  std::optional<task_options> options_;
};

}  // namespace muster
