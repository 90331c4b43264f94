// SPDX-License-Identifier: MIT
#include "policy/choose.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include <muster/error.hpp>

namespace muster::policy {

namespace {

using chosen = std::optional<std::size_t>;
using workers_now = std::span<const load>;

// The emptiest; ties to the lowest slot.
chosen fewest(workers_now workers, chooser_memory&) {
  chosen best;
  for (std::size_t at = 0; at < workers.size(); ++at)
    if (workers[at].open && (!best || workers[at].in_flight < workers[*best].in_flight)) best = at;
  return best;
}

chosen round_robin(workers_now workers, chooser_memory& memory) {
  for (std::size_t step = 0; step < workers.size(); ++step) {
    const std::size_t at = (memory.cursor + step) % workers.size();
    if (!workers[at].open) continue;
    memory.cursor = at + 1;
    return at;
  }
  return std::nullopt;
}

bool is_known(const chooser_memory::track& track, const load& worker) {
  return track.known && track.generation == worker.generation;
}

// Counts what was handed to each, not what each is done with: otherwise all would go to one until it answers.
chosen fewest_served(workers_now workers, chooser_memory& memory) {
  auto& tracks = memory.tracks;
  if (tracks.size() < workers.size()) tracks.resize(workers.size());
  std::uint64_t fewest_of_any = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t at = 0; at < workers.size(); ++at)
    if ((workers[at].open || workers[at].stays) && is_known(tracks[at], workers[at]))
      fewest_of_any = std::min(fewest_of_any, tracks[at].handed);
  if (fewest_of_any == std::numeric_limits<std::uint64_t>::max()) fewest_of_any = 0;
  chosen best;
  for (std::size_t at = 0; at < workers.size(); ++at) {
    if (!workers[at].open) continue;
    if (!is_known(tracks[at], workers[at]))
      tracks[at] = {.generation = workers[at].generation, .known = true, .handed = fewest_of_any};
    if (!best || tracks[at].handed < tracks[*best].handed) best = at;
  }
  if (best) ++tracks[*best].handed;
  return best;
}

// Smooth: each gains its weight, the richest is chosen and pays what all have gained. So within a lap each is
// chosen by its weight, and never twice in a row where that can be.
chosen weighted(workers_now workers, chooser_memory& memory) {
  auto& tracks = memory.tracks;
  if (tracks.size() < workers.size()) tracks.resize(workers.size());
  std::int64_t all = 0;
  chosen best;
  for (std::size_t at = 0; at < workers.size(); ++at) {
    const std::int64_t weight = memory.weight(at);
    if (!workers[at].open || weight == 0) continue;
    if (!is_known(tracks[at], workers[at]))
      tracks[at] = {.generation = workers[at].generation, .known = true};
    tracks[at].credit += weight;
    all += weight;
    if (!best || tracks[at].credit > tracks[*best].credit) best = at;
  }
  if (best) tracks[*best].credit -= all;
  return best;
}

chosen fill(workers_now workers, chooser_memory& memory) {
  for (std::size_t at = 0; at < workers.size(); ++at)
    if (workers[at].open && workers[at].in_flight < memory.full) return at;
  return fewest(workers, memory);
}

std::uint64_t open_ones(workers_now workers) {
  return static_cast<std::uint64_t>(std::ranges::count(workers, true, &load::open));
}

// The n-th of those that are open, from 0; there must be one.
std::size_t nth_open(workers_now workers, std::uint64_t n) {
  std::size_t at = 0;
  while (!workers[at].open || n-- > 0) ++at;
  return at;
}

chosen random(workers_now workers, chooser_memory& memory) {
  const std::uint64_t open = open_ones(workers);
  if (open == 0) return std::nullopt;
  return nth_open(workers, memory.dice.below(open));
}

chosen two_choices(workers_now workers, chooser_memory& memory) {
  const std::uint64_t open = open_ones(workers);
  if (open < 2) return random(workers, memory);
  const std::uint64_t first = memory.dice.below(open);
  std::uint64_t second = memory.dice.below(open - 1);
  if (second >= first) ++second;  // another one
  const std::size_t a = nth_open(workers, first), b = nth_open(workers, second);
  return workers[b].in_flight < workers[a].in_flight ? b : a;
}

// How much a key likes a slot: the same for ever, and for each pair as if it were drawn.
std::uint64_t liking(std::uint64_t key, std::size_t slot) {
  return base::random(key ^ base::random(slot + 1).next()).next();
}

// Rendezvous hashing: the one the key likes best of those for whom `counts` holds.
template <class Counts>
chosen favourite(workers_now workers, std::uint64_t key, Counts counts) {
  chosen best;
  std::uint64_t most = 0;
  for (std::size_t at = 0; at < workers.size(); ++at) {
    if (!counts(workers[at])) continue;
    const std::uint64_t likes = liking(key, at);
    if (best && likes <= most) continue;
    best = at;
    most = likes;
  }
  return best;
}

// The favourite; where keys may leave theirs, the first in the key's order that has no more than its share:
// 1.25 times the mean, this task included.
chosen by_key(workers_now workers, chooser_memory& memory) {
  if (memory.key == 0) return fewest(workers, memory);
  if (memory.hard) {
    const chosen bound = favourite(workers, memory.key, [](const load& w) { return w.open || w.stays; });
    return bound && workers[*bound].open ? bound : std::nullopt;
  }
  std::uint64_t open = 0, in_flight = 0;
  for (const load& w : workers) {
    if (!w.open) continue;
    ++open;
    in_flight += w.in_flight;
  }
  if (open == 0) return std::nullopt;
  const std::uint64_t most = (5 * (in_flight + 1) + 4 * open - 1) / (4 * open);
  return favourite(workers, memory.key, [most](const load& w) { return w.open && w.in_flight < most; });
}

constexpr std::array table{
    named_strategy{strategy::pull, "pull", fewest},
    named_strategy{strategy::fewest, "fewest", fewest},
    named_strategy{strategy::round_robin, "round_robin", round_robin},
    named_strategy{strategy::fewest_served, "fewest_served", fewest_served},
    named_strategy{strategy::weighted, "weighted", weighted},
    named_strategy{strategy::fill, "fill", fill},
    named_strategy{strategy::random, "random", random},
    named_strategy{strategy::two_choices, "two_choices", two_choices},
    named_strategy{strategy::key, "key", by_key},
};

}  // namespace

chooser_memory::chooser_memory(strategy how_, const choose_options& chosen, std::uint64_t seed)
    : how(how_),
      weights(chosen.weights),
      full(static_cast<std::uint32_t>(chosen.full)),
      hard(chosen.affinity == affinity::hard),
      dice(seed) {}

std::optional<std::size_t> choose(std::span<const load> workers, chooser_memory& memory) {
  return table[static_cast<std::size_t>(memory.how)].choose(workers, memory);
}

std::uint64_t key_of(std::string_view key) {
  return key.empty() ? 0 : base::random(std::hash<std::string_view>{}(key)).next() | 1U;
}

std::span<const named_strategy> strategies() { return table; }

}  // namespace muster::policy

namespace muster {

std::string_view name(strategy how) noexcept {
  const auto all = policy::strategies();
  const auto at = static_cast<std::size_t>(how);
  return at < all.size() ? all[at].name : std::string_view();
}

strategy strategy_named(std::string_view wanted) {
  std::string known;
  for (const auto& each : policy::strategies()) {
    if (each.name == wanted) return each.how;
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  throw invalid_options("'" + std::string(wanted) + "' is no strategy; known: " + known);
}

}  // namespace muster
