// SPDX-License-Identifier: MIT
#include "apart.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>

namespace muster::sim {

namespace {

// A world takes milliseconds.
constexpr unsigned patience_seconds = 60;

struct child {
  pid_t pid = -1;
  int from = -1;  // what it says
};

// `work` writes to the descriptor it is given, and the child ends.
template <class Work>
child start_child(Work work) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("no child");
  if (pid == 0) {
    ::close(ends[0]);
    work(ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
  return {pid, ends[0]};
}

void say(int to, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(to, text.data() + done, text.size() - done);
    if (n <= 0) ::_exit(2);
    done += static_cast<std::size_t>(n);
  }
}

// In a child: which world runs, so that its end can still be told.
int told_to = -1;
const world* running = nullptr;

void tell_of(const world& w, const std::string& broken) {
  std::string text = "broken " + broken + "\n";
  for (const fate::part part : w.happened()) text += "part " + std::to_string(part) + "\n";
  for (const std::string& line : w.written().lines()) text += "line " + line + "\n";
  say(told_to, text);
}

// Allocates, which a handler must not: this process is at its end anyway, and what it says is of use.
void end_of_child(int signal) {
  ::alarm(5);
  ::signal(SIGALRM, SIG_DFL);
  if (running != nullptr)
    tell_of(*running,
            signal == SIGALRM ? "it does not end" : std::string("it ended by ") + ::strsignal(signal));
  ::_exit(3);
}

// What pools say on standard error is not asked for; what an assertion says is of use to who replays the
// world.
void prepare_child(int to, bool quiet) {
  told_to = to;
  if (quiet && std::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(2);
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM}) ::signal(signal, end_of_child);
}

std::string read_all(int from) {
  std::string text;
  char buffer[1 << 16];
  for (ssize_t n = 0; (n = ::read(from, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  ::close(from);
  return text;
}

}  // namespace

outcome run_apart(const world::setup& chosen) {
  const child c = start_child([&](int to) {
    prepare_child(to, true);
    ::alarm(patience_seconds);
    coverage met;
    world::setup written = chosen;
    written.written_down = true;
    auto w = std::make_unique<world>(written, met);
    running = w.get();
    const std::string broken = w->run();
    tell_of(*w, broken);
    ::_exit(0);
  });
  std::istringstream said(read_all(c.from));
  ::waitpid(c.pid, nullptr, 0);
  outcome result{.broken = "it ended without a word"};
  for (std::string line; std::getline(said, line);) {
    const std::string rest = line.substr(std::min<std::size_t>(line.find(' ') + 1, line.size()));
    if (line.starts_with("broken")) result.broken = rest;
    if (line.starts_with("part ")) result.parts.push_back(std::stoull(rest));
    if (line.starts_with("line ")) result.lines.push_back(rest);
  }
  return result;
}

namespace {

// One child of a hunt: it runs every n-th seed.
struct shard {
  child runs{};
  std::uint64_t next = 0;  // the seed it begins with
  std::string heard{};
};

// What the children say while they live, in memory that they share: the seed at hand, and how many are done.
struct progress {
  std::uint64_t seed;
  std::uint64_t done;
};

void run_shard(const hunt& what, std::uint64_t from, std::uint64_t stride, progress& mine, int to) {
  prepare_child(to, true);
  coverage met;
  std::size_t findings = 0;
  const std::uint64_t end = what.first + what.seeds;
  const auto began = std::chrono::steady_clock::now();
  for (std::uint64_t seed = from; seed < end; seed += stride) {
    if (what.time && std::chrono::steady_clock::now() - began > *what.time) break;
    mine.seed = seed;
    ::alarm(patience_seconds);
    world::setup each = what.each;
    each.seed = seed;
    const std::string broken = world(each, met).run();
    ++mine.done;
    if (broken.empty()) continue;
    say(to, "found " + std::to_string(seed) + " " + broken + "\n");
    if (++findings >= what.most_findings) break;
  }
  std::string all;
  for (const auto& [name, count] : met) all += "met " + std::to_string(count) + " " + name + "\n";
  say(to, all + "done\n");
}

// Takes what it said. False: it ended before it was done.
bool take(const std::string& said, hunted& result) {
  std::istringstream lines(said);
  bool done = false;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind, rest;
    std::uint64_t number = 0;
    words >> kind >> number;
    std::getline(words >> std::ws, rest);
    if (kind == "met") result.met[rest] += number;
    if (kind == "found") result.findings.push_back({number, rest});
    done |= kind == "done";
  }
  return done;
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return std::string("it ended by ") + ::strsignal(WTERMSIG(status));
  return WEXITSTATUS(status) == 3 ? "an assertion failed, or it does not end" : "it ended without a word";
}

}  // namespace

hunted run_all(const hunt& what) {
  const auto began = std::chrono::steady_clock::now();
  const auto jobs = static_cast<std::size_t>(std::max(1, what.jobs));
  auto* shared = static_cast<progress*>(
      ::mmap(nullptr, jobs * sizeof(progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (shared == MAP_FAILED) throw std::runtime_error("no shared memory");
  hunted result;
  std::vector<shard> shards(jobs);
  const auto begin = [&](std::size_t i) {
    shards[i].heard.clear();
    shards[i].runs = start_child([&](int to) { run_shard(what, shards[i].next, jobs, shared[i], to); });
  };
  for (std::size_t i = 0; i < jobs; ++i) {
    shards[i].next = what.first + i;
    begin(i);
  }
  const auto is_over = [](const shard& s) { return s.runs.from < 0; };
  while (!std::ranges::all_of(shards, is_over)) {
    std::vector<pollfd> ears;
    for (const shard& s : shards)
      ears.push_back({s.runs.from, POLLIN, 0});  // one that is over is -1: ignored
    ::poll(ears.data(), ears.size(), -1);
    for (std::size_t i = 0; i < jobs; ++i) {
      shard& s = shards[i];
      if (is_over(s) || ears[i].revents == 0) continue;
      char buffer[1 << 16];
      if (const ssize_t n = ::read(s.runs.from, buffer, sizeof buffer); n > 0) {
        s.heard.append(buffer, static_cast<std::size_t>(n));
        continue;
      }
      ::close(std::exchange(s.runs.from, -1));
      int status = 0;
      ::waitpid(s.runs.pid, &status, 0);
      if (take(s.heard, result)) continue;
      result.findings.push_back({shared[i].seed, how_it_ended(status)});
      ++shared[i].done;
      s.next = shared[i].seed + jobs;
      if (result.findings.size() < what.most_findings) begin(i);
    }
  }
  for (std::size_t i = 0; i < jobs; ++i) result.worlds += shared[i].done;
  ::munmap(shared, jobs * sizeof(progress));
  result.took = std::chrono::steady_clock::now() - began;
  std::ranges::sort(result.findings, {}, &finding::seed);
  return result;
}

}  // namespace muster::sim
