// SPDX-License-Identifier: MIT
// Standard error of workers goes on to ours, and a reader that sleeps stops nobody.
#include "base/standard_error.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <string>

namespace muster::base {
namespace {

class pipe_of_ours {
public:
  pipe_of_ours() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) std::abort();
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
  }
  ~pipe_of_ours() {
    close_reader();
    ::close(ends_[1]);
  }
  pipe_of_ours(const pipe_of_ours&) = delete;
  [[nodiscard]] int writer() const { return ends_[1]; }
  std::string read_all() {
    std::string all;
    std::array<char, 4'096> some;
    for (ssize_t got = 0; (got = ::read(ends_[0], some.data(), some.size())) > 0;)
      all.append(some.data(), static_cast<std::size_t>(got));
    return all;
  }
  void close_reader() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }

private:
  std::array<int, 2> ends_{};
};

TEST(standard_error, passes_on_what_it_is_given) {
  pipe_of_ours to;
  standard_error out(to.writer());
  out.write(std::string("one\n"));
  out.write(std::string("two\n"));
  EXPECT_EQ(to.read_all(), "one\ntwo\n");
  EXPECT_TRUE(out.empty());
}

TEST(standard_error, keeps_what_a_sleeping_reader_does_not_take_in_order) {
  pipe_of_ours to;
  standard_error out(to.writer(), 1 << 20);
  const std::string much(200'000, 'x');
  out.write(much);  // more than a pipe holds: it would block here
  out.write(std::string("end"));
  EXPECT_FALSE(out.empty());
  std::string seen;
  while (!out.flush()) seen += to.read_all();
  seen += to.read_all();
  EXPECT_EQ(seen, much + "end");
}

TEST(standard_error, drops_beyond_its_bound_and_says_how_much) {
  pipe_of_ours to;
  standard_error out(to.writer(), 1'000);
  const std::string full(70'000, 'x');
  out.write(full.substr(0, 1'000));
  for (int i = 0; i < 200; ++i) out.write(full.substr(0, 1'000));
  std::string seen;
  while (!out.flush()) seen += to.read_all();
  seen += to.read_all();
  const auto said = seen.find("\nmuster: standard error was not read; ");
  ASSERT_NE(said, std::string::npos);
  const auto dropped = std::stoul(seen.substr(seen.find("; ") + 2));
  EXPECT_EQ(said + dropped, 201'000u) << "every byte was passed on or counted";
}

TEST(standard_error, without_a_reader_is_silent) {
  sigset_t pipe_only, before;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
  pipe_of_ours to;
  to.close_reader();
  standard_error out(to.writer());
  out.write(std::string("nobody"));
  EXPECT_TRUE(out.empty());
  const timespec none{};
  EXPECT_EQ(sigtimedwait(&pipe_only, nullptr, &none), SIGPIPE) << "taken, so that it ends nobody later";
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace muster::base
