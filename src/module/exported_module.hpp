// SPDX-License-Identifier: MIT
//
// A shared object made with <muster/module.hpp>, loaded into this process, and the list of all of them. A
// module is loaded when it is first used and kept until the process ends; what is constant in it any thread
// may read. The list may be used by any thread; it holds no lock while the dynamic linker works, whose own
// lock comes first.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <muster/detail/module_abi.hpp>

namespace muster::module {

class exported_module {
public:
  /// Loads the file and checks what it says about itself. An error is a sentence that names the module.
  static std::expected<std::shared_ptr<const exported_module>, std::string> load(const std::string& path);

  exported_module(const exported_module&) = delete;
  exported_module& operator=(const exported_module&) = delete;
  ~exported_module();

  /// Null when there is none of this name.
  const detail::module_export* find(std::string_view name) const;
  /// In the order in which the module lists them.
  const std::vector<detail::module_export>& exports() const noexcept { return exports_; }
  /// "module '/lib/photos.so' (version 1.2)", for messages.
  const std::string& title() const noexcept { return title_; }

  /// Before a function of it is called: runs the module's init, where that has not been done. Once: others
  /// that come meanwhile wait. Throws std::runtime_error with what init threw; who comes next tries again.
  void begin() const;
  /// Runs the module's close. What it throws is written to standard error.
  void close() const noexcept;

private:
  enum class life : std::uint8_t { fresh, beginning, begun };

  exported_module(std::string path, void* handle) : title_("module '" + path + "'"), handle_(handle) {}
  /// Empty when the module can be used; else what is wrong with it, to follow its title.
  std::string read_description();

  void run_init() const;

  std::string title_;
  void* handle_;
  void (*init_)() = nullptr;
  void (*close_)() = nullptr;
  // Written by who runs init; release, so that who finds it begun sees what init has done.
  mutable std::atomic<life> life_{life::fresh};
  std::vector<detail::module_export> exports_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

/// The module at this absolute path, loaded if it is not yet. A module that could not be loaded is tried
/// again at the next use. (Later a newer generation of a file takes its place in the list; a call keeps the
/// one it has begun with.)
std::expected<std::shared_ptr<const exported_module>, std::string> use_module(const std::string& path);

/// Closes those that have begun, the last first, each once. A worker calls it when its last task is done;
/// other processes do so in std::exit.
void close_modules() noexcept;

}  // namespace muster::module
