// SPDX-License-Identifier: MIT
#include "worker/setup.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/sanitizer.hpp"
#include "worker/faults.hpp"

namespace muster::worker {
namespace {

using result = std::expected<void, ipc::failed_step>;

std::vector<std::string>& kept_arguments() {
  static std::vector<std::string> arguments;
  return arguments;
}

std::unexpected<ipc::failed_step> failed(const char* step, std::string detail = {}) {
  return std::unexpected(ipc::failed_step{.step = step, .code = errno, .detail = std::move(detail)});
}

result join_cgroup(const std::string& procs_file) {
  if (procs_file.empty()) return {};
  const base::file_descriptor file(::open(procs_file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), "0", 1) != 1) return failed("join the cgroup", procs_file);
  return {};
}

// The kernel keeps 15 characters: the pool's name gives way, the slot stays.
void name_process(const std::string& pool, std::uint32_t slot) {
  const std::string end = "-" + std::to_string(slot);
  constexpr std::string_view begin = "muster-";
  constexpr std::size_t most = 15;
  const std::size_t room = most > begin.size() + end.size() ? most - begin.size() - end.size() : 0;
  ::prctl(PR_SET_NAME, (std::string(begin) + pool.substr(0, room) + end).c_str());
}

result stand_in_line(int parent) {
  // The zygote does the same for us; whoever comes first, nobody sees this process in the zygote's group
  // later on.
  if (::setpgid(0, 0) != 0 && errno != EACCES) return failed("make a process group");
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return failed("tie its life to the zygote's");
  if (::getppid() != parent) ::_exit(127);  // the zygote died before the line above could tell us
  return {};
}

result give_up_privileges(bool contained) {
  if (contained && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("give up new privileges");
  return {};
}

constexpr bool is_fault(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL;
}

void clean_signals() {
  constexpr bool keep_faults = base::is_sanitized;  // a sanitizer's report is worth more than a bare signal
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal)
    if (!(keep_faults && is_fault(signal)))
      ::sigaction(signal, &action, nullptr);  // refused for SIGKILL and the like
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// `name` against a pattern that may end with a '*', for any ending.
bool matches(std::string_view pattern, std::string_view name) {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
}

result make_environment(const ipc::environment_rule& rule) {
  std::vector<std::pair<std::string, std::string>> kept;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    const bool passed =
        rule.pass_all || std::any_of(rule.pass.begin(), rule.pass.end(),
                                     [&](const auto& pattern) { return matches(pattern, name); });
    if (passed) kept.emplace_back(name, text.substr(equals + 1));
  }
  kept.insert(kept.end(), rule.set.begin(), rule.set.end());
  ::clearenv();
  for (const auto& [name, value] : kept)
    if (::setenv(name.c_str(), value.c_str(), 1) != 0) return failed("set the environment", name);
  return {};
}

// What the process has now in private writable memory, which is what RLIMIT_DATA counts.
std::uint64_t own_data_bytes() {
  unsigned long long pages = 0;
  if (FILE* const file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%*u %*u %*u %*u %*u %llu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Sets the soft limit, and the hard one to so much more. A stricter limit that is already in force stays.
result tighten(int which, std::uint64_t limit, const char* step, std::uint64_t grace = 0) {
  rlimit now = {};
  if (::getrlimit(static_cast<__rlimit_resource>(which), &now) != 0) return failed(step);
  const auto bounded = [&now](rlim_t value) {
    return now.rlim_max == RLIM_INFINITY ? value : std::min<rlim_t>(value, now.rlim_max);
  };
  const rlimit wanted = {.rlim_cur = bounded(limit), .rlim_max = bounded(limit + grace)};
  if (::setrlimit(static_cast<__rlimit_resource>(which), &wanted) != 0) return failed(step);
  return {};
}

result allow_core_dumps() {
  rlimit core = {};
  if (::getrlimit(RLIMIT_CORE, &core) != 0) return failed("turn core dumps on");
  core.rlim_cur = core.rlim_max;
  if (::setrlimit(RLIMIT_CORE, &core) != 0) return failed("turn core dumps on");
  return {};
}

result limit_core_dumps(const ipc::worker_birth& birth) {
  if (birth.limits.core_dumps) return allow_core_dumps();
  return birth.contained ? tighten(RLIMIT_CORE, 0, "turn core dumps off") : result();
}

result limit_resources(const ipc::resource_limits& limits) {
  if (limits.open_files) {
    const rlimit wanted = {.rlim_cur = *limits.open_files, .rlim_max = *limits.open_files};
    if (::setrlimit(RLIMIT_NOFILE, &wanted) != 0)
      return failed("limit the open files", std::to_string(*limits.open_files));
  }
  if (limits.file_bytes)
    if (auto done = tighten(RLIMIT_FSIZE, *limits.file_bytes, "limit the size of files"); !done) return done;
  if (limits.processes)
    if (auto done = tighten(RLIMIT_NPROC, *limits.processes, "limit the processes"); !done) return done;
  if (limits.cpu_seconds)  // SIGXCPU at the soft limit, SIGKILL at the hard one
    if (auto done = tighten(RLIMIT_CPU, *limits.cpu_seconds, "limit the processor time", 1); !done)
      return done;
  if (limits.data_bytes) {
    if (const std::uint64_t own = own_data_bytes(); own > *limits.data_bytes) {
      errno = ENOMEM;
      return failed("limit the memory", "the program itself takes " + std::to_string(own >> 20) +
                                            " MiB, the limit is " + std::to_string(*limits.data_bytes >> 20) +
                                            " MiB");
    }
    if (auto done = tighten(RLIMIT_DATA, *limits.data_bytes, "limit the memory"); !done) return done;
  }
  if (limits.address_space_bytes)
    return tighten(RLIMIT_AS, *limits.address_space_bytes, "limit the address space");
  return {};
}

result add_nice(int nice) {
  if (nice == 0) return {};
  errno = 0;
  const int now = ::getpriority(PRIO_PROCESS, 0);
  if (errno != 0 || ::setpriority(PRIO_PROCESS, 0, now + nice) != 0) return failed("change the priority");
  return {};
}

result pin(std::optional<int> cpu) {
  if (!cpu) return {};
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(*cpu), &one);
  if (::sched_setaffinity(0, sizeof(one), &one) != 0)
    return failed("pin it to its CPU", std::to_string(*cpu));
  return {};
}

// Leaves 0 to 2, of which 0 is the zygote's /dev/null, and the report.
result keep_only(base::file_descriptor& report) {
  constexpr int place = ipc::report_descriptor;
  if (report.get() != place) {
    if (::dup3(report.get(), place, O_CLOEXEC) < 0) return failed("place the descriptors");
    report.reset(place);
  }
  if (::syscall(SYS_close_range, ipc::first_worker_descriptor, place - 1, 0) != 0 ||
      ::syscall(SYS_close_range, place + 1, ~0U, 0) != 0)
    return failed("close what is not the worker's");
  return {};
}

// The kernel gives descriptors that arrive the lowest free numbers.
result take_descriptors(ipc::worker_inheritance& given) {
  const ipc::worker_descriptors& d = given.descriptors;
  int place = ipc::first_worker_descriptor;
  for (const auto* each : {&d.control, &d.board, &d.requests, &d.replies, &d.bell})
    if (each->get() != place++) return failed("place the descriptors", std::to_string(each->get()));
  if (::dup3(given.error_output.get(), STDERR_FILENO, 0) < 0) return failed("place its error output");
  given.error_output.reset();
  return {};
}

}  // namespace

std::expected<void, ipc::failed_step> stand_by(ipc::worker_inheritance& given) {
  ::prctl(PR_SET_NAME, "muster-spare");
  if (auto done = stand_in_line(given.parent); !done) return done;
  clean_signals();
  return keep_only(given.report);
}

std::expected<ipc::worker_channels, ipc::failed_step> set_up(ipc::worker_birth birth,
                                                             ipc::worker_inheritance& given) {
  faults::order(std::move(birth.faults));
  faults::reach(fault_step::born);
  result done = join_cgroup(birth.cgroup_procs);
  if (done) done = give_up_privileges(birth.contained);
  if (done) name_process(birth.pool, birth.slot);
  if (done) done = take_descriptors(given);
  if (done) done = make_environment(birth.environment);
  if (done && birth.directory && ::chdir(birth.directory->c_str()) != 0)
    done = failed("enter the directory", *birth.directory);
  if (done) done = add_nice(birth.nice);
  if (done) done = pin(birth.cpu);
  if (done) done = limit_core_dumps(birth);
  if (done) done = limit_resources(birth.limits);
  if (!done) return std::unexpected(done.error());
  kept_arguments() = birth.arguments;
  faults::reach(fault_step::set_up);
  return ipc::worker_channels{.slot = birth.slot,
                              .generation = birth.generation,
                              .pool = std::move(birth.pool),
                              .descriptors = std::move(given.descriptors),
                              .arguments = std::move(birth.arguments),
                              .init_call = std::move(birth.init_call)};
}

const std::vector<std::string>& arguments() { return kept_arguments(); }

}  // namespace muster::worker
