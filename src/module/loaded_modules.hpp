// SPDX-License-Identifier: MIT
//
// What is mapped into this process: its shared objects with their load bias, executable ranges and identity.
// Plain values and functions that look each time they are called; any thread may call them (the dynamic
// linker's lock makes them wait while a library is being loaded).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "module/module_identity.hpp"

namespace muster::module {

struct executable_range {
  std::uint64_t begin;  // offsets from the load bias
  std::uint64_t end;
};

struct loaded_module {
  std::uintptr_t bias = 0;  // what the dynamic linker added to the addresses in the file
  bool is_program = false;
  std::string linker_name;  // as the dynamic linker calls it; empty for the program
  std::vector<executable_range> executable;
  std::vector<std::uint8_t> build_id;

  bool executes(std::uint64_t offset) const noexcept;
};

/// Everything the dynamic linker has loaded, the program first.
std::vector<loaded_module> list_loaded_modules();

/// The module one of whose segments holds the address.
std::optional<loaded_module> find_module_of(const void* address);

/// The identity of a loaded module. An error says why it has none (its path is too long, its file is
/// unknown).
std::expected<module_identity, std::string> identify(const loaded_module& module);

/// The same module: by build-id when both have one, else by path, inode and size.
bool same_module(const module_identity& left, const module_identity& right) noexcept;

/// The identity for messages: the path, or "the program".
std::string describe(const module_identity& identity);

}  // namespace muster::module
