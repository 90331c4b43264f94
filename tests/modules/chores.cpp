// SPDX-License-Identifier: MIT
//
// For the tests of the command: functions that do well, wait, throw, crash and take too much.
#include <muster/module.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
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
std::string hang_or_echo(std::string text) {
  while (text == "hang") ::pause();
  return text;
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

/// Leaves a line in a file: that it ran.
std::string note(std::string text, const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string line = text + '\n';
  const bool wrote = ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  ::close(file);
  if (!wrote) throw std::runtime_error("no note could be left");
  return text;
}
/// The same, but fails where the text is "odd" and the file has no such line yet.
std::string note_once_failing(std::string text, const std::string& path) {
  note(text, path);
  if (text != "odd") return text;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string all(4'096, '\0');
  all.resize(static_cast<std::size_t>(std::max<ssize_t>(::read(file, all.data(), all.size()), 0)));
  ::close(file);
  if (all.find("odd") == all.rfind("odd")) throw std::runtime_error("the first time");
  return text;
}

int niceness() { return ::getpriority(PRIO_PROCESS, 0); }

/// For `muster tune`: computes, waits, and waits while nobody else does.
unsigned compute(unsigned steps) {
  unsigned value = steps;
  for (unsigned i = 0; i < steps * 1'000; ++i) value = value * 1'664'525U + 1'013'904'223U;
  return value;
}
int doze(int milliseconds) {
  ::poll(nullptr, 0, milliseconds);
  return milliseconds;
}
int doze_alone(int milliseconds, const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ::flock(file, LOCK_EX);
  doze(milliseconds);
  ::close(file);
  return milliseconds;
}

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
  m.add("hang_or_echo", hang_or_echo);
  m.add("print", print);
  m.add("variable", variable);
  m.add("note", note);
  m.add("note_once_failing", note_once_failing);
  m.add("niceness", niceness);
  m.add("compute", compute);
  m.add("doze", doze);
  m.add("doze_alone", doze_alone);
}
