// SPDX-License-Identifier: MIT
#pragma once

// Chance in a simulated world, asked by name. Whether something happens depends on the world's seed, on what
// it is and on whom it would happen to, and on nothing that happened before. So a world can be run again with
// parts of it left out while the rest stays as it was, which is how a long failing world becomes a short one;
// and a new thing to draw leaves all other draws as they were. One thread.

#include <cstdint>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/random.hpp"

namespace muster::sim {

class fate {
public:
  // Something that happened and could have been left out.
  using part = std::uint64_t;
  using parts = std::unordered_set<part>;

  explicit fate(std::uint64_t seed) : seed_(seed) {}

  // From here on only these happen; they must outlive this.
  void allow_only(const parts& these) { allowed_ = &these; }

  // Does it? `who` and `when` tell apart those that are asked about more than once.
  bool happens(std::string_view what, double chance, std::uint64_t who = 0, std::uint64_t when = 0) {
    const part key = key_of(what, who, when);
    if (base::random(key).fraction() >= chance) return false;
    if (allowed_ != nullptr && !allowed_->contains(key)) return false;
    if (records_ && recorded_.insert(key).second) happened_.push_back(key);
    return true;
  }
  // For what must be drawn, whatever happens: sizes, durations.
  [[nodiscard]] base::random dice(std::string_view what, std::uint64_t who = 0,
                                  std::uint64_t when = 0) const {
    return base::random(key_of(what, who, when) + 1);
  }

  // What happened since, in order.
  void record() { records_ = true; }
  [[nodiscard]] const std::vector<part>& happened() const { return happened_; }

private:
  [[nodiscard]] part key_of(std::string_view what, std::uint64_t who, std::uint64_t when) const {
    std::uint64_t key = seed_;
    for (const char c : what) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return base::random(base::random(key ^ who).next() + when).next();
  }

  std::uint64_t seed_;
  const parts* allowed_ = nullptr;  // none: all
  bool records_ = false;
  parts recorded_;
  std::vector<part> happened_;
};

}  // namespace muster::sim
