// SPDX-License-Identifier: MIT
// Last words as their reader meets them: true ones, and every kind of nonsense.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "process/trace.hpp"

// Known to the symbol table, and to nobody else.
__attribute__((noinline)) int a_function_for_the_trace(int x) { return x * 3; }

namespace muster::process {
namespace {

std::string own_maps() {
  std::ifstream file("/proc/self/maps");
  std::string code;
  for (std::string line; std::getline(file, line);)
    if (line.find("r-xp") != std::string::npos) code += line + "\n";
  return code;
}

std::unique_ptr<ipc::last_words> words_with(const std::string& maps, std::vector<std::uint64_t> frames) {
  auto made = std::make_unique<ipc::last_words>();
  made->kind = static_cast<std::uint32_t>(ipc::words_kind::crash);
  made->signal = SIGSEGV;
  made->code = 1;
  made->frame_count = static_cast<std::uint32_t>(frames.size());
  std::copy(frames.begin(), frames.end(), made->frames);
  made->map_bytes = static_cast<std::uint32_t>(maps.size());
  std::memcpy(made->maps, maps.data(), maps.size());
  made->stage.store(2);
  return made;
}

std::vector<stack_frame> trace_of(const ipc::last_words& words) {
  bool nonsense = false;
  module::symbols names;
  const auto read = read_words(words, nonsense);
  EXPECT_TRUE(read);
  return read ? backtrace_of(*read, names) : std::vector<stack_frame>();
}

TEST(last_words, that_were_never_written_are_none_and_no_nonsense) {
  const auto words = std::make_unique<ipc::last_words>();
  bool nonsense = true;
  EXPECT_FALSE(read_words(*words, nonsense));
  EXPECT_FALSE(nonsense);
}

TEST(last_words, name_functions_of_this_very_program) {
  const auto here = reinterpret_cast<std::uint64_t>(&a_function_for_the_trace);
  const auto frames = trace_of(*words_with(own_maps(), {here, here + 1, 0, 1, ~std::uint64_t{0}}));
  ASSERT_EQ(frames.size(), 5U);
  EXPECT_EQ(frames[0].function, "a_function_for_the_trace(int)");
  EXPECT_EQ(frames[1].function, "a_function_for_the_trace(int)") << "returns there, so it was called before";
  EXPECT_NE(frames[0].module.find("unit_tests"), std::string::npos);
  if (module::has_source_lines()) {
    EXPECT_NE(frames[0].source.find("trace_test.cpp:"), std::string::npos) << frames[0].text();
  }
  for (std::size_t i = 2; i < 5; ++i) EXPECT_TRUE(frames[i].module.empty()) << i;
}

TEST(last_words, with_counts_that_do_not_fit_are_nonsense) {
  const auto refused = [](auto spoil) {
    const auto words = words_with("", {1});
    spoil(*words);
    bool nonsense = false;
    EXPECT_FALSE(read_words(*words, nonsense));
    return nonsense;
  };
  EXPECT_TRUE(refused([](ipc::last_words& w) { w.frame_count = ipc::most_frames + 1; }));
  EXPECT_TRUE(refused([](ipc::last_words& w) { w.frame_count = 0; }));
  EXPECT_TRUE(refused([](ipc::last_words& w) { w.map_bytes = ipc::most_map_bytes + 1; }));
  EXPECT_TRUE(refused([](ipc::last_words& w) { w.kind = 3; }));
  EXPECT_TRUE(refused([](ipc::last_words& w) { w.stage.store(3); }));
}

TEST(last_words, of_random_bytes_are_read_without_harm) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 dice(seed);
  module::symbols names;
  const std::string proper = own_maps();
  for (int round = 0; round < 300; ++round) {
    std::string maps = proper;
    for (int i = 0; i < 20; ++i) maps[dice() % maps.size()] = static_cast<char>(dice());
    const auto words = words_with(maps, std::vector<std::uint64_t>(ipc::most_frames, dice()));
    bool nonsense = false;
    const auto read = read_words(*words, nonsense);
    ASSERT_TRUE(read);
    EXPECT_EQ(backtrace_of(*read, names).size(), ipc::most_frames);
  }
}

// Mappings that name what a reader must not open, or what is not a program.
class temptation : public testing::Test {
protected:
  temptation() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster-test-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~temptation() override { std::filesystem::remove_all(directory_); }

  stack_frame frame_in(const std::string& path, std::optional<std::uint64_t> inode = {}) {
    struct stat about{};
    EXPECT_EQ(::stat(path.c_str(), &about), 0) << path;
    const auto frames = trace_of(*words_with(
        "1000-ffffffffff r-xp 0 00:00 " + std::to_string(inode.value_or(about.st_ino)) + " " + path + "\n",
        {0x1400}));
    EXPECT_EQ(frames.size(), 1U);
    return frames.empty() ? stack_frame() : frames[0];
  }

  std::filesystem::path directory_;
};

TEST_F(temptation, a_pipe_is_not_opened) {
  const std::string path = directory_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(frame_in(path).function, "");  // opening it would wait for ever
}

TEST_F(temptation, a_file_that_is_no_program_names_nothing) {
  const std::string path = directory_ / "text";
  std::ofstream(path) << std::string(10'000, 'x');
  EXPECT_EQ(frame_in(path).function, "");
  EXPECT_EQ(frame_in(path).offset, 0x400U) << "where in the file";
}

TEST_F(temptation, a_program_whose_tables_lie_names_nothing_it_should_not) {
  std::ifstream own("/proc/self/exe", std::ios::binary);
  std::string start(8'192, '\0');
  own.read(start.data(), static_cast<std::streamsize>(start.size()));
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 dice(seed);
  for (int round = 0; round < 100; ++round) {
    std::string lies = start;
    for (int i = 0; i < 30; ++i) lies[16 + dice() % 1'000] = static_cast<char>(dice());
    const std::string path = directory_ / ("program" + std::to_string(round));
    std::ofstream(path, std::ios::binary) << lies;
    (void)frame_in(path);
  }
}

TEST_F(temptation, a_file_that_was_replaced_is_not_asked) {
  const std::string own = std::filesystem::read_symlink("/proc/self/exe");
  EXPECT_EQ(frame_in(own, 1).function, "");
}

TEST_F(temptation, a_path_with_control_characters_is_shown_without_them) {
  const std::string path = directory_ / "evil\x1b[2Jname";
  std::ofstream(path) << "x";
  EXPECT_EQ(frame_in(path).module.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace muster::process
