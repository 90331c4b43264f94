// SPDX-License-Identifier: MIT
#include <muster/module_calls.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <muster/detail/module_abi.hpp>
#include <muster/error.hpp>
#include <muster/pool.hpp>

namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

const std::string sums = MUSTER_MODULES_DIR "/sums.so";

std::string in_modules(const std::string& name) { return std::string(MUSTER_MODULES_DIR "/") + name; }

/// What `call` throws, or "nothing".
template <class Call>
std::string refusal_of(Call call) {
  try {
    call();
  } catch (const muster::invalid_call& refused) {
    return refused.what();
  }
  return "nothing";
}

/// A directory that is gone with the test.
class directory {
public:
  directory() {
    std::string made = (fs::temp_directory_path() / "muster-XXXXXX").string();
    if (::mkdtemp(made.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = fs::canonical(made);
  }
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;
  ~directory() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  void put(const std::string& name) const { fs::create_symlink(sums, path_ / name); }

private:
  fs::path path_;
};

class working_directory {
public:
  explicit working_directory(const fs::path& there) { fs::current_path(there); }
  working_directory(const working_directory&) = delete;
  working_directory& operator=(const working_directory&) = delete;
  ~working_directory() { fs::current_path(before_); }

private:
  fs::path before_ = fs::current_path();
};

class module_path_variable {
public:
  explicit module_path_variable(const std::string& value) {
    ::setenv("MUSTER_MODULE_PATH", value.c_str(), 1);
  }
  module_path_variable(const module_path_variable&) = delete;
  module_path_variable& operator=(const module_path_variable&) = delete;
  ~module_path_variable() { ::unsetenv("MUSTER_MODULE_PATH"); }
};

struct vector2 {  // as the module's point, under another name: what counts are the fields
  double x = 0;
  double y = 0;
};

}  // namespace

template <>
struct muster::fields<vector2> {
  static constexpr auto list =
      std::make_tuple(muster::field("x", &vector2::x), muster::field("y", &vector2::y));
};

TEST(module_calls, a_function_is_called_by_its_name) {
  muster::thread_pool pool(1);
  EXPECT_EQ(pool.call<std::string>(sums, "shrink", "a.jpg", 200).get(), "a.jpg@200");
  EXPECT_EQ(pool.call<double>(sums, "halve", 5.0).get(), 2.5);
  EXPECT_EQ(pool.call<std::size_t>(sums, "length", std::string_view("four")).get(), 4U);
  EXPECT_EQ(pool.call<int>(sums, "add", 4, 5).get(), 9);
  EXPECT_EQ(pool.call<int>({.priority = muster::priority::high}, sums, "add", 1, 2).get(), 3);
}

TEST(module_calls, a_proxy_converts_arguments_and_may_be_called_from_many_threads) {
  muster::thread_pool pool(2);
  const auto halve = pool.proxy<double(double)>(sums, "halve");
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 4; ++caller) {
      callers.emplace_back([&] {
        for (int i = 0; i < 100; ++i) right += halve(i).get() == i / 2.0 ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(right.load(), 400);
}

TEST(module_calls, a_proxy_gives_its_options_to_every_call) {
  muster::thread_pool pool(1);
  const auto add = pool.proxy<int(int, int)>({.id = "sum", .report = true}, sums, "add");
  for (int i = 0; i < 2; ++i) {
    auto sum = add(i, 2);
    EXPECT_TRUE(sum.report().has_value());
    EXPECT_EQ(sum.get(), i + 2);
  }
}

TEST(module_calls, structs_with_fields_and_containers_and_owners_cross) {
  muster::thread_pool pool(1);
  const vector2 mirrored = pool.proxy<vector2(vector2)>(sums, "mirror")(vector2{1, -2}).get();
  EXPECT_EQ(mirrored.x, -1);
  EXPECT_EQ(mirrored.y, 2);
  using groups = std::map<std::string, std::vector<int>>;
  EXPECT_EQ(pool.call<groups>(sums, "group", std::vector<int>{1, 2, 3}).get(),
            (groups{{"even", {2}}, {"odd", {1, 3}}}));
  EXPECT_EQ(pool.call<int>(sums, "owned", std::make_unique<int>(7)).get(), 7);
}

TEST(module_calls, the_worker_supplies_the_context_and_the_stop_token) {
  muster::thread_pool pool(1);
  EXPECT_EQ(pool.call<int>(sums, "attempt", 10).get(), 11);
  EXPECT_FALSE(pool.call<bool>(sums, "stopped").get());
  std::stop_source source;
  source.request_stop();
  muster::context stopping(1, 3, source.get_token());
  EXPECT_TRUE(muster::detail::call_module_as<bool>(stopping, sums, "stopped", "() -> bool", {}));
}

TEST(module_calls, what_the_function_throws_passes_through) {
  muster::thread_pool pool(1);
  auto failed = pool.call<void>(sums, "fail", "too far");
  try {
    failed.get();
    FAIL() << "nothing was thrown";
  } catch (const std::out_of_range& thrown) {
    EXPECT_STREQ(thrown.what(), "too far");
  }
}

TEST(module_calls, a_module_is_loaded_once_and_kept) {
  muster::thread_pool pool(2);
  const auto calls = pool.proxy<int()>(sums, "calls");
  const int first = calls().get();
  EXPECT_EQ(calls().get(), first + 1);
}

TEST(module_calls, an_unknown_function_is_answered_with_the_list_of_what_there_is) {
  muster::thread_pool pool(1);
  auto failed = pool.call<std::string>(sums, "shrnk", "a.jpg", 200);
  EXPECT_THAT(refusal_of([&] { failed.get(); }),
              AllOf(HasSubstr("module '" + sums + "' (version 1.2) has no function 'shrnk'; it has: "),
                    HasSubstr("shrink(string, i32) -> string, halve(f64) -> f64")));
}

TEST(module_calls, another_signature_is_refused_and_both_are_named) {
  muster::thread_pool pool(1);
  auto by_argument = pool.call<double>(sums, "halve", 5);
  EXPECT_THAT(refusal_of([&] { by_argument.get(); }),
              HasSubstr("has halve(f64) -> f64, which was called as halve(i32) -> f64"));
  auto by_result = pool.call<float>(sums, "halve", 5.0);
  EXPECT_THAT(refusal_of([&] { by_result.get(); }),
              HasSubstr("has halve(f64) -> f64, which was called as halve(f64) -> f32"));
}

TEST(module_calls, a_module_that_is_no_module_is_refused_with_a_sentence) {
  const auto why = [](const std::string& name) {
    return refusal_of([&] { muster::detail::list_exports(in_modules(name)); });
  };
  EXPECT_THAT(why("no_description.so"),
              HasSubstr("no_description.so' exports no functions: it has no MUSTER_MODULE"));
  EXPECT_THAT(why("wrong_abi.so"), HasSubstr("its layout has number 4711, this program's has 2"));
  EXPECT_THAT(why("wrong_identity.so"),
              AllOf(HasSubstr("a library of its own"), HasSubstr("a compiler of its own"),
                    HasSubstr(muster::detail::module_identity_text())));
  EXPECT_THAT(why("same_name_twice.so"), HasSubstr("(version 3) exports two functions named 'twice'"));
  EXPECT_THAT(why("throws_in_body.so"), HasSubstr("could not list its functions: the licence has expired"));
  EXPECT_THAT(why("not_there.so"), AllOf(HasSubstr("cannot be loaded: "), HasSubstr("No such file")));
}

TEST(module_calls, a_module_that_appears_later_is_found_then) {
  const directory there;
  muster::thread_pool pool(1);
  const auto add = pool.proxy<int(int, int)>((there.path() / "late.so").string(), "add");
  auto early = add(1, 2);
  EXPECT_THAT(refusal_of([&] { early.get(); }), AllOf(HasSubstr("late.so' cannot be loaded: "),
                                                      EndsWith("; it was wanted for its function 'add'")));
  there.put("late.so");
  EXPECT_EQ(add(1, 2).get(), 3);
}

TEST(module_calls, a_proxy_keeps_its_module_when_the_working_directory_changes) {
  const directory there;
  there.put("here.so");
  muster::thread_pool pool(1);
  const auto add = [&] {
    const working_directory inside(there.path());
    return pool.proxy<int(int, int)>("./here.so", "add");
  }();
  EXPECT_EQ(add.path(), (there.path() / "here.so").string());
  EXPECT_EQ(add(2, 2).get(), 4);
}

TEST(module_calls, the_call_itself_takes_only_absolute_paths) {
  muster::context about(1, 1, {});
  const working_directory inside(MUSTER_MODULES_DIR);
  EXPECT_THAT(refusal_of([&] { muster::detail::call_module(about, "./sums.so", "calls", "() -> i32", {}); }),
              HasSubstr("not named by an absolute path"));
}

TEST(module_calls, the_exports_are_listed_with_their_signatures) {
  std::map<std::string, std::string> listed;
  for (const auto& each : muster::detail::list_exports(sums)) listed[each.name] = each.signature;
  EXPECT_EQ(listed.at("shrink"), "(string, i32) -> string");
  EXPECT_EQ(listed.at("mirror"), "({x: f64, y: f64}) -> {x: f64, y: f64}");
  EXPECT_EQ(listed.at("attempt"), "(i32) -> i32") << "what the worker supplies does not appear";
  EXPECT_EQ(listed.at("stopped"), "() -> bool");
  EXPECT_EQ(listed.at("fail"), "(string) -> null");
  EXPECT_EQ(listed.at("sum_raw"), "(opaque<raw>) -> i32");
  EXPECT_EQ(listed.at("group"), "([i32]) -> {string: [i32]}");
  EXPECT_EQ(listed.size(), 13U);
}

TEST(find_module, a_path_with_a_slash_is_relative_to_the_base) {
  EXPECT_EQ(muster::find_module("/a/b.so", "/base"), "/a/b.so");
  EXPECT_EQ(muster::find_module("./b.so", "/base"), "/base/b.so");
  EXPECT_EQ(muster::find_module(".//b.so", "/base"), "/base/b.so");
  EXPECT_EQ(muster::find_module("lib/b.so", "/base"), "/base/lib/b.so");
  EXPECT_EQ(muster::find_module("../b.so", "/base"), "/base/../b.so")
      << "links in /base are not for us to follow";
  EXPECT_EQ(muster::find_module("./b.so", "dir"), (fs::current_path() / "dir/b.so").string());
  EXPECT_EQ(muster::find_module("./b.so"), (fs::current_path() / "b.so").string());
}

TEST(find_module, a_bare_name_is_looked_for_in_the_stated_list) {
  const directory first;
  const directory second;
  const directory base;
  second.put("bare.so");
  base.put("bare.so");
  {
    const module_path_variable variable(first.path().string() + "::" + second.path().string());
    EXPECT_EQ(muster::find_module("bare.so", base.path()), (second.path() / "bare.so").string());
  }
  EXPECT_EQ(muster::find_module("bare.so", base.path()), (base.path() / "bare.so").string());
  const module_path_variable variable(first.path().string());
  EXPECT_THAT(
      refusal_of([&] { muster::find_module("none.so", base.path()); }),
      HasSubstr("there is no module 'none.so' in " + first.path().string() + ", " + base.path().string()));
  EXPECT_THROW(muster::find_module("", base.path()), muster::invalid_call);
}

TEST(module_calls, a_module_needs_nothing_of_a_program_that_keeps_its_symbols_to_itself) {
  const std::string command = MUSTER_CHILDREN_DIR "/plain_host '" + sums + "'";
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> output(::popen(command.c_str(), "r"), &::pclose);
  ASSERT_NE(output, nullptr);
  char line[512] = {};
  ASSERT_NE(std::fgets(line, sizeof line, output.get()), nullptr);
  EXPECT_STREQ(line, "ok\n");
}
