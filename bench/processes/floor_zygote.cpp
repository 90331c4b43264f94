// SPDX-License-Identifier: MIT
//
// What one more process costs at the least when a small process that is there for nothing else forks it: from
// the request until the new one has answered, over pipes. `floor_zygote one_more <count>` prints
// milliseconds, the median.
#include <sys/wait.h>
#include <csignal>

#include "common.hpp"

namespace {

// Forks a child for each byte that it reads; the child writes one and waits to be ended.
[[noreturn]] void serve(int requests, int answers) {
  for (char byte = 0; ::read(requests, &byte, 1) == 1;) {
    const pid_t child = ::fork();
    if (child == 0) {
      (void)!::write(answers, &byte, 1);
      ::pause();
      ::_exit(0);
    }
    char again = 0;
    bench::require(child > 0 && ::read(requests, &again, 1) == 1, "the zygote cannot fork");
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  ::_exit(0);
}

double one_more(std::size_t count) {
  int to[2];
  int from[2];
  bench::require(::pipe(to) == 0 && ::pipe(from) == 0, "there are no pipes");
  const pid_t zygote = ::fork();
  if (zygote == 0) {
    ::close(to[1]);
    serve(to[0], from[1]);
  }
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) {
    char byte = 'x';
    const auto begin = bench::clock::now();
    bench::require(::write(to[1], &byte, 1) == 1 && ::read(from[0], &byte, 1) == 1, "nobody answers");
    times.push_back(bench::seconds_since(begin) * 1e3);
    bench::require(::write(to[1], &byte, 1) == 1, "nobody reads");
  }
  ::close(to[1]);
  ::waitpid(zygote, nullptr, 0);
  return bench::median(std::move(times));
}

}  // namespace

int main(int argc, char** argv) {
  const bench::job what = bench::read_job(argc, argv);
  if (what.workload == "one_more") return bench::report(one_more(what.count));
  return bench::not_supported;
}
