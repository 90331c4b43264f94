// SPDX-License-Identifier: MIT
//
// For the tests of the command: functions that do well, wait, throw, crash and take too much.
#include <muster/module.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

namespace {

std::string echo(std::string text) { return text; }
int divide(int a, int b) {
  if (b == 0) throw std::domain_error("division by zero");
  return a / b;
}
double mean(const std::vector<double>& numbers, const std::map<std::string, double>& weights, bool halved) {
  double sum = 0;
  for (const double each : numbers) sum += each;
  for (const auto& [name, weight] : weights) sum += weight;
  return halved ? sum / 2 : sum;
}

struct odd_failure {};
void throw_oddly() { throw odd_failure(); }

int crash(int when) {
  if (when != 0) {
    std::fputs("about to crash\n", stderr);
    ::raise(SIGSEGV);
  }
  return when;
}
int crash_once(muster::context& about, int value) {
  if (about.attempt() == 1) ::raise(SIGKILL);
  return value;
}
int leave(int code) { ::_exit(code); }

std::size_t allocate(std::size_t mebibytes) {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < mebibytes; ++i) {
    blocks.push_back(std::make_unique<char[]>(std::size_t{1} << 20));
    std::memset(blocks.back().get(), 1, std::size_t{1} << 20);
  }
  return blocks.size();
}

/// Runs until somebody who opened the named pipe for writing closes it; "-" does not wait.
std::string wait_for_pipe(std::string path) {
  if (path == "-") return path;
  const int pipe = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char byte = 0;
  while (::read(pipe, &byte, 1) > 0) {}
  ::close(pipe);
  return path;
}
/// Never returns, whatever it is told.
void hang(std::stop_token, std::string) {
  for (;;) ::pause();
}
int print(int value) {
  std::printf("this is not a result\n");
  std::fflush(stdout);
  return value;
}
std::string variable(std::string name) {
  const char* const value = std::getenv(name.c_str());
  return value != nullptr ? value : "";
}

int niceness() { return ::getpriority(PRIO_PROCESS, 0); }

}  // namespace

MUSTER_MODULE(m) {
  m.add("echo", echo);
  m.add("divide", divide);
  m.add("mean", mean);
  m.add("throw_oddly", throw_oddly);
  m.add("crash", crash);
  m.add("crash_once", crash_once);
  m.add("leave", leave);
  m.add("allocate", allocate);
  m.add("wait_for_pipe", wait_for_pipe);
  m.add("hang", hang);
  m.add("print", print);
  m.add("variable", variable);
  m.add("niceness", niceness);
}
