// SPDX-License-Identifier: MIT
//
// Programs that are workers themselves: how one begins, and muster/worker.h, which is its side.
#include "host/native.hpp"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <muster/worker.h>
#include <muster/codec.hpp>
#include <muster/context.hpp>
#include <muster/error.hpp>
#include <muster/host.hpp>
#include <muster/this_worker.hpp>

#include "host/scripts.hpp"
#include "worker/ending.hpp"
#include "worker/handover.hpp"

namespace muster {

std::vector<std::byte> detail::call_native(context&, std::uint64_t, const std::string& function,
                                           std::span<const std::byte>) {
  throw invalid_call("'" + function + "' is a function of a native program, which this worker is not");
}

void host::become_native(const plan& what) {
  const std::string why = worker::become(command_of(what));
  worker::tell_ending("its program " + what.title() + " could not be started: " + why);
  ::_exit(1);
}

}  // namespace muster

struct muster_worker {
  struct entry {
    muster_function* function;
    void* data;
  };
  std::map<std::string, entry> functions;  // stays as it is while it runs
  bool is_running = false;
};

// Used by the thread of its function, and by one at a time of those that this waits for.
struct muster_call {
  muster::context& about;
  muster::writer& result;
  const std::string& name;
  std::span<const std::byte> input;
  bool is_answered = false;
  std::optional<std::pair<std::string, std::string>> failure{};
};

namespace {

muster_worker* the_worker = nullptr;  // written by the main thread, before there are others
std::string open_problem;             // the main thread's

std::string or_empty(const char* text) { return text != nullptr ? text : ""; }

// What every call of this process runs.
void run_native_call(muster::detail::call_site& site) {
  using muster::codec;
  if (site.arguments.remaining() < sizeof muster::host::native_mark ||
      codec<std::uint64_t>::decode(site.arguments) != muster::host::native_mark)
    throw muster::invalid_call(
        "this worker is a native program, which has functions of its own: they are called with call_bytes");
  const auto name = codec<std::string>::decode(site.arguments);
  const std::size_t size = site.arguments.read_size();
  muster_call call{*site.ctx, site.result, name, {site.arguments.skip(size), size}};
  site.arguments.finish();
  const auto found = the_worker->functions.find(name);
  if (found == the_worker->functions.end())
    throw muster::invalid_call("the program has no function '" + name + "'");
  site.stage = muster::detail::call_stage::running;
  found->second.function(&call, found->second.data);
  site.stage = muster::detail::call_stage::writing_result;
  if (call.failure) throw muster::worker_error(call.failure->first, call.failure->second, "");
  if (!call.is_answered)
    throw muster::worker_error("no_answer", "'" + name + "' returned without an answer", "");
}

}  // namespace

muster_worker* muster_worker_open() {
  const auto taken = muster::worker::take_over();
  open_problem = taken ? std::string() : taken.error();
  return taken ? the_worker = new muster_worker : nullptr;
}

const char* muster_worker_problem() { return open_problem.c_str(); }

int muster_worker_add(muster_worker* worker, const char* name, muster_function* function, void* data) {
  const std::string known_as = or_empty(name);
  if (known_as.empty() || function == nullptr || worker->is_running) return -1;
  return worker->functions.try_emplace(known_as, function, data).second ? 0 : -1;
}

void muster_worker_refuse(muster_worker* /*there is one*/, const char* why) {
  muster::worker::tell_not_ready(or_empty(why));
}

int muster_worker_run(muster_worker* worker) {
  if (std::exchange(worker->is_running, true)) return 1;
  return muster::worker::go_on(run_native_call);
}

const void* muster_call_input(const muster_call* call, size_t* size) {
  *size = call->input.size();
  return call->input.data();
}

const char* muster_call_name(const muster_call* call) { return call->name.c_str(); }

int muster_call_reply(muster_call* call, const void* bytes, size_t size) {
  constexpr std::size_t most = (std::size_t{1} << 30U) - 16;  // with its size, what a reply may have
  if (call->is_answered || size > most) return -1;
  try {
    call->result.reserve(size + 16);
    call->result.write_size(size);
    call->result.write(bytes, size);
  } catch (const std::bad_alloc&) {
    call->result.clear();
    return -1;
  }
  call->is_answered = true;
  return 0;
}

int muster_call_fail(muster_call* call, const char* code, const char* message) {
  if (call->is_answered) return -1;
  try {
    call->failure.emplace(or_empty(code), or_empty(message));
  } catch (const std::bad_alloc&) {
    return -1;
  }
  call->is_answered = true;
  return 0;
}

bool muster_call_cancelled(const muster_call* call) { return call->about.stop_requested(); }

void muster_call_progress(muster_call* call, double fraction, const char* text) {
  call->about.progress(fraction, or_empty(text));
  muster::this_worker::heartbeat();
}

void muster_call_log(muster_call* call, muster_level level, const char* text) {
  constexpr unsigned highest = MUSTER_ERROR;
  call->about.log(static_cast<muster::log_level>(std::min(static_cast<unsigned>(level), highest)),
                  or_empty(text));
}

uint64_t muster_call_task(const muster_call* call) { return call->about.task(); }

int muster_call_attempt(const muster_call* call) { return call->about.attempt(); }
