// SPDX-License-Identifier: MIT
#include "worker/outbox.hpp"

#include <unistd.h>

#include <chrono>
#include <mutex>
#include <optional>

#include "ipc/messages.hpp"
#include "ipc/parcel.hpp"
#include "worker/faults.hpp"
#include "worker/mail.hpp"

namespace muster::worker {

std::expected<void, ipc::system_failure> outbox::send(std::uint64_t position, std::uint32_t status,
                                                      std::span<const std::byte> payload) {
  base::file_descriptor parcel;
  const auto write_parcel = [&]() -> std::expected<void, ipc::system_failure> {
    auto written = ipc::write_parcel(payload);
    if (!written) return std::unexpected(written.error());
    parcel = std::move(*written);
    return {};
  };
  // What is surely a parcel is written before the others have to wait.
  if (payload.size() > ipc::ring_payload_limit<ipc::standard_sizes>)
    if (auto written = write_parcel(); !written) return written;

  const std::lock_guard lock(lock_);
  std::optional<ipc::carrier> by;
  while (!(by = replies_.prepare(position, status, payload))) replies_.wait_for_room(std::chrono::seconds(1));
  if (*by == ipc::carrier::parcel) {
    if (!parcel)
      if (auto written = write_parcel(); !written) return written;
    const int descriptor = parcel.get();
    if (faults::reach(fault_step::sending_parcel))
      tell_owner(socket_, {.kind = ipc::control_kind::parcel, .position = position}, {}, {&descriptor, 1});
  }
  faults::reach(fault_step::written);
  replies_.publish();
  if (!faults::reach(fault_step::answered)) return {};
  ring();
  faults::reach(fault_step::rung);
  return {};
}

// Whoever reads our replies, where it sleeps: a thread that waits for one of them, or else the owner's loop.
void outbox::ring() {
  using answer = ipc::reader_bell_ringer::answer;
  ipc::machine_atomics::fence_seq_cst();
  const answer reader = reader_bell_.ring();
  if (reader == answer::wake_it) reader_bell_.wake();
  if (reader != answer::nobody_reads || !loop_bell_.should_ring_behind_fence()) return;
  const std::uint64_t one = 1;
  (void)!::write(bell_, &one, sizeof(one));
}

}  // namespace muster::worker
