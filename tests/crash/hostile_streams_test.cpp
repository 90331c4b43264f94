// SPDX-License-Identifier: MIT
// Workers that yield more than their reader has room for, or log what is no line. Each costs itself its life
// and its own tasks their results.
#include <cinttypes>
#include <cstdint>

#include "base/socket.hpp"
#include "ipc/birth.hpp"
#include "ipc/last_words.hpp"
#include "ipc/messages.hpp"
#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

constexpr int control = ipc::first_worker_descriptor;
constexpr int bell = ipc::first_worker_descriptor + 4;

// The memory that this worker shares with its owner, where it can write it.
ipc::reply_memory* shared_memory() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0;
    if (line.find("muster-replies") != std::string::npos &&
        std::sscanf(line.c_str(), "%" SCNxPTR, &from) == 1)
      return reinterpret_cast<ipc::reply_memory*>(from);
  }
  return nullptr;
}

// In the first call of a worker: so many empty replies of this status to itself, whatever the owner allows.
void forge_replies(std::uint32_t status, std::uint64_t count) {
  ipc::reply_region& rings = shared_memory()->rings;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto& slot = rings.slots[i];
    slot.position.set(0);
    slot.size.set(0);
    slot.status.set(status);
    slot.carrier.set(0);
    slot.offset.set(0);
    slot.published.store(i + 1);
  }
  const std::uint64_t one = 1;
  (void)!::write(bell, &one, sizeof one);
}

void send_line(std::uint32_t level, const std::string& body) {
  (void)base::send_message(control, ipc::encode({.kind = ipc::control_kind::log, .level = level}, body));
}

enum class lie : std::uint8_t {
  floods_chunks,
  yields_without_a_stream,
  unknown_status,
  short_line,
  odd_level
};

int tell(lie how) {
  switch (how) {
    case lie::floods_chunks:
    case lie::yields_without_a_stream:
      forge_replies(ipc::status_word(ipc::reply_status::chunk, 0, false), 5);
      break;
    case lie::unknown_status: forge_replies(0xff, 1); break;
    case lie::short_line: send_line(0, "short"); break;
    case lie::odd_level: send_line(77, std::string(sizeof(ipc::log_head), 'x')); break;
  }
  for (;;) ::pause();
}
int yield_too_much(yielder<int>&) { return tell(lie::floods_chunks); }

process_options for_liars() {
  return {.workers = {1}, .restart = {.first = 1ms, .max = 10ms}, .worker_stderr = worker_stderr::keep};
}

TEST(hostile_stream, that_floods_its_reader_is_ended_for_it) {
  process_pool pool(for_liars());
  auto numbers = pool.stream({.chunks_ahead = 4}, yield_too_much);
  // Nobody reads until the flood is over. What it was allowed to yield came; a chunk of no bytes is no int.
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_died == 1; }));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(code_of([&] { (void)numbers.next(); }), error_code::decode_error);
  EXPECT_FALSE(numbers.next());
  try {
    numbers.get();
    FAIL();
  } catch (const protocol_violation& e) {
    EXPECT_EQ(e.death().detail, "it yielded more chunks than its reader had room for");
  }
  EXPECT_EQ(pool.submit(echo, 5).get(), 5);
}

struct hostile_speech : testing::TestWithParam<lie> {};

TEST_P(hostile_speech, is_a_violation_that_costs_the_worker_its_life) {
  process_pool pool(for_liars());
  auto f = pool.submit(tell, GetParam());
  EXPECT_EQ(outcome_of(f), error_code::protocol_violation);
  EXPECT_EQ(pool.submit(echo, 5).get(), 5);
  EXPECT_EQ(pool.stats().workers_died, 1U);
}
INSTANTIATE_TEST_SUITE_P(each, hostile_speech,
                         testing::Values(lie::yields_without_a_stream, lie::unknown_status, lie::short_line,
                                         lie::odd_level));

}  // namespace
}  // namespace muster::test
