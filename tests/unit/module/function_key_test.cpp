// SPDX-License-Identifier: MIT
#include "module/function_key.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace {

namespace module = muster::module;
namespace fs = std::filesystem;

const fs::path library = fs::path(MUSTER_MODULES_DIR) / "keyed.so";

int sample(int number) { return number + 1; }

template <int N>
int numbered() {
  return N;
}

int not_a_function = 3;

const void* address_of(int (*function)(int)) { return reinterpret_cast<const void*>(function); }

class scratch_directory {
public:
  scratch_directory() {
    std::string pattern = (fs::temp_directory_path() / "muster-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~scratch_directory() { fs::remove_all(path_); }
  fs::path copy_of_library(const char* name) const {
    fs::copy_file(library, path_ / name);
    return path_ / name;
  }

private:
  fs::path path_;
};

struct loaded_library {
  explicit loaded_library(const fs::path& path) : handle(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {}
  ~loaded_library() { close(); }
  void close() {
    if (handle != nullptr) ::dlclose(handle);
    handle = nullptr;
  }
  const void* twice() const { return ::dlsym(handle, "keyed_twice"); }
  void* handle;
};

struct both_sides {
  std::vector<module::module_identity> rows{module::max_modules};
  module::module_table table{rows};
  module::resolver resolver{rows};
};

TEST(function_key, names_a_function_in_another_process_of_the_program) {
  const std::string child = MUSTER_CHILDREN_DIR "/function_keys";
  EXPECT_EQ(std::system((child + " > /dev/null").c_str()), 0);
}

TEST(function_key, names_a_function_of_a_library_that_the_worker_has_not_loaded) {
  const std::string child = MUSTER_CHILDREN_DIR "/function_keys";
  EXPECT_EQ(std::system((child + " " + library.string() + " > /dev/null").c_str()), 0);
}

TEST(function_key, leads_back_to_the_function) {
  both_sides both;
  const auto key = both.table.key_of(address_of(sample));
  ASSERT_TRUE(key.has_value()) << key.error();
  const auto address = both.resolver.address_of(*key);
  ASSERT_TRUE(address.has_value()) << address.error();
  EXPECT_EQ(*address, address_of(sample));
  EXPECT_EQ(both.table.key_of(address_of(sample)), *key);
}

TEST(function_key, of_no_function_is_zero_and_leads_to_none) {
  both_sides both;
  EXPECT_EQ(both.table.key_of(nullptr), module::function_key{});
  EXPECT_EQ(both.resolver.address_of({}), nullptr);
}

TEST(function_key, of_data_is_refused) {
  both_sides both;
  const auto key = both.table.key_of(&not_a_function);
  ASSERT_FALSE(key.has_value());
  EXPECT_NE(key.error().find("not that of a function"), std::string::npos) << key.error();
}

TEST(function_key, of_memory_outside_all_modules_is_refused) {
  both_sides both;
  const auto memory = std::make_unique<int>();
  const auto key = both.table.key_of(memory.get());
  ASSERT_FALSE(key.has_value());
  EXPECT_NE(key.error().find("no loaded module"), std::string::npos) << key.error();
}

TEST(function_key, that_points_at_data_is_not_resolved) {
  both_sides both;
  const auto key = both.table.key_of(address_of(sample));
  ASSERT_TRUE(key.has_value());
  const std::ptrdiff_t distance =
      reinterpret_cast<const char*>(&not_a_function) - reinterpret_cast<const char*>(address_of(sample));
  const module::function_key forged{key->value + static_cast<std::uint64_t>(distance)};
  EXPECT_FALSE(both.resolver.address_of(forged).has_value());
  EXPECT_FALSE(both.resolver.address_of({key->value | 0xffff'ffff'ffff}).has_value());
}

TEST(function_key, with_an_unknown_module_is_not_resolved) {
  both_sides both;
  EXPECT_FALSE(both.resolver.address_of({std::uint64_t{0xffff} << 48 | 0x1000}).has_value());
  EXPECT_FALSE(both.resolver.address_of({std::uint64_t{5} << 48 | 0x1000}).has_value());
}

TEST(module_table, keeps_a_library_loaded_that_it_has_named) {
  both_sides both;
  loaded_library loaded(library);
  ASSERT_NE(loaded.handle, nullptr) << ::dlerror();
  const void* function = loaded.twice();
  ASSERT_TRUE(both.table.key_of(function).has_value());
  loaded.close();
  // Were it gone, its address could belong to another library the next time.
  EXPECT_TRUE(module::find_module_of(function).has_value());
}

TEST(module_table, lets_go_of_its_libraries_in_the_end) {
  const scratch_directory scratch;
  loaded_library loaded(scratch.copy_of_library("copy.so"));
  const void* function = loaded.twice();
  {
    both_sides both;
    ASSERT_TRUE(both.table.key_of(function).has_value());
    loaded.close();
  }
  EXPECT_FALSE(module::find_module_of(function).has_value());
}

TEST(module_table, refuses_a_library_that_is_loaded_twice) {
  const scratch_directory scratch;
  const loaded_library one(scratch.copy_of_library("one.so"));
  const loaded_library two(scratch.copy_of_library("two.so"));
  ASSERT_NE(one.twice(), two.twice());
  const auto loaded = module::find_module_of(one.twice());
  ASSERT_TRUE(loaded.has_value());
  both_sides both;
  const auto key = both.table.key_of(one.twice());
  if (loaded->build_id.empty()) {  // then the path tells them apart
    EXPECT_TRUE(key.has_value());
  } else {
    ASSERT_FALSE(key.has_value());
    EXPECT_NE(key.error().find("loaded more than once"), std::string::npos) << key.error();
  }
}

TEST(module_table, refuses_a_module_when_its_rows_are_full) {
  std::vector<module::module_identity> rows(1);
  module::module_table table(rows);
  ASSERT_TRUE(table.key_of(address_of(sample)).has_value());
  const loaded_library loaded(library);
  EXPECT_FALSE(table.key_of(loaded.twice()).has_value());
  EXPECT_TRUE(table.key_of(address_of(sample)).has_value());
}

TEST(module_table, finds_a_library_again_after_the_working_directory_changed) {
  const fs::path before = fs::current_path();
  fs::current_path(library.parent_path());
  const loaded_library loaded("./keyed.so");
  fs::current_path("/");
  both_sides both;
  const auto key = both.table.key_of(loaded.twice());
  fs::current_path(before);
  ASSERT_TRUE(key.has_value()) << key.error();
  EXPECT_TRUE(std::string(both.rows[0].path).starts_with('/')) << both.rows[0].path;
}

TEST(module_table, gives_all_threads_the_same_keys) {
  both_sides both;
  const std::array functions{&numbered<0>, &numbered<1>, &numbered<2>, &numbered<3>};
  std::array<std::array<module::function_key, 4>, 4> keys;
  {
    std::vector<std::jthread> threads;
    for (auto& row : keys) {
      threads.emplace_back([&] {
        for (int round = 0; round < 2000; ++round) {
          for (std::size_t i = 0; i < functions.size(); ++i) {
            row[i] = both.table.key_of(reinterpret_cast<const void*>(functions[i])).value();
          }
        }
      });
    }
  }
  for (const auto& row : keys) EXPECT_EQ(row, keys[0]);
  for (std::size_t i = 0; i < functions.size(); ++i) {
    EXPECT_EQ(both.resolver.address_of(keys[0][i]), reinterpret_cast<const void*>(functions[i]));
  }
}

TEST(resolver, does_not_take_another_file_for_the_library) {
  both_sides both;
  const scratch_directory scratch;
  const fs::path path = scratch.copy_of_library("copy.so");
  module::function_key key;
  {
    module::module_table table(both.rows);
    loaded_library loaded(path);
    key = table.key_of(loaded.twice()).value();
  }
  both.rows[0].build_id[0] = static_cast<std::uint8_t>(both.rows[0].build_id[0] + 1);
  both.rows[0].size += 1;
  const auto address = both.resolver.address_of(key);
  ASSERT_FALSE(address.has_value());
  EXPECT_NE(address.error().find("replaced"), std::string::npos) << address.error();
}

TEST(resolver, says_why_a_library_cannot_be_loaded) {
  both_sides both;
  module::function_key key;
  {
    const scratch_directory scratch;
    module::module_table table(both.rows);
    loaded_library loaded(scratch.copy_of_library("gone.so"));
    key = table.key_of(loaded.twice()).value();
  }
  const auto address = both.resolver.address_of(key);
  ASSERT_FALSE(address.has_value());
  EXPECT_NE(address.error().find("gone.so"), std::string::npos) << address.error();
}

}  // namespace
