// SPDX-License-Identifier: MIT
// What a pool remembers of failures, without a pool.
#include <gtest/gtest.h>

#include "engine/safeguards.hpp"

namespace muster::engine {
namespace {

using policy::call_end;

struct probe_task : detail::value_task<int> {
  probe_task() : value_task(operations) {}
  static const detail::task_ops operations;
};
const detail::task_ops probe_task::operations{
    .destroy = [](detail::task* t) noexcept { delete static_cast<probe_task*>(t); }};

struct guards : testing::Test {
  static detail::task_ref<> labelled(const std::string& label, const std::string& id = {}) {
    auto t = detail::task_ref<>::adopt(new probe_task);
    t->own_names().label = label;
    t->own_names().id = id;
    return t;
  }
  // Whether it was let in.
  bool pass(safeguards& s, const std::string& label, call_end how) {
    const auto t = labelled(label);
    try {
      s.enter(*t, now, told);
    } catch (const circuit_open& e) {
      refusal = e.what();
      return false;
    }
    s.leave(*t, how, now, told);
    return true;
  }
  std::size_t breakers_of(const safeguards& s) {
    stats into;
    s.describe(into);
    return into.breakers.size();
  }
  base::time_point now{1h};
  safeguards::news told;
  std::string refusal;
};

TEST_F(guards, open_the_breaker_of_one_label_and_leave_the_others_alone) {
  safeguards s({.breaker_per_label = breaker_options{.failures = 2, .open_for = 10s}}, "pool");
  EXPECT_TRUE(pass(s, "bad", call_end::bad));
  EXPECT_TRUE(pass(s, "bad", call_end::bad));
  EXPECT_FALSE(pass(s, "bad", call_end::bad));
  EXPECT_EQ(refusal,
            "Circuit breaker for 'bad' in the pool 'pool' is open: 2 calls in a row failed; it is half open, "
            "and admits a call on trial, in 10 s");
  EXPECT_TRUE(pass(s, "good", call_end::good));
  EXPECT_TRUE(pass(s, "", call_end::bad));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, event_kind::circuit_opened);
  now += 10s;
  EXPECT_TRUE(pass(s, "bad", call_end::good));
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[1].kind, event_kind::circuit_half_opened);
  EXPECT_EQ(told[2].kind, event_kind::circuit_closed);
}

TEST_F(guards, give_back_the_pools_probe_when_the_label_refuses) {
  safeguards s({.breaker = breaker_options{.failures = 3, .open_for = 1s},
                .breaker_per_label = breaker_options{.failures = 1, .open_for = 1min}},
               "pool");
  EXPECT_TRUE(pass(s, "bad", call_end::bad));
  EXPECT_TRUE(pass(s, "a", call_end::bad));
  EXPECT_TRUE(pass(s, "b", call_end::bad));
  EXPECT_FALSE(pass(s, "good", call_end::good)) << "the pool's is open";
  now += 1s;
  EXPECT_FALSE(pass(s, "bad", call_end::good)) << "its own is still open";
  EXPECT_TRUE(pass(s, "good", call_end::good)) << "so the one place on trial is free";
}

TEST_F(guards, forget_breakers_of_labels_that_nobody_uses_and_keep_those_that_are_open) {
  safeguards s({.breaker_per_label = breaker_options{.failures = 1, .open_for = 1h}}, "pool");
  EXPECT_TRUE(pass(s, "open", call_end::bad));
  for (std::size_t i = 0; i < 3 * safeguards::most_labels; ++i)
    EXPECT_TRUE(pass(s, "label " + std::to_string(i), call_end::good));
  EXPECT_EQ(breakers_of(s), safeguards::most_labels);
  EXPECT_FALSE(pass(s, "open", call_end::good));
}

TEST_F(guards, let_labels_pass_while_all_breakers_are_in_use) {
  safeguards s({.breaker_per_label = breaker_options{.failures = 1}}, "pool");
  std::vector<detail::task_ref<>> inside;
  for (std::size_t i = 0; i < safeguards::most_labels; ++i) {
    inside.push_back(labelled("label " + std::to_string(i)));
    s.enter(*inside.back(), now, told);
  }
  EXPECT_TRUE(pass(s, "one more", call_end::bad));
  EXPECT_TRUE(pass(s, "one more", call_end::bad));
  for (const auto& t : inside) s.leave(*t, call_end::good, now, told);
  EXPECT_TRUE(pass(s, "one more", call_end::bad));
  EXPECT_FALSE(pass(s, "one more", call_end::bad)) << "now there was room for its breaker";
}

TEST_F(guards, refuse_the_id_of_a_task_that_was_set_aside_for_a_while) {
  safeguards s({.quarantine = quarantine_options{.stay = 1h}}, "pool");
  s.set_aside("poison", std::make_shared<const death>(death{.worker = 3, .pid = 7, .signal = 11}), now);
  const auto t = labelled("", "poison");
  try {
    s.enter(*t, now, told);
    FAIL();
  } catch (const quarantined& e) {
    EXPECT_EQ(e.death().worker, 3u);
    EXPECT_EQ(e.code(), error_code::quarantined);
  }
  s.enter(*labelled("", "another"), now, told);
  const auto own = labelled("", "poison");
  own->extras->retry = std::make_unique<retry_options>(retry_options{.attempts = 5});
  EXPECT_NO_THROW(s.enter(*own, now, told)) << "attempts of its own outrank quarantine";
  now += 1h;
  EXPECT_NO_THROW(s.enter(*t, now, told));
}

TEST_F(guards, keep_the_latest_letters_only) {
  safeguards s({.dead_letters = 2}, "pool");
  for (std::uint64_t n = 1; n <= 5; ++n) s.keep({.about = {.task = n}});
  ASSERT_EQ(s.letters().size(), 2u);
  EXPECT_EQ(s.letters()[0].task, 4u);
  EXPECT_FALSE(s.take(3));
  EXPECT_TRUE(s.take(4));
  EXPECT_FALSE(s.take(4));
  EXPECT_EQ(s.letters().size(), 1u);
}

}  // namespace
}  // namespace muster::engine
