// SPDX-License-Identifier: MIT
#include "process/zygote.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/assert.hpp"
#include "base/process_info.hpp"
#include "base/sanitizer.hpp"
#include "base/socket.hpp"
#include "process/early_errors.hpp"
#include "process/zygote_connection.hpp"
#include "process/zygote_main.hpp"

namespace muster::process {
namespace {

// Written by initialise, in main before the first thread, and by a new worker before any code of the user's;
// read only after that. So these need no ordering.
bool initialised = false;
bool worker = false;

// MUSTER_ZYGOTE=<descriptor>:<owner's pid>. The variable alone is not believed: it may have leaked to some
// other program. The descriptor must be a socket that the owner made.
base::file_descriptor requested_socket() {
  const char* const value = std::getenv("MUSTER_ZYGOTE");
  if (value == nullptr) return {};
  const std::string_view text = value;
  int descriptor = -1;
  pid_t owner = 0;
  const auto [colon, first_error] = std::from_chars(text.data(), text.data() + text.size(), descriptor);
  if (first_error != std::errc() || colon == text.data() + text.size() || *colon != ':') return {};
  const auto [end, second_error] = std::from_chars(colon + 1, text.data() + text.size(), owner);
  if (second_error != std::errc() || end != text.data() + text.size() || descriptor < 3 || owner <= 0)
    return {};
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) return {};
  ucred maker = {};
  size = sizeof maker;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &maker, &size) != 0 || maker.pid != owner) return {};
  return base::file_descriptor(descriptor);
}

}  // namespace

void mark_as_worker() { worker = true; }

bool is_worker() { return worker; }

bool is_initialised() { return initialised; }

void zygote_main_if_asked(const hooks& functions) {
  base::file_descriptor socket = requested_socket();
  const bool has_errors = std::getenv("MUSTER_ZYGOTE_ERRORS") != nullptr;
  // No program that this one starts is meant by them.
  ::unsetenv("MUSTER_ZYGOTE");
  ::unsetenv("MUSTER_ZYGOTE_ERRORS");
  if (!socket) return;
  if (has_errors) ::dup2(standard_error_of_a_run_zygote, STDERR_FILENO);  // early_errors ends here
  become_zygote(std::move(socket), functions);
}

std::expected<role, base::os_error> initialise(const hooks& functions) {
  MUSTER_ASSERT(functions.set_up != nullptr && functions.main != nullptr);
  if (worker) return role::worker;
  zygote_main_if_asked(functions);
  if (initialised) return role::owner;
  initialised = true;
  const auto threads = base::thread_count();
  if (!threads) return std::unexpected(threads.error());
  if (*threads > base::threads_of_a_single_threaded_program)
    return role::owner;  // the first pool has the program run again
  if (auto forked = fork_zygote(functions); !forked) return std::unexpected(forked.error());
  return role::owner;
}

std::expected<void, base::os_error> start_zygote() {
  return ensure_zygote(std::nullopt, std::chrono::seconds(10));
}

}  // namespace muster::process
