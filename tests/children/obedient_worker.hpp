// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <sstream>
#include <string>

#include "base/socket.hpp"
#include "process/zygote.hpp"
#include "worker/setup.hpp"

// A worker's main for tests: does what it reads on its control socket, one text command a message, and
// answers with one text. Ends with code 0 when the owner closes. Runs in a worker process.

namespace muster::test {

inline std::string open_descriptors() {
  std::ostringstream out;
  for (int descriptor = 0; descriptor < 4096; ++descriptor) {
    const int flags = ::fcntl(descriptor, F_GETFD);
    if (flags >= 0) out << descriptor << ((flags & FD_CLOEXEC) != 0 ? "c " : " ");
  }
  return out.str();
}

// Signals that are blocked, ignored or caught. Without 32 and 33, which the C library keeps to itself.
inline std::string signal_state() {
  sigset_t mask;
  ::sigprocmask(SIG_BLOCK, nullptr, &mask);
  std::string blocked, ignored, caught;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action = {};
    if (::sigismember(&mask, signal) == 1) blocked += " " + std::to_string(signal);
    if (::sigaction(signal, nullptr, &action) != 0) continue;
    if (action.sa_handler == SIG_IGN)
      ignored += " " + std::to_string(signal);
    else if (action.sa_handler != SIG_DFL)
      caught += " " + std::to_string(signal);
  }
  return "blocked:" + blocked + " ignored:" + ignored + " caught:" + caught;
}

inline std::string identity() {
  char name[17] = {};
  ::prctl(PR_GET_NAME, name);
  std::ostringstream out;
  out << name << " leader=" << (::getpgrp() == ::getpid())
      << " privileges=" << ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
  return out.str();
}

// Starts a process that is busy for ever; with `daemon` in a session of its own and with no parent. Its pid.
inline std::string grandchild(bool daemon) {
  int ends[2];
  if (::pipe(ends) != 0) return "pipe failed";
  const pid_t first = ::fork();
  if (first == 0) {
    if (daemon) {
      ::setsid();
      if (::fork() != 0) ::_exit(0);
    }
    const pid_t self = ::getpid();
    if (::write(ends[1], &self, sizeof self) != sizeof self) ::_exit(1);
    for (int descriptor = 3; descriptor < 64; ++descriptor) ::close(descriptor);
    while (true) asm volatile("");
  }
  pid_t pid = 0;
  if (::read(ends[0], &pid, sizeof pid) != sizeof pid) pid = 0;
  ::close(ends[0]);
  ::close(ends[1]);
  if (daemon) ::waitpid(first, nullptr, 0);
  return std::to_string(pid);
}

inline std::string limits() {
  std::ostringstream out;
  for (const auto which : {RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_DATA}) {
    rlimit limit = {};
    ::getrlimit(which, &limit);
    out << limit.rlim_cur << " ";
  }
  return out.str();
}

inline std::string allocate(std::size_t bytes) {
  char* const memory = static_cast<char*>(std::malloc(bytes));
  if (memory == nullptr) return "refused";
  for (std::size_t i = 0; i < bytes; i += 1024) static_cast<volatile char*>(memory)[i] = 1;
  std::free(memory);
  return "done";
}

inline process::hooks obedient_hooks();

inline std::string obey(const std::string& command, const ipc::worker_channels& channels) {
  std::istringstream words(command);
  std::string verb;
  long long number = 0;
  words >> verb >> number;
  if (verb == "pid") return std::to_string(::getpid());
  if (verb == "exit") std::fflush(nullptr), ::_exit(static_cast<int>(number));
  if (verb == "raise") ::kill(::getpid(), static_cast<int>(number));
  if (verb == "environment") {
    std::string result;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
      result += std::string(*entry) + "\n";
    return result + "(end)";
  }
  if (verb == "descriptors") return open_descriptors();
  if (verb == "signals") return signal_state();
  if (verb == "identity") return identity();
  if (verb == "directory") return std::filesystem::current_path().string();
  if (verb == "umask") return std::to_string(::umask(0));
  if (verb == "limits") return limits();
  if (verb == "nice") return std::to_string(::getpriority(PRIO_PROCESS, 0));
  if (verb == "fork") return grandchild(false);
  if (verb == "daemon") return grandchild(true);
  if (verb == "allocate") return allocate(static_cast<std::size_t>(number));
  if (verb == "init") {
    const auto role = process::initialise(obedient_hooks());
    return role && *role == process::role::worker ? "this is a worker" : "not a worker?";
  }
  if (verb == "arguments") {
    std::string result;
    for (const std::string& argument : worker::arguments()) result += argument + "|";
    return result;
  }
  if (verb == "init_call")
    return {reinterpret_cast<const char*>(channels.init_call.data()), channels.init_call.size()};
  if (verb == "complain") {
    std::fprintf(stderr, "a complaint\n");
    return "done";
  }
  if (verb == "print") {
    std::printf("printed by a worker\n");  // stays in stdio's buffer until the end
    return "done";
  }
  return "what is " + command + "?";
}

inline int obedient_main(ipc::worker_channels channels) {
  std::vector<std::byte> buffer(1 << 16);
  while (true) {
    const auto message = base::receive_message(channels.descriptors.control.get(), buffer);
    if (!message || message->end()) return 0;
    const std::string command(reinterpret_cast<const char*>(buffer.data()), message->size);
    if (command.starts_with("return ")) return std::atoi(command.c_str() + 7);
    const std::string answer = obey(command, channels);
    if (!base::send_message(channels.descriptors.control.get(), std::as_bytes(std::span(answer)))) return 1;
  }
}

inline process::hooks obedient_hooks() {
  return {.stand_by = worker::stand_by, .set_up = worker::set_up, .main = obedient_main};
}

}  // namespace muster::test
