// SPDX-License-Identifier: MIT
//
// What a module does when it is first called and when a process that called it ends, and how another edition
// of it takes its place.
#include <muster/pool.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <muster/module_calls.hpp>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class module_lives : public testing::Test {
protected:
  // As `make install` does it: the file that is in use is not written to.
  void install(const std::string& edition) {
    fs::copy_file(MUSTER_MODULES_DIR "/edition_" + edition + ".so", path + ".new");
    fs::rename(path + ".new", path);
  }
  process_options options(int at_once = 1) const {
    return {.workers = {.min = 1, .max = 1, .at_once = at_once},
            .grace = watchdog,
            .env = {.set = {{"EDITION_LOG", log}, {"EDITION_REFUSED", refusal}}},
            .worker_stderr = worker_stderr::keep};
  }

  scratch files;
  std::string path = files("edition.so");
  std::string log = files("log");
  std::string refusal = files("refused");
};

TEST_F(module_lives, begin_with_init_before_the_first_call_and_end_with_close_after_the_last) {
  install("one");
  process_pool pool(options());
  EXPECT_FALSE(pool.submit(detail::list_exports, path).get().empty());
  EXPECT_FALSE(exists(log)) << "listing is no call";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(pool.call<std::string>(path, "edition").get(), "1");
  EXPECT_FALSE(pool.stop().forced);
  EXPECT_THAT(lines_of(log), ElementsAre("init 1", "call 1", "call 1", "close 1"));
}

TEST_F(module_lives, have_one_init_however_many_calls_come_at_once) {
  install("one");
  process_options slow = options(8);
  const std::string gate = path + ".gate";
  slow.env.set.emplace_back("EDITION_GATE", gate);
  process_pool pool(slow);
  std::vector<future<std::string>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(pool.call<std::string>(path, "edition"));
  EXPECT_TRUE(eventually([&] { return pool.stats().running == 8; }));
  std::ofstream(gate) << "";
  for (auto& call : calls) EXPECT_EQ(call.get(), "1");
  pool.stop();
  const std::vector<std::string> lines = lines_of(log);
  EXPECT_EQ(lines.front(), "init 1");
  EXPECT_EQ(std::ranges::count(lines, "init 1"), 1);
  EXPECT_EQ(std::ranges::count(lines, "close 1"), 1);
}

TEST_F(module_lives, do_not_begin_while_init_throws_and_each_call_is_told_why) {
  install("one");
  touch(refusal);
  process_pool pool(options());
  for (int i = 0; i < 2; ++i) {
    auto call = pool.call<std::string>(path, "edition");
    try {
      (void)call.get();
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& thrown) {
      EXPECT_EQ(std::string(thrown.what()),
                "module '" + path + "' (version 1) could not be initialised: the model is not there");
    }
  }
  fs::remove(refusal);
  EXPECT_EQ(pool.call<std::string>(path, "edition").get(), "1");
  pool.stop();
  EXPECT_THAT(lines_of(log), ElementsAre("init 1", "call 1", "close 1"));
}

TEST_F(module_lives, of_the_same_names_stay_apart) {
  install("one");
  const std::string other = MUSTER_MODULES_DIR "/edition_two.so";
  process_pool pool(options());
  EXPECT_EQ(pool.call<std::string>(path, "edition").get(), "1");
  EXPECT_EQ(pool.call<std::string>(other, "edition").get(), "2");
  EXPECT_EQ(pool.call<std::string>(path, "edition").get(), "1");
  auto missing = pool.call<int>(other, "editions");
  try {
    (void)missing.get();
    FAIL() << "nothing was thrown";
  } catch (const invalid_call& refused) {
    EXPECT_NE(std::string(refused.what()).find("'" + other + "' (version 2) has no function 'editions'"),
              std::string::npos)
        << refused.what();
  }
  pool.stop();
  EXPECT_THAT(lines_of(log),
              ElementsAre("init 1", "call 1", "init 2", "call 2", "call 1", "close 2", "close 1"));
}

TEST_F(module_lives, that_crash_are_not_closed) {
  install("one");
  process_pool pool(options());
  EXPECT_EQ(pool.call<std::string>(path, "edition").get(), "1");
  EXPECT_THROW(pool.submit([] { ::raise(SIGKILL); }).get(), unexpected_exit);
  pool.stop();
  EXPECT_THAT(lines_of(log), ElementsAre("init 1", "call 1"));
}

// A call finishes with the edition that it began with; none is lost, and the old one is closed.
TEST_F(module_lives, go_over_to_another_edition_by_a_recycle) {
  install("one");
  process_pool pool(options());
  const auto edition = pool.proxy<std::string()>(path, "edition");
  EXPECT_EQ(edition().get(), "1");
  auto held = pool.call<std::string>(path, "hold", files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  install("two");
  recycle_report report;
  std::thread recycling([&] { report = pool.recycle(); });
  // Served by the new worker, while the old one still runs its call.
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_recycled == 1; }));
  EXPECT_EQ(edition().get(), "2");
  touch(files("gate"));
  EXPECT_EQ(held.get(), "1");
  recycling.join();
  EXPECT_EQ(report.replaced, 1U);
  EXPECT_EQ(edition().get(), "2");
  pool.stop();
  const std::vector<std::string> lines = lines_of(log);
  EXPECT_EQ(std::ranges::count(lines, "close 1"), 1);
  EXPECT_EQ(lines.back(), "close 2");
  EXPECT_EQ(pool.stats().failed, 0U);
}

TEST_F(module_lives, stay_with_the_edition_they_have_without_a_recycle) {
  install("one");
  process_pool pool(options());
  EXPECT_EQ(pool.call<std::string>(path, "edition").get(), "1");
  install("two");
  EXPECT_EQ(pool.call<std::string>(path, "edition").get(), "1");
}

}  // namespace
}  // namespace muster::test
