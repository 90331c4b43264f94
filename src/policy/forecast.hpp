// SPDX-License-Identifier: MIT
#pragma once

// When a task that comes now would be done, judged by how long others ran. Pure; one thread. It errs on the
// early side: workers that a pool could have count as there, and what they run as done.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/clock.hpp"

namespace muster::policy {

class forecast {
public:
  static constexpr std::size_t wanted = 8;  // runs, before it says anything

  void ran(base::duration took) {
    ++seen_;
    average_ += (took - average_) / static_cast<base::duration::rep>(seen_ < wanted ? seen_ : wanted);
  }
  // How long until it is done, with so many before it on so many workers. None: nothing is known yet.
  [[nodiscard]] std::optional<base::duration> done_in(std::size_t before, std::size_t workers) const {
    if (seen_ < wanted) return std::nullopt;
    const auto turns = static_cast<base::duration::rep>(before / workers) + 1;
    return average_ > base::duration::max() / turns ? base::duration::max() : average_ * turns;
  }
  [[nodiscard]] base::duration average() const { return average_; }

private:
  std::size_t seen_ = 0;
  base::duration average_{};  // of the last few, the latest count most
};

}  // namespace muster::policy
