// SPDX-License-Identifier: MIT
#include "worker/handover.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <sstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <muster/version.hpp>

#include "ipc/board.hpp"
#include "ipc/last_words.hpp"
#include "ipc/layout.hpp"
#include "worker/mail.hpp"
#include "worker/worker.hpp"

namespace muster::worker {
namespace {

constexpr const char* variable = "MUSTER_WORKER";

// What both libraries have to agree on. The number changes when something of the protocol means something
// else while its memory has the same size; the sizes say the rest.
constexpr int protocol = 1;
std::string layout() {
  return fmt::format("{}.{}.{}.{}", protocol, sizeof(ipc::board), sizeof(ipc::request_region),
                     sizeof(ipc::reply_memory));
}

// The worker's descriptors are close-on-exec but for this one exec.
bool keep_over_exec(bool are_kept) {
  constexpr int count = 5;
  for (int i = 0; i < count; ++i)
    if (::fcntl(ipc::first_worker_descriptor + i, F_SETFD, are_kept ? 0 : FD_CLOEXEC) != 0) return false;
  return true;
}

struct handed_over {
  std::string layout, library;
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;
  ipc::loop_orders orders;
  std::string pool;
};

std::string to_text(const handed_over& what) {
  return fmt::format("{} {} {} {} {} {} {}", what.layout, what.library, what.slot, what.generation,
                     what.orders.at_once, what.orders.last_signal, what.pool);
}

// Of another layout no more than the first two is understood.
std::optional<handed_over> from_text(const char* text) {
  std::istringstream in(text);
  handed_over what;
  if (!(in >> what.layout >> what.library)) return std::nullopt;
  in >> what.slot >> what.generation >> what.orders.at_once >> what.orders.last_signal >> std::ws;
  std::getline(in, what.pool);
  return what;
}

constexpr ipc::control_message not_ready{.kind = ipc::control_kind::init_failed};

// Written by the only thread.
std::string text_of_this_worker;
ipc::worker_channels taken_over;

}  // namespace

void prepare_handover(const ipc::worker_channels& mine, const ipc::loop_orders& orders) {
  text_of_this_worker = to_text({.layout = layout(),
                                 .library = std::string(version()),
                                 .slot = mine.slot,
                                 .generation = mine.generation,
                                 .orders = orders,
                                 .pool = mine.pool});
}

std::string become(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  std::fflush(nullptr);
  if (::setenv(variable, text_of_this_worker.c_str(), 1) == 0 && keep_over_exec(true))
    ::execvp(pointers.front(), pointers.data());
  const int code = errno;
  ::unsetenv(variable);
  (void)keep_over_exec(false);
  return std::generic_category().message(code);
}

std::expected<void, std::string> take_over() {
  const char* const text = std::getenv(variable);
  auto given = text != nullptr ? from_text(text) : std::nullopt;
  ::unsetenv(variable);  // it means nothing to what this program starts
  if (!given)
    return std::unexpected(
        "this program is a worker: a pool has to start it (muster::host_pool with muster::native), and it "
        "opens "
        "itself once");
  if (!keep_over_exec(false)) return std::unexpected("the descriptors of a worker are not open here");
  if (given->layout != layout()) {
    std::string why = fmt::format(
        "this program is linked with muster {}, whose shared memory is not that of its pool's muster {}: "
        "build "
        "both with the same",
        version(), given->library);
    tell_owner(ipc::first_worker_descriptor, not_ready, why);
    return std::unexpected(std::move(why));
  }
  ipc::worker_channels& channels = taken_over;
  channels.slot = given->slot;
  channels.generation = given->generation;
  channels.pool = std::move(given->pool);
  int next = ipc::first_worker_descriptor;
  ipc::worker_descriptors& d = channels.descriptors;
  for (base::file_descriptor* each : {&d.control, &d.board, &d.requests, &d.replies, &d.bell})
    each->reset(next++);
  const auto orders = std::as_bytes(std::span(&given->orders, 1));
  channels.init_call.assign(orders.begin(), orders.end());
  return {};
}

void tell_not_ready(std::string_view why) {
  tell_owner(taken_over.descriptors.control.get(), not_ready, why);
}

int go_on(detail::thunk_function every_call) { return run(std::move(taken_over), every_call); }

}  // namespace muster::worker
