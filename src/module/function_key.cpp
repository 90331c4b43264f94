// SPDX-License-Identifier: MIT
#include "module/function_key.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>

namespace muster::module {
namespace {

constexpr std::uint64_t offset_limit = std::uint64_t{1} << 48;

std::string in_hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

std::size_t spread(std::uintptr_t address) noexcept {
  return static_cast<std::size_t>((static_cast<std::uint64_t>(address) * 0x9e3779b97f4a7c15u) >> 40);
}

/// Whether the module can be the wanted one, before anyone looks up its file.
bool may_be(const loaded_module& module, const module_identity& wanted) {
  const std::size_t length = std::min(module.build_id.size(), build_id_capacity);
  return !module.executable.empty() && length == wanted.build_id_length &&
         std::equal(module.build_id.begin(), module.build_id.begin() + static_cast<std::ptrdiff_t>(length),
                    wanted.build_id);
}

/// The loaded modules with this identity.
std::vector<loaded_module> find_all(const module_identity& wanted) {
  std::vector<loaded_module> same;
  for (loaded_module& module : list_loaded_modules()) {
    if (!may_be(module, wanted)) continue;
    const auto identity = identify(module);
    if (identity && same_module(*identity, wanted)) same.push_back(std::move(module));
  }
  return same;
}

std::string loaded_twice(const module_identity& identity) {
  return describe(identity) +
         " is loaded more than once with the same identity, so its functions have no unique name; "
         "load it under one path only";
}

}  // namespace

module_table::module_table(std::span<module_identity> rows)
    : rows_(rows.first(std::min(rows.size(), max_modules))), remembered_(new remembered[remembered_count]) {}

module_table::~module_table() {
  for (const known_module& module : known_) {
    if (module.handle != nullptr) ::dlclose(module.handle);
  }
}

std::expected<function_key, std::string> module_table::key_of(const void* function) {
  const auto address = reinterpret_cast<std::uintptr_t>(function);
  if (address == 0) return function_key{};
  const std::size_t start = spread(address);
  for (std::size_t i = 0; i < longest_probe; ++i) {
    const remembered& entry = remembered_[(start + i) % remembered_count];
    const std::uintptr_t held = entry.address.load(std::memory_order_acquire);  // pairs with remember()
    if (held == address) return function_key{entry.key.load(std::memory_order_relaxed)};
    if (held == 0) break;
  }
  const std::lock_guard lock(mutex_);
  auto key = find_key(address);
  if (key) remember(address, *key);
  return key;
}

std::expected<function_key, std::string> module_table::find_key(std::uintptr_t address) {
  const auto module = find_module_of(reinterpret_cast<const void*>(address));
  if (!module) return std::unexpected("the address " + in_hex(address) + " lies in no loaded module");
  const std::uint64_t offset = address - module->bias;
  if (!module->executes(offset) || offset >= offset_limit) {
    return std::unexpected("the address " + in_hex(address) + " is not that of a function");
  }
  const auto index = index_of(*module);
  if (!index) return std::unexpected(index.error());
  return function_key{static_cast<std::uint64_t>(*index) << 48 | offset};
}

std::expected<std::size_t, std::string> module_table::index_of(const loaded_module& module) {
  for (std::size_t i = 0; i < known_.size(); ++i) {
    // One that is known is still loaded, so no other can have its bias; all programs without PIE have bias 0,
    // but a process has only one of those.
    if (known_[i].bias == module.bias && (known_[i].handle == nullptr) == module.is_program) return i;
  }
  const auto identity = identify(module);
  if (!identity) return std::unexpected(identity.error());
  if (find_all(*identity).size() > 1) return std::unexpected(loaded_twice(*identity));
  if (known_.size() >= rows_.size()) {
    return std::unexpected("functions of more than " + std::to_string(rows_.size()) + " modules were called");
  }
  void* handle = nullptr;
  if (!module.is_program) {
    handle = ::dlopen(module.linker_name.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) return std::unexpected(describe(*identity) + " cannot be kept loaded");
  }
  rows_[known_.size()] = *identity;
  known_.push_back({module.bias, handle});
  return known_.size() - 1;
}

void module_table::remember(std::uintptr_t address, function_key key) noexcept {
  const std::size_t start = spread(address);
  for (std::size_t i = 0; i < longest_probe; ++i) {
    remembered& entry = remembered_[(start + i) % remembered_count];
    const std::uintptr_t held =
        entry.address.load(std::memory_order_relaxed);  // written under the lock we hold
    if (held == address) return;
    if (held != 0) continue;
    entry.key.store(key.value, std::memory_order_relaxed);
    entry.address.store(address, std::memory_order_release);  // pairs with key_of()
    return;
  }
}

std::expected<const void*, std::string> resolver::address_of(function_key key) {
  if (key.value == 0) return nullptr;
  const std::size_t index = key.module_index();
  if (index >= rows_.size()) return std::unexpected("there is no module number " + std::to_string(index));
  auto& module = found_[index];
  if (module == nullptr) {
    auto found = find(rows_[index]);
    if (!found) return std::unexpected(found.error());
    module = std::make_unique<loaded_module>(std::move(*found));
  }
  if (!module->executes(key.offset())) {
    return std::unexpected(describe(rows_[index]) + " has no code at " + in_hex(key.offset()));
  }
  return reinterpret_cast<const void*>(module->bias + key.offset());
}

std::expected<loaded_module, std::string> resolver::find(const module_identity& wanted) const {
  auto same = find_all(wanted);
  if (same.empty()) {
    const std::string path = wanted.path[0] != '\0' ? describe(wanted) : std::string();
    if (path.empty()) return std::unexpected("this worker is another build of the program than its owner");
    void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* why = ::dlerror();
      return std::unexpected(path + " cannot be loaded: " + (why != nullptr ? why : "for an unknown reason"));
    }
    same = find_all(wanted);
    if (same.empty()) {
      ::dlclose(handle);
      return std::unexpected(path + " is not the file that the owner has loaded; it was replaced");
    }
    // The handle stays open: what a worker has loaded it keeps until it ends.
  }
  if (same.size() > 1) return std::unexpected(loaded_twice(wanted));
  return std::move(same.front());
}

}  // namespace muster::module
