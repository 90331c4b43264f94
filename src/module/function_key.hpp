// SPDX-License-Identifier: MIT
//
// The name of a function that holds in every process of one program, wherever it was loaded: which module,
// and how far from its beginning. The owner makes keys with a `module_table` (any thread); a worker turns
// them back into addresses with a `resolver` (one thread at a time). The table's rows lie in memory that both
// can see.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "module/loaded_modules.hpp"
#include "module/module_identity.hpp"

namespace muster::module {

/// The module's index in the top 16 bits, the offset from its load bias in the low 48. Zero names no
/// function.
struct function_key {
  std::uint64_t value = 0;

  std::size_t module_index() const noexcept { return static_cast<std::size_t>(value >> 48); }
  std::uint64_t offset() const noexcept { return value & ((std::uint64_t{1} << 48) - 1); }
  bool operator==(const function_key&) const = default;
};

/// Owner side. Rows are appended and never change; a module that has a row stays loaded as long as the table
/// lives, so a key that was handed out cannot come to mean the functions of another library at the same
/// address.
class module_table {
public:
  /// `rows` is where the identities go (the board); it outlives the table.
  explicit module_table(std::span<module_identity> rows);
  ~module_table();
  module_table(const module_table&) = delete;
  module_table& operator=(const module_table&) = delete;

  /// The key of the function at the address; a null address has the zero key. Takes no lock for an address
  /// that was asked for before. An error is a sentence: the address is in no module, the module is loaded
  /// twice, no row is left.
  std::expected<function_key, std::string> key_of(const void* function);

private:
  struct known_module {
    std::uintptr_t bias;
    void* handle;  // the reference that keeps it loaded; null for the program
  };

  /// One remembered address. The writer holds mutex_, stores `key` relaxed, then `address` (release); a
  /// reader that acquires `address` may read `key`. An entry is written once.
  struct remembered {
    std::atomic<std::uintptr_t> address{0};
    std::atomic<std::uint64_t> key{0};
  };
  static constexpr std::size_t remembered_count = 1024;
  static constexpr std::size_t longest_probe = 16;

  std::expected<function_key, std::string> find_key(std::uintptr_t address);
  std::expected<std::size_t, std::string> index_of(const loaded_module& module);
  void remember(std::uintptr_t address, function_key key) noexcept;

  std::span<module_identity> rows_;  // written under mutex_
  std::mutex mutex_;
  std::vector<known_module> known_;  // guarded by mutex_; known_[i] describes rows_[i]
  std::unique_ptr<remembered[]> remembered_;
};

/// Worker side.
class resolver {
public:
  /// `rows` is the owner's table, mapped here; it outlives the resolver.
  explicit resolver(std::span<const module_identity> rows) : rows_(rows), found_(rows.size()) {}

  /// The address of the function in this process, loading its module when it is not loaded yet. The zero key
  /// gives a null address. An error is a sentence: no such module, another build of it, loaded twice, not
  /// executable there.
  std::expected<const void*, std::string> address_of(function_key key);

private:
  std::expected<loaded_module, std::string> find(const module_identity& wanted) const;

  std::span<const module_identity> rows_;
  std::vector<std::unique_ptr<loaded_module>> found_;
};

}  // namespace muster::module
