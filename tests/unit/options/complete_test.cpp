// SPDX-License-Identifier: MIT
// No option is forgotten: a member that is added to a struct of options and not to its table fails here, and
// the struct is named.
#include <cstddef>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

#include "module/demangle.hpp"
#include "options/tables.hpp"

namespace muster::test {

// Becomes whatever a member is. Not empty, or it would pass for a captureless lambda.
struct anything {
  int not_empty = 0;
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor)
};

namespace {

using namespace options;

template <class T, std::size_t... I>
constexpr bool takes(std::index_sequence<I...> /*members*/) {
  return requires { T{(static_cast<void>(I), anything{})...}; };
}

// How many members an aggregate has: it can be made of so many parts, and of no more.
template <class T, std::size_t N = 0>
constexpr std::size_t members_of() {
  if constexpr (takes<T>(std::make_index_sequence<N + 1>())) return members_of<T, N + 1>();
  return N;
}

struct of_five {
  int a = 1;
  std::optional<int> b{};
  std::function<void()> c{};
  backoff_options d{};
  std::vector<std::string> e{};
};
static_assert(members_of<of_five>() == 5);
static_assert(members_of<backoff_options>() == 3);

template <class Group>
void examine(std::set<std::string>& seen) {
  const std::string name = module::demangle(typeid(Group).name());
  if (!seen.insert(name).second) return;
  EXPECT_EQ(options::lines_of<Group>, members_of<Group>())
      << name << " has a member that src/options does not describe: add a line to its table";
  // Each member once, in the order of declaration: their addresses rise.
  static const Group values{};
  const void* before = nullptr;
  std::set<std::string_view> names;
  each_line<Group>([&](auto line) {
    using member = std::remove_cvref_t<decltype(values.*line.member)>;
    const void* const here = &(values.*line.member);
    EXPECT_TRUE(before == nullptr || std::less<>()(before, here))
        << name << "::" << line.name << " is not in its place in the table, or there twice";
    before = here;
    EXPECT_TRUE(names.insert(line.name).second) << name << "::" << line.name << " is there twice";
    if constexpr (is_group<member>) {
      examine<member>(seen);
    } else {
      EXPECT_FALSE(line.sentence.empty()) << name << "::" << line.name;
      if constexpr (is_optional<member>) {
        EXPECT_FALSE(line.none.empty()) << "what std::nullopt means: " << name << "::" << line.name;
        if constexpr (is_group<typename member::value_type>) examine<typename member::value_type>(seen);
      } else if constexpr (list_of_groups<member>::value) {
        examine<typename list_of_groups<member>::group>(seen);
      }
    }
  });
}

TEST(described_options, are_all_members_of_all_structs_each_once_and_in_order) {
  std::set<std::string> seen;
  examine<thread_options>(seen);
  examine<process_options>(seen);
  examine<task_options>(seen);
  examine<recycle_options>(seen);
  EXPECT_EQ(seen.size(), 29U);
}

}  // namespace
}  // namespace muster::test
