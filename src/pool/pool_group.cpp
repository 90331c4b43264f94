// SPDX-License-Identifier: MIT
#include <muster/pool_group.hpp>

#include <algorithm>

#include "base/clock.hpp"
#include "pool/check_options.hpp"

namespace muster {

pool_group_options specialised_pools() {
  pool_group_options o;
  o.threads["cpu"].workers = {4};
  o.threads["io"].workers = {8};
  o.threads["memory"].workers = {2};
  o.default_pool = "cpu";
  return o;
}

namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string all;
  for (const auto& name : names) all += (all.empty() ? "'" : ", '") + name + "'";
  return all.empty() ? "none" : all;
}

template <class Options>
void name_and_check(std::map<std::string, Options>& pools, std::string& problems) {
  for (auto& [name, options] : pools) {
    if (options.name == Options().name) options.name = name;
    if (name.empty()) problems += "\na pool of a group has no name; give it one";
    try {
      (void)pool::check(options);
    } catch (const invalid_options& e) {
      problems += "\nof the pool '" + name + "': " + e.what();
    }
  }
}

void check(pool_group_options& o) {
  std::string problems;
  name_and_check(o.threads, problems);
  name_and_check(o.processes, problems);
  if (o.threads.empty() && o.processes.empty()) problems += "\nthe group has no pool; give it at least one";
  for (const auto& [name, options] : o.threads)
    if (o.processes.contains(name))
      problems += "\n'" + name + "' is a pool of threads and one of processes; a name stands for one pool";
  if (o.default_pool && !o.threads.contains(*o.default_pool) && !o.processes.contains(*o.default_pool))
    problems += "\ndefault_pool = '" + *o.default_pool + "': the group has no such pool; name one of its own";
  if (!problems.empty()) throw invalid_options("the options of the group are not usable:" + problems);
}

}  // namespace

pool_group::pool_group(pool_group_options options) {
  check(options);
  default_pool_ = std::move(options.default_pool);
  route_ = std::move(options.route);
  for (auto& [name, each] : options.threads)
    pools_.emplace(name, std::make_unique<thread_pool>(std::move(each)));
  for (auto& [name, each] : options.processes)
    pools_.emplace(name, std::make_unique<process_pool>(std::move(each)));
}

pool_group::~pool_group() { close(); }

pool_base& pool_group::base_of(const any_pool& any) {
  return std::visit([](const auto& pool) -> pool_base& { return *pool; }, any);
}

void pool_group::throw_unknown(std::string_view name, const std::string& what) const {
  throw unknown_pool("there is no " + what + " '" + std::string(name) + "'; the group has " +
                     listed(names()));
}

thread_pool& pool_group::thread(std::string_view name) {
  const auto found = pools_.find(name);
  if (found == pools_.end() || found->second.index() != 0) throw_unknown(name, "pool of threads");
  return *std::get<0>(found->second);
}

process_pool& pool_group::process(std::string_view name) {
  const auto found = pools_.find(name);
  if (found == pools_.end() || found->second.index() != 1) throw_unknown(name, "pool of processes");
  return *std::get<1>(found->second);
}

pool_base& pool_group::pool(std::string_view name) {
  const auto found = pools_.find(name);
  if (found == pools_.end()) throw_unknown(name, "pool");
  return base_of(found->second);
}

std::string pool_group::pool_for(std::string_view type) const {
  std::string name = route_ ? route_(type) : std::string(type);
  if (pools_.contains(name)) return name;
  if (default_pool_) return *default_pool_;
  throw_unknown(name, "pool for tasks of the type '" + std::string(type) + "', which would be");
}

std::vector<std::string> pool_group::names() const {
  std::vector<std::string> all;
  for (const auto& [name, each] : pools_) all.push_back(name);
  return all;
}

void pool_group::start() {
  for (const auto& [name, each] : pools_) base_of(each).start();
}

// A task of a pool that was idle already may have come from one that was not.
void pool_group::wait_idle() {
  const auto submitted = [this] {
    std::size_t sum = 0;
    for (const auto& [name, each] : pools_) sum += base_of(each).stats().submitted;
    return sum;
  };
  for (std::size_t before = submitted();;) {
    for (const auto& [name, each] : pools_) base_of(each).wait_idle();
    const std::size_t after = submitted();
    if (after == before) return;
    before = after;
  }
}

void pool_group::close() {
  for (const auto& [name, each] : pools_) base_of(each).close();
}

// All are told before one is waited for.
group_stop_report pool_group::stop(duration deadline) {
  const auto by = base::after(std::chrono::steady_clock::now(), deadline);
  for (const auto& [name, each] : pools_) detail::pool_access::begin_stop(base_of(each), by);
  group_stop_report report;
  for (const auto& [name, each] : pools_) {
    const auto left = std::max(duration::zero(), duration(by - std::chrono::steady_clock::now()));
    const stop_report& one = report.pools[name] = base_of(each).stop(left);
    report.all.forced = report.all.forced || one.forced;
    report.all.cancelled += one.cancelled;
    report.all.killed += one.killed;
    report.all.unread += one.unread;
    report.all.stuck.insert(report.all.stuck.end(), one.stuck.begin(), one.stuck.end());
  }
  return report;
}

std::map<std::string, muster::stats> pool_group::stats() const {
  std::map<std::string, muster::stats> all;
  for (const auto& [name, each] : pools_) all.emplace(name, base_of(each).stats());
  return all;
}

}  // namespace muster
