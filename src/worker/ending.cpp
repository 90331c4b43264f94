// SPDX-License-Identifier: MIT
#include "worker/ending.hpp"

#include "ipc/messages.hpp"
#include "worker/mail.hpp"

namespace muster::worker {
namespace {
int to_owner = -1;  // written before there are other threads
}  // namespace

void prepare_endings(int socket) { to_owner = socket; }

void tell_ending(std::string_view why) { tell_owner(to_owner, {.kind = ipc::control_kind::ending}, why); }

void tell_broken(std::string_view what) { tell_owner(to_owner, {.kind = ipc::control_kind::broken}, what); }

}  // namespace muster::worker
