// SPDX-License-Identifier: MIT
//
// A program that runs a fork bomb in a pool with a limit of processes, as a user whom that limit binds. Exits
// with 0 when the bomb failed with an error that says why, and the pool served on; otherwise it says on
// standard error what was not so.
#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <muster/muster.hpp>

namespace {

constexpr unsigned nobody = 65'534;
constexpr int most = 500;  // should the limit not hold

// As this user's other programs count too.
unsigned long threads_of_this_user() {
  unsigned long count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "status");
    unsigned long threads = 0, user = ~0UL;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("Uid:")) user = std::strtoul(line.c_str() + 4, nullptr, 10);
      if (line.starts_with("Threads:")) threads = std::strtoul(line.c_str() + 8, nullptr, 10);
    }
    if (user == ::getuid()) count += threads;
  }
  return count;
}

int bomb() {
  for (int forked = 0; forked < most; ++forked) {
    const pid_t child = ::fork();
    if (child < 0) throw std::system_error(errno, std::generic_category(), "fork " + std::to_string(forked));
    if (child == 0)
      for (;;) ::pause();
  }
  return most;
}
int echo(int value) { return value; }
int end() { std::_Exit(3); }

int failed(const std::string& what) {
  std::fprintf(stderr, "fork_bomb: %s\n", what.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (::geteuid() == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(nobody, nobody, nobody) != 0 ||
        ::setresuid(nobody, nobody, nobody) != 0)
      return failed("cannot give up being root");
    ::prctl(PR_SET_DUMPABLE, 1);  // or its /proc directory would be root's
  }
  muster::init(argc, argv);
  muster::process_pool pool(
      {.workers = {1}, .limits = {.processes = threads_of_this_user() + 40}, .cwd = "/"});
  try {
    return failed("it forked " + std::to_string(pool.submit(bomb).get()) + " times");
  } catch (const std::system_error& e) {
    if (e.code().value() != EAGAIN) return failed(std::string("another error: ") + e.what());
  } catch (const std::exception& e) {
    return failed(std::string("another error: ") + e.what());
  }
  if (pool.submit(echo, 7).get() != 7) return failed("the worker does not go on");
  try {
    pool.submit(end).get();
    return failed("the worker did not end");
  } catch (const muster::unexpected_exit&) {}
  if (pool.submit(echo, 8).get() != 8) return failed("the next worker does not go on");
  return 0;
}
