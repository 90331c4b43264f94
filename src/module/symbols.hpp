// SPDX-License-Identifier: MIT
#pragma once

// Which function, and where the file tells it which line of which source, lies at a place of a program file
// or shared object. For stacks of other processes, so nothing is loaded, and a file may be anything: every
// number in it is checked, and only what a bounded read finds is believed. Owned by the process crew and used
// by its loop; one thread at a time.

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

namespace muster::module {

// A file as /proc/<pid>/maps names it.
struct mapped_file {
  std::string path;
  std::uint64_t inode = 0;
};

struct code_place {
  std::uint64_t address = 0;  // in the file's own terms, as addr2line -e takes it; 0: unknown
  std::string function{};     // readable; empty: unknown
  std::string source{};       // "file:line"; empty: unknown
};

class symbols {
public:
  // `offset` is in the file. With `is_return` it is where a call returns to, and the call is asked for. A
  // file that is gone, was replaced, or is no such file gives an empty place.
  const code_place& at(const mapped_file& file, std::uint64_t offset, bool is_return);

private:
  std::map<std::tuple<std::string, std::uint64_t, std::uint64_t, bool>, code_place> known_;
};

// "file:line" by the debug information inside the file; empty where there is none, or the library was built
// without libdw. Only for files that this process runs itself: the reader of that format is not made for
// strangers' files. `descriptor` stays the caller's.
std::string source_line(const std::string& path, int descriptor, std::uint64_t address);

// Whether source_line can ever answer.
bool has_source_lines();

}  // namespace muster::module
