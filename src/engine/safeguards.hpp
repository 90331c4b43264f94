// SPDX-License-Identifier: MIT
#pragma once

// What a pool remembers of failures where its options ask for it: circuit breakers, tasks that are set aside,
// dead letters. Each engine has one or none; a task of a pool without is not touched. Submitters and those
// who settle tasks call it, on any thread; its lock is held for its own few steps only, and no user code
// (that of a task's arguments included) runs under it.

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <muster/event.hpp>
#include <muster/options.hpp>
#include <muster/stats.hpp>
#include <muster/task.hpp>

#include "base/clock.hpp"
#include "policy/breaker.hpp"

namespace muster::engine {

struct safeguard_settings {
  std::optional<breaker_options> breaker{}, breaker_per_label{};
  std::optional<quarantine_options> quarantine{};
  std::size_t dead_letters = 0;

  [[nodiscard]] bool any() const { return breaker || breaker_per_label || quarantine || dead_letters > 0; }
};

// A dead letter with its task, which has settled and which nobody runs.
struct kept_letter {
  dead_letter about;
  detail::task_ref<> task{};
};

class safeguards {
public:
  static constexpr std::size_t most_labels = 1'024;
  static constexpr std::size_t most_set_aside = 10'000;
  using news = std::vector<event>;  // to be announced by the caller, not under a lock

  safeguards(const safeguard_settings& chosen, std::string pool);
  ~safeguards();

  // Before t is queued. Throws circuit_open, quarantined; otherwise leave follows.
  void enter(detail::task& t, base::time_point now, news& told);
  // It settled, or was not accepted after all. More than once does no harm.
  void leave(detail::task& t, policy::call_end how, base::time_point now, news& told);
  // Whether and how an end of this kind counts: `error` is why it failed.
  [[nodiscard]] policy::call_end judge(const detail::task& t, const std::exception_ptr& error) const;
  // Whether it took too long, by the time of its last attempt.
  [[nodiscard]] bool is_slow(const detail::task& t, duration took) const;

  // Tasks of this id are refused for a while; a moment later they are not, when somebody wants it again.
  void set_aside(const std::string& id, std::shared_ptr<const death> last, base::time_point now);
  void forgive(const std::string& id);

  [[nodiscard]] bool keeps_letters() const { return chosen_.dead_letters > 0; }
  void keep(kept_letter letter);
  [[nodiscard]] std::vector<dead_letter> letters() const;
  // None: there is none of this number.
  [[nodiscard]] std::optional<kept_letter> take(std::uint64_t task);

  void describe(stats& into) const;

private:
  struct guarded {
    policy::breaker breaker;
    std::size_t inside = 0;                        // tasks that hold a ticket
    std::list<std::string>::iterator unused_at{};  // in unused_, while nobody is inside
  };
  struct set_aside_task {
    base::time_point until;
    std::shared_ptr<const death> last;
    std::list<std::string>::iterator order_at;
  };

  void refuse_if_set_aside(const detail::task& t, base::time_point now);
  guarded* guard_of(const std::string& label, base::time_point now);
  [[nodiscard]] bool make_room(base::time_point now);
  void note_change(const policy::breaker& of, breaker_state before, const std::string& label,
                   duration open_for, news& told) const;
  [[noreturn]] void refuse(const policy::breaker& by, const std::string& label, base::time_point now) const;
  [[nodiscard]] std::string name_of(const std::string& label) const;
  [[nodiscard]] const breaker_options* options_for(const detail::task& t) const;

  const safeguard_settings chosen_;
  const std::string pool_;

  mutable std::mutex mutex_;
  // All below: guarded by mutex_.
  std::optional<policy::breaker> breaker_;
  std::unordered_map<std::string, guarded> labels_;
  std::list<std::string> unused_;  // labels with nobody inside, the longest unused first
  std::uint64_t next_period_ = 1;  // so that a breaker never takes the ticket of one that was forgotten
  std::unordered_map<std::string, set_aside_task> set_aside_;
  std::list<std::string> aside_order_;  // the oldest first
  std::list<kept_letter> letters_;      // the oldest first
  std::unordered_map<std::uint64_t, std::list<kept_letter>::iterator> by_number_;
};

}  // namespace muster::engine
