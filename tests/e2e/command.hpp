// SPDX-License-Identifier: MIT
//
// Runs the built command as a shell would, and reads what it wrote. For one test each; single-threaded.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "kit/pools.hpp"

namespace e2e {

using json = nlohmann::json;
using words = std::vector<std::string>;

inline const std::string chores = MUSTER_MODULES_DIR "/chores.so";
inline std::string chore(const std::string& function) { return chores + ":" + function; }

/// A directory that is gone with the test.
class directory {
public:
  directory() {
    std::string made = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
    if (::mkdtemp(made.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = made;
  }
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;
  ~directory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string in(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] std::string pipe(const std::string& name) const {
    if (::mkfifo(in(name).c_str(), 0600) != 0) throw std::runtime_error("no named pipe");
    return in(name);
  }

private:
  std::string path_;
};

inline std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}

inline std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

/// The command while it runs. Its streams are files, so that nobody has to read while it writes.
class running {
public:
  /// `prepare` runs in the new process, before the command begins.
  explicit running(const words& arguments, const std::string& input = {},
                   const std::function<void()>& prepare = {}) {
    std::ofstream(files_.in("in")) << input;
    pid_ = ::fork();
    if (pid_ == 0) begin(arguments, prepare);
  }
  running(const running&) = delete;
  running& operator=(const running&) = delete;
  ~running() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }

  void signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
  }
  /// The exit code, or -N after signal N.
  int wait() {
    int status = 0;
    if (pid_ <= 0 || ::wait4(pid_, &status, 0, &usage_) != pid_) return -1'000;
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  /// Returns when the command has written this to standard error.
  void wait_for_message(const std::string& text) const {
    EXPECT_TRUE(muster::test::eventually([&] { return errors().find(text) != std::string::npos; })) << text;
  }
  [[nodiscard]] std::string output() const { return text_of(files_.in("out")); }
  [[nodiscard]] std::string errors() const { return text_of(files_.in("err")); }
  /// The largest memory it had, after wait().
  [[nodiscard]] std::size_t peak_kib() const { return static_cast<std::size_t>(usage_.ru_maxrss); }

private:
  void redirect(const char* name, int flags, int to) const {
    const int file = ::open(files_.in(name).c_str(), flags | O_CLOEXEC, 0600);
    if (file < 0 || ::dup2(file, to) < 0) ::_exit(126);
  }
  [[noreturn]] void begin(const words& arguments, const std::function<void()>& prepare) const {
    redirect("in", O_RDONLY, STDIN_FILENO);
    redirect("out", O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect("err", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    ::setenv("MUSTER_CONFIG", "none", 1);  // whoever runs the tests may have a file of their own
    if (prepare) prepare();
    std::string program = MUSTER_COMMAND;
    std::vector<char*> given{program.data()};
    words copies = arguments;
    for (std::string& each : copies) given.push_back(each.data());
    given.push_back(nullptr);
    ::execv(program.c_str(), given.data());
    ::_exit(127);
  }

  directory files_;
  pid_t pid_ = 0;
  rusage usage_{};
};

struct outcome {
  int exit_code = 0;
  std::string output, errors;
  std::size_t peak_kib = 0;

  [[nodiscard]] std::vector<json> results() const { return lines_of(output); }
};

inline outcome run(const words& arguments, const std::string& input = {},
                   const std::function<void()>& prepare = {}) {
  running command(arguments, input, prepare);
  const int code = command.wait();
  return {code, command.output(), command.errors(), command.peak_kib()};
}

}  // namespace e2e
