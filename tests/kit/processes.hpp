// SPDX-License-Identifier: MIT
#pragma once

// What tests of worker processes need to see of the system: who is whose child, who still lives, what this
// program holds; and tasks that end their worker in every way. Only /proc is read. Called by the test's
// thread.

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/sanitizer.hpp"
#include "process/process_crew.hpp"

namespace muster::test {

struct process_state {
  char state = 'X';  // X: there is no such process
  pid_t parent = 0;
};
inline process_state state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  process_state found;
  std::istringstream(text.substr(name_end + 1)) >> found.state >> found.parent;
  return found;
}
// To one process. A number that is none, such as the 0 of a worker that is not up, would mean whole groups to
// kill(2): this program's, with the one that runs the tests in it, or every process there is.
inline bool signal_process(pid_t pid, int signal) {
  if (pid > 1) return ::kill(pid, signal) == 0;
  ADD_FAILURE() << "there is no process " << pid << " to signal";
  return false;
}
// A zombie has ended; whether its parent asks for it is the parent's matter.
inline bool lives(pid_t pid) {
  const char state = state_of(pid).state;
  return state != 'X' && state != 'Z';
}

inline std::vector<pid_t> descendants_of(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0) children.emplace(state_of(pid).parent, pid);
  }
  std::vector<pid_t> found{root};
  for (std::size_t i = 0; i < found.size(); ++i)
    for (auto [at, end] = children.equal_range(found[i]); at != end; ++at) found.push_back(at->second);
  found.erase(found.begin());
  return found;
}

// Processes that began in a program with this in its environment, without that program itself. Workers keep
// it in their memory's first page, whatever they set later, and a zygote is nobody's child.
inline std::vector<pid_t> companions_of(pid_t program, const std::string& setting) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0 || pid == program) continue;
    std::ifstream file(entry.path() / "environ", std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(file)), {});
    if (('\0' + all).find('\0' + setting + '\0') != std::string::npos) found.push_back(pid);
  }
  return found;
}

inline std::size_t entries_in(const std::string& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

// What a program holds that a pool could leak.
struct holdings {
  std::size_t descriptors = entries_in("/proc/self/fd");
  std::size_t threads = entries_in("/proc/self/task");
  std::size_t children = descendants_of(zygote != 0 ? zygote : ::getpid()).size();
  static inline pid_t zygote = 0;  // the parent of workers; set by a test once it has seen one
  friend bool operator==(const holdings&, const holdings&) = default;
};
inline std::ostream& operator<<(std::ostream& out, const holdings& h) {
  return out << h.descriptors << " descriptors, " << h.threads << " threads, " << h.children << " processes";
}

// Ends this process: by the signal, or where that is 0 with the code. Its last words go to standard error
// first.
inline int die(int signal, int code) {
  std::fprintf(stderr, "last words: %d %d\n", signal, code);
  std::fflush(stderr);
  if (signal != 0) {
    ::signal(signal, SIG_DFL);  // a sanitizer would make something else of it
    ::raise(signal);
  }
  if constexpr (base::is_sanitized) std::_Exit(code);  // the leak checker has its own code
  std::exit(code);
}

// The patience of pools made in the meantime.
class with_patience {
public:
  explicit with_patience(process::patience those) { process::usual_patience = those; }
  ~with_patience() { process::usual_patience = before_; }

private:
  process::patience before_ = process::usual_patience;
};

}  // namespace muster::test
