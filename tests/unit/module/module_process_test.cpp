// SPDX-License-Identifier: MIT
//
// Modules in worker processes. Each test uses a copy of the module, which nothing else has loaded.
#include <muster/pool.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dlfcn.h>
#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <muster/codec.hpp>
#include <muster/error.hpp>
#include <muster/module_calls.hpp>

namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class module_in_process : public ::testing::Test {
protected:
  module_in_process() {
    std::string made = (fs::temp_directory_path() / "muster-XXXXXX").string();
    if (::mkdtemp(made.data()) == nullptr) throw std::runtime_error("no temporary directory");
    directory = made;
    module = made + "/sums.so";
    fs::copy_file(MUSTER_MODULES_DIR "/sums.so", module);
  }
  ~module_in_process() override { fs::remove_all(directory); }

  bool loaded_here() const { return ::dlopen(module.c_str(), RTLD_LAZY | RTLD_NOLOAD) != nullptr; }

  std::string directory;
  std::string module;
};

}  // namespace

TEST_F(module_in_process, calls_and_exceptions_cross_and_the_owner_loads_nothing) {
  muster::process_pool pool(1);
  EXPECT_EQ(pool.call<std::string>(module, "shrink", "a.jpg", 200).get(), "a.jpg@200");
  const auto halve = pool.proxy<double(double)>(module, "halve");
  EXPECT_EQ(halve(5).get(), 2.5);
  EXPECT_EQ(pool.call<int>(module, "attempt", 10).get(), 11);
  auto failed = pool.call<void>(module, "fail", "too far");
  EXPECT_THROW(failed.get(), std::out_of_range);
  auto unknown = pool.call<int>(module, "shrnk");
  try {
    unknown.get();
    FAIL() << "nothing was thrown";
  } catch (const std::exception& thrown) {
    EXPECT_THAT(thrown.what(), HasSubstr("has no function 'shrnk'; it has: shrink(string, i32) -> string"));
  }
  EXPECT_FALSE(loaded_here());
}

TEST_F(module_in_process, the_refusal_of_a_call_keeps_its_type) {
  muster::process_pool pool(1);
  auto other = pool.call<float>(module, "halve", 5.0);
  EXPECT_THROW(other.get(), muster::invalid_call);
}

TEST_F(module_in_process, exports_are_listed_and_called_by_their_text) {
  muster::process_pool pool(1);
  const auto listed = pool.submit(muster::detail::list_exports, module).get();
  ASSERT_FALSE(listed.empty());
  EXPECT_EQ(listed[0].name + listed[0].signature, "shrink(string, i32) -> string");
  muster::writer arguments;
  muster::encode(arguments, std::string("b"));
  muster::encode(arguments, 1);
  const std::vector<std::byte> result =
      pool.submit(muster::detail::call_module, module, "shrink", listed[0].signature,
                  std::vector<std::byte>(arguments.bytes().begin(), arguments.bytes().end()))
          .get();
  muster::reader in(result);
  EXPECT_EQ(muster::decode<std::string>(in), "b@1");
  EXPECT_FALSE(loaded_here());
}

TEST_F(module_in_process, a_module_that_crashes_costs_its_call) {
  muster::process_pool pool(1);
  auto crashed = pool.call<void>(module, "crash");
  EXPECT_THROW(crashed.get(), muster::unexpected_exit);
  EXPECT_EQ(pool.call<int>(module, "add", 1, 2).get(), 3);
}
