// SPDX-License-Identifier: MIT
//
// A call, packed and unpacked in one process: what a worker does with it.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <numeric>
#include <vector>

#include <muster/call.hpp>
#include <muster/context.hpp>

namespace {

using namespace std::string_literals;

std::span<const std::byte> carried;  // the bytes of the call that runs

template <class F, class... Args>
auto call(F&& function, Args&&... arguments) {
  muster::detail::check_call<F, Args...>();
  muster::writer packed;
  muster::detail::encode_arguments<F>(packed, std::forward<Args>(arguments)...);
  carried = packed.bytes();
  muster::reader in(carried);
  muster::writer out;
  std::stop_source source;
  source.request_stop();
  muster::context context(7, 3, source.get_token());
  muster::detail::call_site site{muster::detail::target_of(function), in, out, source.get_token(), &context};
  const muster::detail::thunk_function run = muster::detail::thunk<F, Args...>::run;
  run(site);
  EXPECT_EQ(site.stage, muster::detail::call_stage::writing_result);
  using result = muster::call_result_t<F, Args...>;
  if constexpr (!std::is_void_v<result>) {
    muster::reader back(out.bytes());
    result value = muster::decode<result>(back);
    back.finish();
    return value;
  }
}

double half(int number) { return number / 2.0; }
int add(int left, const int& right) noexcept { return left + right; }
std::size_t count(std::string_view text, const std::vector<std::string>& words) {
  return text.size() + words.size();
}
std::string greet(const std::string& name) { return "hello " + name; }
int twice_over(std::string&& text) { return static_cast<int>(text.size()) * 2; }
int side_effect = 0;
void note(int number) { side_effect = number; }
bool is_stopping(std::stop_token stop) { return stop.stop_requested(); }
int attempt_of(muster::context& context, int more) { return context.attempt() + more; }
const std::string constant() { return "four"; }

template <class T>
T identity(T value) {
  return value;
}

struct adder {
  int operator()(int left, int right) const { return left + right; }
};

struct overloaded {
  int operator()(int) const { return 1; }
  int operator()(const std::string&) const { return 2; }
};

TEST(call, functions_by_name_and_by_pointer) {
  EXPECT_EQ(call(half, 5), 2.5);
  EXPECT_EQ(call(&half, 5), 2.5);
  EXPECT_EQ(call(add, 1, 2), 3);
  EXPECT_EQ(call(identity<std::string>, "cat"), "cat");
  EXPECT_EQ(call(constant), "four");
}

TEST(call, arguments_are_converted_to_the_parameters_first) {
  EXPECT_EQ(call(half, 'a'), 48.5);
  EXPECT_EQ(call(greet, "cat"), "hello cat");
  EXPECT_EQ(call(count, "cat", std::vector<std::string>{"a", "b"}), 5u);
  EXPECT_EQ(call(count, "cat"s, std::vector<std::string>{}), 3u);
  EXPECT_EQ(call(count, std::string_view("cat"), std::vector<std::string>{}), 3u);
  EXPECT_EQ(call(twice_over, "cat"), 6);
  static_assert(
      std::same_as<
          muster::detail::signature<decltype(count), const char(&)[4], std::vector<std::string>>::stored,
          std::tuple<muster::detail::in_place<std::string, std::string_view>, std::vector<std::string>>>);
}

bool arrived(const void* at) { return at >= carried.data() && at < carried.data() + carried.size(); }
std::pair<std::size_t, bool> read_text(std::string_view text) { return {text.size(), arrived(text.data())}; }
std::pair<int, bool> sum_up(int first, std::span<const unsigned char> bytes) {
  return {std::accumulate(bytes.begin(), bytes.end(), first), arrived(bytes.data())};
}

TEST(call, rows_of_bytes_and_characters_are_read_where_they_arrived) {
  EXPECT_EQ(call(read_text, "in place"), std::pair(std::size_t{8}, true));
  EXPECT_EQ(call(read_text, "in place"s), std::pair(std::size_t{8}, true));
  EXPECT_EQ(call(read_text, "").first, 0u);
  EXPECT_EQ(call(sum_up, 1, std::vector<unsigned char>{2, 3, 4}), std::pair(10, true));
  EXPECT_EQ(call(sum_up, 5, std::array<unsigned char, 2>{250, 251}), std::pair(506, true));
}

TEST(call, lambdas_and_empty_function_objects) {
  EXPECT_EQ(call([](int x) { return x * x; }, 7), 49);
  EXPECT_EQ(call([](int x) mutable noexcept { return x; }, 7), 7);
  EXPECT_EQ(call([=](int x) { return x; }, 7), 7);
  EXPECT_EQ(call([&](int x) { return x; }, 7), 7);
  EXPECT_EQ(call(adder(), 1, 2), 3);
  EXPECT_EQ(call(overloaded(), "cat"), 2);
}

TEST(call, generic_lambdas_get_the_decayed_arguments) {
  EXPECT_EQ(call([](auto left, const auto& right) { return left + right; }, "cat", "dog"), "catdog");
  EXPECT_EQ(call([](auto&&... all) { return (all + ...); }, 1, 2, 3), 6);
  const std::vector<int> numbers{1, 2};
  EXPECT_EQ(call([](auto x) { return x; }, numbers), numbers);
}

TEST(call, void_results_and_no_arguments) {
  call(note, 5);
  EXPECT_EQ(side_effect, 5);
  call([] { side_effect = 6; });
  EXPECT_EQ(side_effect, 6);
}

TEST(call, move_only_arguments_and_results) {
  EXPECT_EQ(*call([](std::unique_ptr<int> x) { return x; }, std::make_unique<int>(4)), 4);
  EXPECT_EQ(call([](std::unique_ptr<int>&& x) { return *x; }, std::make_unique<int>(4)), 4);
  EXPECT_EQ(*call([](auto x) { return x; }, std::make_unique<int>(4)), 4);
}

TEST(call, the_worker_supplies_stop_token_and_context) {
  EXPECT_TRUE(call(is_stopping));
  EXPECT_EQ(call([](std::stop_token stop, int x) { return stop.stop_requested() ? x : 0; }, 4), 4);
  EXPECT_EQ(call([](const std::stop_token& stop, auto x) { return stop.stop_requested() ? x : 0; }, 4), 4);
  EXPECT_EQ(call(attempt_of, 4), 7);
  EXPECT_EQ(call([](muster::context& context, auto x) { return context.attempt() + x; }, 4), 7);
}

TEST(call, small_calls_fit_the_writer_without_memory) {
  muster::writer out;
  muster::detail::encode_arguments<decltype(&half)>(out, 1);
  EXPECT_EQ(out.size(), sizeof(int));
}

TEST(call, too_few_or_too_many_bytes_end_before_the_function_runs) {
  const auto run = muster::detail::thunk<decltype(&note), int>::run;
  for (const std::size_t size : {0u, 3u, 5u}) {
    const std::vector<std::byte> bytes(size);
    muster::reader in(bytes);
    muster::writer out;
    side_effect = 1;
    muster::detail::call_site site{reinterpret_cast<const void*>(&note), in, out, {}, nullptr};
    EXPECT_THROW(run(site), muster::decode_error);
    EXPECT_EQ(site.stage, muster::detail::call_stage::reading_arguments);
    EXPECT_EQ(side_effect, 1);
  }
}

TEST(call, what_the_function_throws_comes_out_of_the_running_stage) {
  const auto throws = [](int x) -> int { throw x; };
  muster::writer packed;
  muster::detail::encode_arguments<decltype(throws)>(packed, 5);
  muster::reader in(packed.bytes());
  muster::writer out;
  muster::detail::call_site site{nullptr, in, out, {}, nullptr};
  EXPECT_THROW((muster::detail::thunk<decltype(throws), int>::run(site)), int);
  EXPECT_EQ(site.stage, muster::detail::call_stage::running);
}

}  // namespace
