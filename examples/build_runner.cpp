// SPDX-License-Identifier: MIT
// A build runner: commands with dependencies, level by level, as many at once as there are workers. What a
// command prints is kept with its task, so lines of two commands never mix. For builds, tests, migrations.
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <muster/muster.hpp>

namespace {

struct target {
  std::string name, command;
  std::vector<std::string> needs{};
};

int run(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::process_pool pool({.workers = {2}});
  std::vector<target> todo = {
      {"app", "echo linking app", {"main.o", "zip.o"}}, {"main.o", "echo compiling main.c"},
      {"manual", "echo no such figure; exit 3"},        {"package", "echo packing", {"app", "manual"}},
      {"test", "echo 12 tests passed", {"app"}},        {"zip.o", "echo compiling zip.c"},
  };

  std::set<std::string> built;
  for (int level = 1; !todo.empty(); ++level) {
    const auto is_ready = [&](const target& t) {
      return std::all_of(t.needs.begin(), t.needs.end(), [&](const auto& n) { return built.contains(n); });
    };
    std::vector<target> now;
    std::copy_if(todo.begin(), todo.end(), std::back_inserter(now), is_ready);
    if (now.empty()) break;  // what is left needs what failed
    std::erase_if(todo, is_ready);

    std::vector<muster::future<int>> codes;
    for (const target& t : now)
      codes.push_back(pool.submit({.id = t.name, .capture = muster::capture::keep}, run, t.command));
    for (std::size_t i = 0; i < now.size(); ++i) {
      const std::string printed = codes[i].output()->out;
      const int code = codes[i].get();
      if (code == 0) built.insert(now[i].name);
      std::printf("%d %s (%d): %s", level, now[i].name.c_str(), code, printed.c_str());
    }
  }
  for (const target& t : todo) std::printf("not built: %s\n", t.name.c_str());
}
