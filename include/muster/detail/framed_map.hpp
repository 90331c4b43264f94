// SPDX-License-Identifier: MIT
//
// A map whose tasks are frames, read element by element; and how each pool makes a frame. Included by
// <muster/pool.hpp>.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <muster/detail/frame.hpp>
#include <muster/pool.hpp>

namespace muster {

namespace detail {

/// How many elements the frame of each task has, while it was not read.
using frame_sizes = std::unordered_map<std::uint64_t, std::size_t>;

template <class R>
class framed_state final : public map_reader<R> {
public:
  framed_state(std::unique_ptr<map_source<frame<R>>> source, std::shared_ptr<frame_sizes> sizes,
               std::size_t window, bool as_done)
      : sizes_(std::move(sizes)), frames_(std::move(source), window, as_done) {}

  bool done() override { return at_ == present_.elements.size() && frames_.done(); }
  R& current() override {
    element_outcome<R>& outcome = element();
    if (outcome.error) std::rethrow_exception(outcome.error);
    return *outcome.value;
  }
  void advance() override {
    element();
    ++at_;
  }
  bool ready() override { return at_ < present_.elements.size() || frames_.ready(); }
  void ring(const std::shared_ptr<chain_bell>& bell) override { frames_.ring(bell); }
  std::vector<future<R>> futures() override {
    throw invalid_call(
        "futures: the elements of a map with task_options::per_task are no tasks of their own");
  }

private:
  element_outcome<R>& element() {
    if (at_ == present_.elements.size()) load();
    return present_.elements[at_];
  }
  // What a frame ended with is what each of its elements ended with. What could not be submitted is one
  // element.
  void load() {
    at_ = 0;
    try {
      present_ = std::move(frames_.current());
      if (present_.elements.size() != elements_sent())
        throw decode_error("a frame of " + std::to_string(elements_sent()) + " elements came back with " +
                           std::to_string(present_.elements.size()));
    } catch (...) {
      present_.elements.clear();
      present_.elements.resize(elements_sent());
      for (auto& each : present_.elements) each.error = std::current_exception();
    }
    sizes_->erase(frames_.last_task());
    frames_.advance();
  }
  [[nodiscard]] std::size_t elements_sent() const {
    const auto known = sizes_->find(frames_.last_task());
    return known == sizes_->end() ? 1 : known->second;
  }

  const std::shared_ptr<frame_sizes> sizes_;
  map_state<frame<R>> frames_;
  frame<R> present_{};
  std::size_t at_ = 0;  // the element of it that is being read
};

}  // namespace detail

template <class F, class Element, class... Extra>
class thread_pool::frame_maker {
public:
  explicit frame_maker(thread_pool& pool) : pool_(pool) {}
  void add(Element element, const Extra&...) { elements_.emplace_back(static_cast<Element&&>(element)); }
  [[nodiscard]] bool is_full() const { return false; }
  auto make(const F& f, const Extra&... extra) {
    return make_task(pool_, detail::frame_function<result, F, stored, Extra...>{f, {extra...}},
                     std::exchange(elements_, {}));
  }

private:
  using stored = std::decay_t<Element>;
  using result = typename detail::closure_traits<F, stored, Extra...>::result;
  thread_pool& pool_;
  std::vector<std::tuple<stored>> elements_{};
};

template <class F, class Element, class... Extra>
class process_pool::frame_maker {
public:
  explicit frame_maker(process_pool& pool) : pool_(pool) {}
  /// Where it throws, nothing was added.
  void add(Element element, const Extra&... extra) {
    const std::size_t before = arguments_.size();
    try {
      encode(arguments_, detail::element_mark::value);
      detail::encode_arguments<F>(arguments_, static_cast<Element&&>(element), extra...);
      detail::refuse_what_goes_beside(arguments_);
    } catch (...) {
      arguments_.cut(before);
      throw;
    }
  }
  /// What is larger would not go through a ring.
  [[nodiscard]] bool is_full() const { return arguments_.size() > detail::largest_in_ring / 2; }
  auto make(const F& f, const Extra&...) {
    using result = detail::frame<typename detail::signature<F, Element, const Extra&...>::result>;
    encode(arguments_, detail::element_mark::end);
    detail::crossing_call crossing;
    pool_.name_code(crossing,
                    reinterpret_cast<const void*>(&detail::frame_thunk<F, Element, const Extra&...>::run),
                    detail::target_of<F>(f));
    take_over(crossing.data, arguments_);
    auto* made = new detail::call_task<result>(std::move(crossing));
    made->mark(detail::task::wants_stop);  // it looks between two elements
    return detail::made_task<result>{detail::task_ref<>::adopt(made), true};
  }

private:
  process_pool& pool_;
  writer arguments_{*pool_.arguments_, detail::largest_in_ring};
};

}  // namespace muster
