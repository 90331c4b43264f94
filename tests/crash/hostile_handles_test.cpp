// SPDX-License-Identifier: MIT
// Workers that send descriptors which do not fit what they say. Each costs itself its life and its own tasks
// their results; the owner keeps none of them.
#include <fcntl.h>
#include <sys/socket.h>

#include "base/socket.hpp"
#include "ipc/birth.hpp"
#include "ipc/messages.hpp"
#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

constexpr int control = ipc::first_worker_descriptor;

// Sends so many descriptors with a message of this kind about the call at `position`.
void send(ipc::control_kind kind, std::uint64_t position, std::size_t count) {
  const std::vector<int> numbers(count, 0);
  (void)base::send_message(control, ipc::encode({.kind = kind, .position = position}), numbers);
}

enum class lie : std::uint8_t {
  too_many_at_once,
  twice,
  for_no_call,
  with_another_message,
  a_parcel_of_two,
  asks_for_none,
  says_more_than_come
};

unique_fd tell(lie how) {
  constexpr std::uint64_t here = 0;  // its first call
  switch (how) {
    case lie::too_many_at_once:
      for (int i = 0; i < 2; ++i) send(ipc::control_kind::handles, here, base::most_descriptors_in_a_message);
      break;
    case lie::twice:
      for (int i = 0; i < 2; ++i) send(ipc::control_kind::handles, here, 1);
      break;
    case lie::for_no_call: send(ipc::control_kind::handles, 7'000, 2); break;
    case lie::with_another_message: send(ipc::control_kind::ready, here, 1); break;
    case lie::a_parcel_of_two: send(ipc::control_kind::parcel, here, 2); break;
    case lie::asks_for_none: send(ipc::control_kind::ask_handles, here, 0); break;
    case lie::says_more_than_come: {  // what it sends goes elsewhere
      auto pair = base::socket_pair();
      ::dup2(pair->first.get(), control);
      (void)pair->second.release();
      return unique_fd::duplicate_of(0);
    }
  }
  for (;;) ::pause();
}

struct hostile_handles : testing::TestWithParam<lie> {};

TEST_P(hostile_handles, cost_the_worker_its_life_and_the_owner_nothing) {
  process_pool pool(
      {.workers = {1}, .restart = {.first = 1ms, .max = 10ms}, .worker_stderr = worker_stderr::keep});
  ASSERT_TRUE(eventually([&] { return ready_workers(pool) == 1 && pool.stats().workers[0].pid != 0; }));
  const std::size_t before = entries_in("/proc/self/fd");
  auto f = pool.submit(tell, GetParam());
  try {
    (void)f.get();
    FAIL();
  } catch (const protocol_violation& e) {
    EXPECT_EQ(e.death().cause, death_cause::protocol_violation);
    EXPECT_FALSE(e.death().detail.empty());
  }
  EXPECT_EQ(pool.submit(echo, 5).get(), 5);
  EXPECT_EQ(pool.stats().workers_died, 1U);
  EXPECT_TRUE(eventually([&] { return entries_in("/proc/self/fd") == before; }))
      << before << " before, " << entries_in("/proc/self/fd") << " now";
}
INSTANTIATE_TEST_SUITE_P(each, hostile_handles,
                         testing::Values(lie::too_many_at_once, lie::twice, lie::for_no_call,
                                         lie::with_another_message, lie::a_parcel_of_two, lie::asks_for_none,
                                         lie::says_more_than_come));

}  // namespace
}  // namespace muster::test
