// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/tune.hpp"

namespace muster::cli {
namespace {

constexpr double as_good_as_best = 0.95;  // of the best throughput
constexpr double nearly_as_good = 0.8;    // of the recommended one: what an alternative has to have
constexpr double noticeably_less = 0.5;   // of its latency or memory: what makes an alternative worth a line
constexpr double too_far_apart = 0.2;     // rounds, as a part of their median
constexpr double mostly = 0.75;           // of a place's time: it computes
constexpr double hardly = 0.25;           // it waits
constexpr double much_of_memory = 0.5;    // of the machine's
constexpr double much_of_cpus = 0.25;     // of the machine's: others have them
constexpr std::uint64_t calls_a_place = 4;  // in a round: fewer say little
constexpr double worthwhile_memory = 64.0 * 1'024 * 1'024;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

template <class Member>
double median_of(const tune_point& point, Member tune_sample::* member) {
  std::vector<double> values;
  for (const tune_sample& each : point.rounds) values.push_back(static_cast<double>(each.*member));
  return median(std::move(values));
}

tune_figure figure_of(const tune_point& point) {
  tune_figure made{.size = point.size,
                   .rounds = static_cast<int>(point.rounds.size()),
                   .per_second = median_of(point, &tune_sample::per_second),
                   .p50 = median_of(point, &tune_sample::p50),
                   .p99 = median_of(point, &tune_sample::p99),
                   .memory = static_cast<std::size_t>(median_of(point, &tune_sample::memory)),
                   .cpus = median_of(point, &tune_sample::cpus),
                   .owner_cpus = median_of(point, &tune_sample::owner_cpus),
                   .other_cpus = median_of(point, &tune_sample::other_cpus)};
  const auto [least, most] = std::ranges::minmax(point.rounds, {}, &tune_sample::per_second);
  made.least = least.per_second;
  made.most = most.per_second;
  for (const tune_sample& each : point.rounds) {
    made.calls += each.calls;
    made.failed += each.failed;
  }
  return made;
}

bool is_taken_by_others(const tune_figure& of, const tune_machine& machine) {
  return of.other_cpus > much_of_cpus * machine.cpus;
}

// What the calls do shows best where they do not stand in each other's way: with the fewest places.
tune_bound bound_of(std::span<const tune_figure> figures, const tune_figure& best,
                    const tune_machine& machine) {
  if (best.owner_cpus > best.cpus && best.owner_cpus > 0.5) return tune_bound::handing_out;
  const auto& alone =
      *std::ranges::min_element(figures, {}, [](const auto& each) { return each.size.places(); });
  const double busy = alone.cpus / alone.size.places();
  if (busy >= mostly) return tune_bound::computing;
  if (is_taken_by_others(alone, machine)) return tune_bound::unclear;
  return busy <= hardly ? tune_bound::waiting : tune_bound::both;
}

std::string what_they_do(tune_bound bound, const tune_figure& chosen, const tune_machine& machine) {
  const std::string busy = fmt::format("{:.1f} of {:g} CPUs busy", chosen.cpus, machine.cpus);
  switch (bound) {
    case tune_bound::computing: return fmt::format("the calls compute ({})", busy);
    case tune_bound::waiting: return fmt::format("the calls mostly wait ({})", busy);
    case tune_bound::both: return fmt::format("the calls compute and wait ({})", busy);
    case tune_bound::unclear: return fmt::format("the calls keep {}", busy);
    case tune_bound::handing_out:
      return "the calls are so short that handing them out is most of the work, so let each do more";
  }
  return {};
}

std::string reason_of(std::span<const tune_figure> figures, const tune_figure& chosen,
                      const tune_figure& best, tune_bound bound, const tune_machine& machine) {
  const auto& largest =
      *std::ranges::max_element(figures, {}, [](const auto& each) { return each.size.places(); });
  std::string text = fmt::format("{}: {} calls/s, as {}", size_text(chosen.size),
                                 short_number(chosen.per_second), what_they_do(bound, chosen, machine));
  if (figures.size() == 1) return text + ", and no other size was measured";
  if (chosen.size == largest.size)
    return text +
           fmt::format(", and no smaller size comes within 5 % of it, so a larger --max may give more");
  if (chosen.size == best.size) return text + ", and more gain nothing";
  return text + fmt::format(", and more gain less than 5 % (at best {} calls/s, with {})",
                            short_number(best.per_second), size_text(best.size));
}

// A smaller size that gives up a little throughput for much of something else. One is enough.
std::string alternative(std::span<const tune_figure> figures, const tune_figure& chosen) {
  for (const tune_figure& each : figures) {
    if (each.size.places() >= chosen.size.places() || each.per_second < nearly_as_good * chosen.per_second)
      continue;
    const bool is_quick = each.p99 <= noticeably_less * chosen.p99;
    const double saved = static_cast<double>(chosen.memory) - static_cast<double>(each.memory);
    const bool is_small =
        static_cast<double>(each.memory) <= noticeably_less * static_cast<double>(chosen.memory) &&
        saved >= worthwhile_memory;
    if (!is_quick && !is_small) continue;
    std::string gains;
    if (is_quick)
      gains = fmt::format("a p99 of {} instead of {}", short_time(each.p99), short_time(chosen.p99));
    if (is_small)
      gains += fmt::format("{}{} of memory instead of {}", gains.empty() ? "" : " and ",
                           short_size(each.memory), short_size(chosen.memory));
    return fmt::format(
        "Where {} more: {} have {}, at {:.0f} % of the throughput.",
        is_quick && is_small ? "latency or memory counts" : (is_quick ? "latency counts" : "memory counts"),
        size_text(each.size), gains, 100 * each.per_second / chosen.per_second);
  }
  return {};
}

void note_doubts(const tune_figure& chosen, const tune_figure& best, const tune_machine& machine,
                 tune_advice& into) {
  if (is_taken_by_others(chosen, machine)) {
    into.noisy = true;
    into.notes.push_back(
        fmt::format("Other programs kept {:.1f} of {:g} CPUs busy meanwhile, and more workers get a larger "
                    "part of what is left; measure again when they are done.",
                    chosen.other_cpus, machine.cpus));
  }
  const tune_figure& worse = chosen.spread() > best.spread() ? chosen : best;
  if (worse.spread() > too_far_apart) {
    into.noisy = true;
    into.notes.push_back(fmt::format(
        "The measurements are noisy: with {} the rounds are {:.0f} % apart. Something else was busy "
        "here, or the inputs differ much; measure again, or longer with --seconds.",
        size_text(worse.size), 100 * worse.spread()));
  }
  const auto enough = calls_a_place * static_cast<std::uint64_t>(chosen.size.places() * chosen.rounds);
  if (chosen.calls < enough)
    into.notes.push_back(fmt::format(
        "Only {} calls were done in all rounds with {}, which says little; measure longer, with --seconds "
        "{:.0f}.",
        chosen.calls, size_text(chosen.size), std::ceil(std::max(1.0, 10 * chosen.p50))));
  if (chosen.failed > 0)
    into.notes.push_back(
        fmt::format("{} of {} calls failed with {}.", chosen.failed, chosen.calls, size_text(chosen.size)));
}

}  // namespace

const char* name(tune_bound bound) noexcept {
  switch (bound) {
    case tune_bound::computing: return "computing";
    case tune_bound::waiting: return "waiting";
    case tune_bound::both: return "both";
    case tune_bound::handing_out: return "handing_out";
    case tune_bound::unclear: return "unclear";
  }
  return "";
}

std::vector<tune_size> sizes_of(int min, int max, const std::vector<int>& at_once) {
  std::vector<tune_size> all;
  for (int workers = min;; workers = std::min(2 * workers, max)) {
    for (const int each : at_once) all.push_back({workers, each});
    if (workers == max) return all;
  }
}

std::vector<std::size_t> order_of(std::size_t sizes, int round) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < sizes; ++i) order.push_back(round % 2 == 0 ? i : sizes - 1 - i);
  return order;
}

std::vector<tune_figure> figures_of(std::span<const tune_point> points) {
  std::vector<tune_figure> made;
  for (const tune_point& each : points)
    if (!each.rounds.empty()) made.push_back(figure_of(each));
  return made;
}

std::optional<tune_advice> recommend(std::span<const tune_figure> figures, const tune_machine& machine) {
  const auto best = std::ranges::max_element(figures, {}, &tune_figure::per_second);
  if (best == figures.end() || best->per_second <= 0) return std::nullopt;
  auto chosen = best;
  for (auto each = figures.begin(); each != figures.end(); ++each)
    if (each->per_second >= as_good_as_best * best->per_second && each->size < chosen->size) chosen = each;
  tune_advice made{.at = static_cast<std::size_t>(chosen - figures.begin()),
                   .bound = bound_of(figures, *best, machine)};
  made.reason = reason_of(figures, *chosen, *best, made.bound, machine);
  if (std::string other = alternative(figures, *chosen); !other.empty())
    made.notes.push_back(std::move(other));
  if (machine.memory > 0 &&
      static_cast<double>(chosen->memory) > much_of_memory * static_cast<double>(machine.memory))
    made.notes.push_back(fmt::format("They take {} of the {} of memory here.", short_size(chosen->memory),
                                     short_size(machine.memory)));
  note_doubts(*chosen, *best, machine, made);
  return made;
}

}  // namespace muster::cli
