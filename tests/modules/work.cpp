// SPDX-License-Identifier: MIT
//
// tests/hosts/programs/work.js in C++: nothing of a protocol, a function that takes its time, a handler.
#include <muster/module.hpp>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <future>
#include <random>
#include <string>
#include <thread>

namespace {

// It returns before its result is there.
std::future<std::string> begin_work(std::string work) {
  return std::async(std::launch::async, [work = std::move(work)] {
    std::random_device source;
    const int ms = std::uniform_int_distribution(0, 199)(source);
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    return "[" + std::to_string(::getpid()) + "] Work \"" + work + "\" completed in " + std::to_string(ms) +
           "ms";
  });
}

}  // namespace

MUSTER_MODULE(m) {
  m.init([] { std::signal(SIGTERM, [](int) { ::_exit(0); }); });
  m.add("do_some_work", [](std::string work) { return begin_work(std::move(work)).get(); });
}
