// SPDX-License-Identifier: MIT
//
// How a pool submits the elements of a map; included by <muster/pool.hpp>. Runs on the reader's thread.
#pragma once

#include <cstddef>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <muster/detail/framed_map.hpp>
#include <muster/pool.hpp>

namespace muster {

/// The input of one map, the function to call with each element, and where to submit it.
template <class Pool>
template <class R, class F, class Range, class... Extra>
class detail::pool_calls<Pool>::map_feed final : public map_source<R> {
public:
  map_feed(Pool& pool, const task_options* options, std::shared_ptr<frame_sizes> sizes, F f, Range&& inputs,
           Extra... extra)
      : pool_(pool),
        life_(pool.life_),
        sizes_(std::move(sizes)),
        function_(std::move(f)),
        extra_(std::move(extra)...),
        range_(std::forward<Range>(inputs)),
        at_(std::begin(range_)) {
    if (options == nullptr) return;
    options_ = *options;
    id_ = options->id;
  }

  bool ready() override { return !made_.empty() || is_next_ready(); }
  bool ring(const std::shared_ptr<chain_bell>& bell) override {
    if constexpr (reads_a_map)
      if (auto* other = map_access::state_of(range_)) other->ring(bell);
    return reads_a_map;
  }

  std::optional<future<R>> next(std::exception_ptr& refused) override {
    if (made_.empty() && ended_) std::rethrow_exception(std::exchange(ended_, nullptr));
    if (made_.empty() && at_ == std::end(range_)) return std::nullopt;
    const visit inside(*life_);
    if (made_.empty()) make();
    auto result = future_access::make<R>(made_.front().task);
    try {
      pool_.accept(made_.front().task, options_ ? &*options_ : nullptr, again_);
    } catch (const error& e) {
      const auto code = e.code();
      if (code != error_code::queue_full && code != error_code::enqueue_timeout &&
          code != error_code::would_deadlock && code != error_code::memory_pressure)
        throw;
      refused = std::current_exception();
      return std::nullopt;
    }
    if (is_framed) sizes_->emplace(result.task(), made_.front().elements);
    made_.pop_front();
    return result;
  }

  void next_together(std::size_t most, std::vector<future<R>>& into) override {
    if (reads_a_map || options_) return;
    const visit inside(*life_);
    try {
      while (made_.size() < most && !ended_ && at_ != std::end(range_)) make();
    } catch (...) {
      ended_ = std::current_exception();  // what is made comes first
    }
    std::vector<task_ref<>> tasks;
    for (const made_element& each : made_) tasks.push_back(each.task);
    std::size_t accepted = 0;
    try {
      pool_.accept_together(tasks, accepted, nullptr, again_);
    } catch (...) {  // `next` will meet it again
    }
    for (; accepted > 0; --accepted) {
      into.push_back(future_access::make<R>(std::move(made_.front().task)));
      made_.pop_front();
    }
  }

private:
  using element = typename input_of<Range>::element;
  static constexpr bool reads_a_map = is_map<std::remove_cvref_t<Range>>;
  static constexpr bool is_framed = is_frame<R>;
  struct made_element {
    task_ref<> task;
    std::size_t elements;  // more than one in a frame
  };
  bool is_next_ready() {
    if constexpr (reads_a_map) {
      auto* other = map_access::state_of(range_);
      return other == nullptr || other->ready();
    }
    return true;
  }
  struct visit {
    explicit visit(pool_life& pool) : life(pool) {
      if (!life.enter()) throw pool_stopped("the pool that this map submits to is gone");
    }
    visit(const visit&) = delete;
    ~visit() { life.leave(); }
    pool_life& life;
  };
  // Kept until it is accepted, so that each element is taken from the input once.
  void make() {
    std::size_t elements = 0;
    auto made = std::apply(
        [&](const Extra&... extra) {
          if constexpr (is_framed) {
            return make_frame(elements, extra...);
          } else {
            auto one = Pool::make_task(pool_, std::as_const(function_), static_cast<element>(*at_), extra...);
            ++at_;
            elements = 1;
            return one;
          }
        },
        extra_);
    again_ = made.again;
    made_.push_back({std::move(made.task), elements});
    if (!id_.empty()) options_->id = id_ + "[" + std::to_string(index_) + "]";
    index_ += elements;
  }
  // Of a map of a map: of those that are there. Where one cannot be had or sent, those before it go first.
  auto make_frame(std::size_t& elements, const Extra&... extra) {
    typename Pool::template frame_maker<F, element, Extra...> frame(pool_);
    try {
      while (elements < options_->per_task && !frame.is_full() && (elements == 0 || is_next_ready()) &&
             at_ != std::end(range_)) {
        frame.add(static_cast<element>(*at_), extra...);
        ++elements;
        ++at_;
      }
    } catch (...) {
      if (elements == 0) throw;
      ended_ = std::current_exception();
    }
    return frame.make(function_, extra...);
  }

  Pool& pool_;
  const std::shared_ptr<pool_life> life_;
  const std::shared_ptr<frame_sizes> sizes_;  // none: each element is a task
  F function_;
  std::tuple<Extra...> extra_;
  Range range_;  // a reference where an lvalue was given
  decltype(std::begin(std::declval<Range&>())) at_;
  std::deque<made_element> made_{};  // of the elements before at_ that were not accepted yet
  bool again_ = true;                // they can run more than once
  std::exception_ptr ended_{};       // why no more can be made
  std::optional<task_options> options_{};
  std::string id_{};  // as it was given
  std::size_t index_ = 0;
};

template <class Pool>
template <class Options, class F, class Range, class... Extra>
auto detail::pool_calls<Pool>::map_with(bool as_done, Options options, F f, Range&& inputs, Extra... extra) {
  using element = typename detail::input_of<Range>::element;
  using call = typename Pool::template call_of<F, element, const Extra&...>;
  if constexpr (!call::allowed) {
    return map_range<void>();
  } else if constexpr (std::is_void_v<typename call::result>) {
    static_assert(!std::is_void_v<typename call::result>,
                  "muster: map needs a function with a result; use post, then wait_idle.");
    return map_range<void>();
  } else {
    using result = typename call::result;
    auto& pool = static_cast<Pool&>(*this);
    if constexpr (!std::is_null_pointer_v<Options>) {
      if (options->per_task != 1) {
        const std::size_t window = window_of(*options);
        const auto sizes = std::make_shared<frame_sizes>();
        return map_range<result>(std::make_unique<framed_state<result>>(
            std::make_unique<map_feed<frame<result>, F, Range, Extra...>>(
                pool, options, sizes, std::move(f), std::forward<Range>(inputs), std::move(extra)...),
            sizes, window, as_done));
      }
    }
    return map_range<result>(std::make_unique<map_state<result>>(
        std::make_unique<map_feed<result, F, Range, Extra...>>(
            pool, options, nullptr, std::move(f), std::forward<Range>(inputs), std::move(extra)...),
        window_, as_done));
  }
}

}  // namespace muster
