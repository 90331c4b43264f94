// SPDX-License-Identifier: MIT
// The tool that prints what lies between an owner and a worker.
#include <array>
#include <cstdio>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

std::string frames_of(const std::string& arguments) {
  std::string text;
  FILE* const tool = ::popen((MUSTER_FRAMES " " + arguments + " 2>&1").c_str(), "r");
  std::array<char, 4'096> part;
  for (std::size_t size; (size = std::fread(part.data(), 1, part.size(), tool)) > 0;)
    text.append(part.data(), size);
  ::pclose(tool);
  return text;
}

unsigned long long hold_and_tell(context& about, std::string begun, std::string gate) {
  append(begun, std::to_string(about.task()));
  if (!appears(gate)) throw std::logic_error("nobody opened " + gate);
  return about.task();
}

TEST(frames, of_a_worker_name_the_tasks_it_has_and_how_far_they_are) {
  process_pool pool(1);
  scratch files;
  auto running = pool.submit(hold_and_tell, files("begun"), files("gate"));
  ASSERT_TRUE(eventually([&] { return lines_of(files("begun")).size() == 1; }));
  const std::string task = lines_of(files("begun"))[0];
  const std::string pid = std::to_string(pool.stats().workers.at(0).pid);
  const std::string text = frames_of(pid);
  EXPECT_NE(text.find(", claimed: task " + task + ", attempt 1,"), std::string::npos) << text;
  touch(files("gate"));
  EXPECT_EQ(std::to_string(running.get()), task);
  const std::string after = frames_of(pid);
  EXPECT_NE(after.find(", taken: to call 0, a value, 8 bytes in the slot:"), std::string::npos) << after;
}

TEST(frames, of_what_is_no_worker_are_refused_with_the_reason) {
  EXPECT_NE(frames_of("/proc/self/exe /proc/self/exe").find("is not the memory of a worker"),
            std::string::npos);
}

}  // namespace
}  // namespace muster::test
