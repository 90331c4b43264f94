// SPDX-License-Identifier: MIT
// The simulation as a program: many worlds and what they met, one world told line by line, one that fails cut
// short, the bugs that it must find, and what decisions cost in large pools.
#include <cstring>
#include <iomanip>
#include <iostream>

#include "apart.hpp"
#include "scale.hpp"
#include "shrink.hpp"
#include "table.hpp"

namespace muster::sim {
namespace {

constexpr const char* help = R"(sim: worlds of virtual workers around the real engine

  sim --seeds N [--first S] [--jobs J] [--seconds T]   runs N worlds, says what broke and what they met
  sim --replay SEED     tells what happens in one world, a line for each event with its virtual time
  sim --shrink SEED     cuts a failing world short, and tells what is left of it
  sim --prove           plants bugs one after the other, and must find each and cut a world to 80 lines
  sim --scale           what decisions cost in pools of 10 to 100,000 workers; --workers N, --tasks N: up to

  --events M   events in a world before its faults stop (500)
  --plant BUG  with a planted bug; `sim --prove` lists them

Ends with 0 when all is well, 1 when something broke or was not met, 2 when it was asked for nonsense.
)";

struct wanted {
  enum class what : std::uint8_t { nothing, seeds, replay, shrink, prove, scale } to_do = what::nothing;
  hunt all{};
  std::uint64_t workers = 100'000, tasks = 1'000'000;
};

// As many as a coverage table can be judged by.
constexpr std::uint64_t enough_seeds = 300;
constexpr std::size_t most_lines = 80;

std::optional<wanted> read(int argc, char** argv) {
  wanted w;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const auto number = [&] { return ++i < argc ? std::strtoull(argv[i], nullptr, 10) : 0; };
    using enum wanted::what;
    if (option == "--seeds")
      w.to_do = seeds, w.all.seeds = number();
    else if (option == "--replay")
      w.to_do = replay, w.all.each.seed = number();
    else if (option == "--shrink")
      w.to_do = shrink, w.all.each.seed = number();
    else if (option == "--prove")
      w.to_do = prove;
    else if (option == "--scale")
      w.to_do = scale;
    else if (option == "--tasks")
      w.tasks = number();
    else if (option == "--workers")
      w.workers = number();
    else if (option == "--first")
      w.all.first = number();
    else if (option == "--jobs")
      w.all.jobs = static_cast<int>(number());
    else if (option == "--seconds")
      w.all.time = std::chrono::seconds(number());
    else if (option == "--events")
      w.all.each.events = static_cast<int>(number());
    else if (option == "--plant" && i + 1 < argc && plant_named(argv[i + 1]))
      w.all.each.planted = *plant_named(argv[++i]);
    else
      return std::nullopt;
  }
  if (w.to_do == wanted::what::nothing) return std::nullopt;
  return w;
}

void print(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::cout << line << '\n';
}

int run_seeds(const hunt& all) {
  const hunted result = run_all(all);
  print_table(std::cout, result.met, result.worlds);
  std::cout << '\n'
            << result.worlds << " worlds from seed " << all.first << ", " << all.each.events
            << " events and their end each, in " << std::fixed << std::setprecision(1) << result.took.count()
            << " s: " << std::setprecision(0) << static_cast<double>(result.worlds) / result.took.count()
            << " seeds a second\n";
  for (const finding& f : result.findings)
    std::cout << "BROKEN in seed " << f.seed << ": " << f.broken << "\n  sim --shrink " << f.seed
              << " tells how\n";
  std::vector<std::string> never;
  if (result.worlds >= enough_seeds) never = missing(result.met, result.worlds);
  for (const std::string& what : never) std::cout << "NEVER MET: " << what << '\n';
  return result.findings.empty() && never.empty() ? 0 : 1;
}

int replay(const world::setup& chosen) {
  const outcome result = run_apart(chosen);
  print(result.lines);
  std::cout << (result.broken.empty() ? "all promises held" : "BROKEN: " + result.broken) << '\n';
  return result.broken.empty() ? 0 : 1;
}

void print(const shrunk& s) {
  print(s.last.lines);
  std::cout << "BROKEN: " << s.last.broken << "\n"
            << s.last.lines.size() << " lines; of " << s.parts_before << " things that happened "
            << s.parts_after << " are left, found in " << s.worlds << " worlds\n";
}

int shrink_one(const world::setup& chosen) {
  const auto result = shrink(chosen);
  if (!result) {
    std::cout << "all promises hold in seed " << chosen.seed << '\n';
    return 0;
  }
  print(*result);
  return 1;
}

// The first of these worlds that can be cut to what one reads at a glance; else the last one.
std::optional<shrunk> shortest(const std::vector<finding>& findings, world::setup& each) {
  std::optional<shrunk> cut;
  for (const finding& f : findings) {
    each.seed = f.seed;
    cut = shrink(each, most_lines);
    if (cut && cut->last.lines.size() <= most_lines) break;
  }
  return cut;
}

// A bug that is planted must be found by the seeds that everybody runs, and be cut short.
int prove(hunt all) {
  int unproven = 0;
  all.seeds = enough_seeds;
  all.most_findings = 3;
  for (const planted_bug& bug : planted_bugs) {
    std::cout << "== " << bug.name << ": " << bug.what << std::endl;
    all.each.planted = bug.which;
    const hunted result = run_all(all);
    const auto cut = shortest(result.findings, all.each);
    if (cut) print(*cut);
    const bool is_short = cut && cut->last.lines.size() <= most_lines;
    if (!is_short) ++unproven;
    std::cout << (is_short ? "found in seed " + std::to_string(all.each.seed)
                  : cut    ? std::string("TOO LONG")
                           : "NOT FOUND in " + std::to_string(result.worlds) + " worlds")
              << "\n\n";
  }
  return unproven == 0 ? 0 : 1;
}

}  // namespace
}  // namespace muster::sim

int main(int argc, char** argv) {
  using namespace muster::sim;
  const auto w = read(argc, argv);
  if (!w) {
    std::cerr << help;
    return argc == 2 && std::strcmp(argv[1], "--help") == 0 ? 0 : 2;
  }
  switch (w->to_do) {
    case wanted::what::seeds: return run_seeds(w->all);
    case wanted::what::replay: return replay(w->all.each);
    case wanted::what::shrink: return shrink_one(w->all.each);
    case wanted::what::prove: return prove(w->all);
    case wanted::what::scale: return print_scale(std::cout, w->workers, w->tasks);
    case wanted::what::nothing: break;
  }
  return 2;
}
