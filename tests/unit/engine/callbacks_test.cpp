// SPDX-License-Identifier: MIT
// Where continuations and event handlers run.
#include "engine/callbacks.hpp"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <vector>

namespace muster::engine {
namespace {

std::shared_ptr<callbacks> own_thread(const void* owner = nullptr) {
  return std::make_shared<callbacks>(executor{}, owner, "test");
}

TEST(callbacks, run_in_the_order_they_were_posted) {
  const auto c = own_thread();
  std::vector<int> order;
  for (int i = 0; i < 1'000; ++i) c->post([&order, i] { order.push_back(i); });
  c->stop();
  ASSERT_EQ(order.size(), 1'000u);
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(callbacks, run_on_one_thread_that_is_not_the_callers) {
  const int owner = 0;
  const auto c = own_thread(&owner);
  std::thread::id first, second;
  bool inside = false;
  c->post([&] { first = std::this_thread::get_id(); });
  c->post([&] {
    second = std::this_thread::get_id();
    inside = c->inside() && callbacks::inside_of(&owner) && !callbacks::inside_of(&inside);
  });
  c->stop();
  EXPECT_EQ(first, second);
  EXPECT_NE(first, std::this_thread::get_id());
  EXPECT_TRUE(inside);
  EXPECT_FALSE(c->inside());
}

TEST(callbacks, an_exception_is_reported_and_goes_no_further) {
  const auto c = own_thread();
  bool next = false;
  testing::internal::CaptureStderr();
  c->post([] { throw std::runtime_error("of the handler"); });
  c->post([] { throw 7; });
  c->post([&] { next = true; });
  c->stop();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(next);
  EXPECT_NE(said.find("of the handler"), std::string::npos);
  EXPECT_NE(said.find("no std::exception"), std::string::npos);
}

TEST(callbacks, one_that_waits_for_another_runs_it_meanwhile) {
  const auto c = own_thread();
  std::vector<int> order;
  c->post([&] {
    bool done = false;
    c->post([&] { order.push_back(1); });
    c->post([&] {
      order.push_back(2);
      done = true;
    });
    c->post([&] { order.push_back(4); });
    c->run_until([&] { return done; }, std::nullopt);
    order.push_back(3);
  });
  c->stop();
  EXPECT_EQ(order, (std::vector{1, 2, 3, 4}));
}

TEST(callbacks, go_to_the_executor_where_one_was_given_and_are_guarded_there_too) {
  std::vector<std::function<void()>> given;
  const auto c = std::make_shared<callbacks>([&](std::function<void()> f) { given.push_back(std::move(f)); },
                                             nullptr, "test");
  bool ran = false;
  c->post([&] { ran = true; });
  c->post([] { throw std::runtime_error("in the executor"); });
  EXPECT_FALSE(ran);
  ASSERT_EQ(given.size(), 2u);
  testing::internal::CaptureStderr();
  for (const auto& f : given) EXPECT_NO_THROW(f());
  EXPECT_NE(testing::internal::GetCapturedStderr().find("in the executor"), std::string::npos);
  EXPECT_TRUE(ran);
  c->stop();
}

TEST(callbacks, one_may_destroy_the_owner) {
  auto c = own_thread();
  std::promise<void> over;
  std::weak_ptr<callbacks> gone = c;
  bool after = false;
  // Holds the only reference but for the thread's own.
  c->post([&over, &after, last = std::make_shared<std::shared_ptr<callbacks>>(c)] {
    (*last)->post([&] {
      after = true;
      over.set_value();
    });
    (*last)->stop();
    last->reset();
  });
  c.reset();
  over.get_future().wait();
  EXPECT_TRUE(after) << "what was posted before is still run";
  while (!gone.expired()) std::this_thread::yield();
}

TEST(callbacks, no_thread_is_made_for_nothing) {
  const auto c = own_thread();
  c->stop();
  EXPECT_FALSE(c->inside());
}

}  // namespace
}  // namespace muster::engine
