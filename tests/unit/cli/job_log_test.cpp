// SPDX-License-Identifier: MIT
// The file that remembers what is done: read, written, resumed, and met as a kill or a full disk left it.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/job_log.hpp"
#include "kit/pools.hpp"

namespace muster::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* title = "chores.so:note";
const std::string good = R"({"ok":true,"value":1})";
const std::string bad = R"({"ok":false,"error":{"kind":"worker_error"}})";

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

// A log in a directory that is gone with the test.
struct log_file {
  [[nodiscard]] job_log open(bool resumes = true) const {
    auto made = job_log::open(path, title, resumes);
    if (!made) throw std::runtime_error(made.error());
    return *std::move(made);
  }
  // Why it cannot be used. It is then as it was.
  [[nodiscard]] std::string refusal(bool resumes = true, const std::string& of = title) const {
    const std::string before = text_of(path);
    const auto made = job_log::open(path, of, resumes);
    EXPECT_EQ(text_of(path), before);
    return made ? "it can be used" : made.error();
  }
  // As a run leaves it that has done these.
  void remember(const std::vector<std::pair<std::string, std::string>>& calls) const {
    job_log log = open();
    for (const auto& [key, result] : calls) log.add(key, result, false);
    log.flush();
    EXPECT_EQ(log.problem(), "");
  }

  test::scratch files;
  std::string path = files("log");
};

TEST(job_log, gives_the_result_of_each_call_that_was_done_once) {
  const log_file file;
  file.remember({{"a", good}, {"b", bad}, {"b", R"({"ok":true,"value":[2]})"}});
  job_log log = file.open();
  EXPECT_EQ(log.left(), 3U);
  EXPECT_EQ(log.take_done("c"), std::nullopt);
  EXPECT_EQ(log.take_done("b")->dump(), R"({"ok":true,"value":[2]})") << "of two, the one that succeeded";
  EXPECT_EQ(log.take_done("b")->dump(), bad);
  EXPECT_EQ(log.take_done("b"), std::nullopt);
  EXPECT_EQ(log.take_done("a")->dump(), good);
  EXPECT_EQ(log.left(), 0U);
}

TEST(job_log, knows_inputs_of_any_length_and_of_any_bytes_again) {
  const log_file file;
  const std::string long_one(5'000, 'x');
  const std::vector<std::string> keys = {"",  "a\nb\"\\", std::string("\0\x01", 2), "\xff\xfe",    "\xff\xfd",
                                         "é", long_one,   long_one + "y",           long_one + "z"};
  std::vector<std::pair<std::string, std::string>> calls;
  for (std::size_t i = 0; i < keys.size(); ++i)
    calls.emplace_back(keys[i], R"({"ok":true,"value":)" + std::to_string(i) + "}");
  file.remember(calls);
  EXPECT_LT(text_of(file.path).size(), 2'000U) << "of a long one it keeps the beginning";
  job_log log = file.open();
  EXPECT_EQ(log.take_done(long_one + "w"), std::nullopt);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto result = log.take_done(keys[i]);
    ASSERT_TRUE(result) << i;
    EXPECT_EQ(result->at("value"), i);
  }
}

TEST(job_log, counts_a_call_that_ran_again_by_its_last_run) {
  const log_file file;
  file.remember({{"a", bad}});
  {
    job_log log = file.open();
    EXPECT_EQ(log.take_done("a")->at("ok"), false);
    log.add("a", good, true);
    log.flush();
  }
  job_log log = file.open();
  EXPECT_EQ(log.left(), 1U);
  EXPECT_EQ(log.take_done("a")->dump(), good);
}

// A kill may leave it in the middle of a line, wherever that is.
TEST(job_log, cut_off_at_any_byte_has_the_calls_whose_lines_are_whole) {
  const log_file file;
  file.remember({{"a", good}, {"b", good}, {"c", bad}});
  const std::string whole = text_of(file.path);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write_text(file.path, std::string_view(whole).substr(0, size));
    const std::string kept = whole.substr(0, size == 0 ? 0 : whole.rfind('\n', size - 1) + 1);
    const auto lines = static_cast<std::size_t>(std::ranges::count(kept, '\n'));
    {
      job_log log = file.open();
      EXPECT_EQ(log.left(), lines == 0 ? 0 : lines - 1) << size;
      EXPECT_EQ(log.torn(), size - kept.size());
      EXPECT_EQ(text_of(file.path), kept);
      log.add("d", good, false);
      log.flush();
    }
    job_log log = file.open();
    EXPECT_EQ(log.torn(), 0U);
    EXPECT_EQ(log.left(), lines == 0 ? 1 : lines) << size;
    EXPECT_TRUE(log.take_done("d"));
  }
}

TEST(job_log, that_is_another_or_none_is_refused_and_left_as_it_is) {
  const log_file file;
  file.remember({{"a", good}});
  EXPECT_THAT(file.refusal(true, "other.so:f"),
              HasSubstr("is of another run: it has calls of \"chores.so:note\", and this is \"other.so:f\""));
  EXPECT_THAT(file.refusal(false), HasSubstr("has calls in it; add --resume"));
  const std::string head = text_of(file.path).substr(0, text_of(file.path).find('\n') + 1);
  for (const std::string text : {"a shopping list\n", "a", "{}\n", R"({"muster":"run"}
)",
                                 "{\"muster\":\"run\",\"calls\":\"chores.so:note\"} \n\n"}) {
    write_text(file.path, text);
    EXPECT_THAT(file.refusal(), StartsWith("the job log '" + file.path + "' ")) << text;
  }
  for (const char* line : {"", "{}", "[]", "3", R"({"input":1,"result":{}})", R"({"input":"a","result":3})",
                           R"({"result":{}})", R"({"input":"a","result":{}} x)"}) {
    write_text(file.path, head + R"({"input":"a","result":{"ok":true}})" + '\n' + line + "\n" + "torn");
    EXPECT_THAT(file.refusal(), HasSubstr("has a line 3 that is none of a job log")) << line;
  }
  write_text(file.path, head + R"({"input":"a","result":{"x":)" + std::string(100'000, '[') +
                            std::string(100'000, ']') + "}}\n");
  EXPECT_THAT(file.refusal(), HasSubstr("line 2")) << "deeper than any result";
}

TEST(job_log, that_cannot_be_opened_says_why) {
  const log_file file;
  const auto refusal = [](const std::string& path) {
    const auto made = job_log::open(path, title, true);
    return made ? "it can be used" : made.error();
  };
  EXPECT_EQ(refusal(file.files("no/log")),
            "the job log '" + file.files("no/log") + "' cannot be opened: No such file or directory");
  EXPECT_THAT(refusal(file.files("")), HasSubstr("Is a directory"));
  EXPECT_THAT(refusal("/dev/full"), HasSubstr("is not a file"));
  const job_log first = file.open();
  EXPECT_THAT(refusal(file.path), HasSubstr("is in use by another run"));
}

// What is the full disk of another process is here the largest file that one may write.
std::string written_up_to(rlim_t limit, const log_file& file, std::size_t calls) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const rlimit most = {limit, limit};
    ::setrlimit(RLIMIT_FSIZE, &most);
    ::signal(SIGXFSZ, SIG_IGN);
    job_log log = file.open();
    std::size_t done = 0;
    for (; done < calls && log.problem().empty(); ++done) {
      log.add(std::to_string(done), good, false);
      log.flush();
    }
    log.add("after it", good, false);
    log.flush();
    std::ofstream(file.files("told")) << done << ' ' << log.problem();
    ::_exit(0);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  return text_of(file.files("told"));
}

TEST(job_log, on_a_full_disk_says_so_and_keeps_every_call_that_was_written) {
  const log_file file;
  const std::string told = written_up_to(1'000, file, 100);
  EXPECT_THAT(told, HasSubstr("the job log '" + file.path + "' cannot be written: File too large"));
  EXPECT_EQ(text_of(file.path).size(), 1'000U) << "the last line is there in part";
  const auto written = std::stoul(told) - 1;
  EXPECT_GT(written, 10U);
  job_log log = file.open();
  EXPECT_GT(log.torn(), 0U);
  EXPECT_EQ(log.left(), written);
  for (std::size_t i = 0; i < written; ++i) EXPECT_TRUE(log.take_done(std::to_string(i))) << i;
  log.add(std::to_string(written), good, false);
  log.flush();
  EXPECT_EQ(log.problem(), "");
}

}  // namespace
}  // namespace muster::cli
