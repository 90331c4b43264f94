// SPDX-License-Identifier: MIT
#include "module/exported_module.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <ranges>
#include <shared_mutex>
#include <stdexcept>
#include <utility>

namespace muster::module {
namespace {

using loaded = std::expected<std::shared_ptr<const exported_module>, std::string>;

/// What the dynamic linker last complained about on this thread, without the path that our sentence begins
/// with.
std::string linker_complaint(const std::string& path) {
  const char* said = ::dlerror();
  std::string why = said != nullptr ? said : "for an unknown reason";
  if (why.starts_with(path + ": ")) why.erase(0, path.size() + 2);
  if (why.contains("undefined symbol") && why.contains("6muster")) {
    why +=
        " (it uses more of muster than <muster/module.hpp>; link it with the shared library, or export the "
        "program's symbols)";
  }
  return why;
}

struct module_list {
  std::shared_mutex mutex;  // guards both
  std::unordered_map<std::string, std::shared_ptr<const exported_module>> by_path;
  std::vector<const exported_module*> to_close;  // in the order in which they began
};

/// Never destroyed: workers may still call while the program ends.
module_list& all_modules() {
  static auto* const list = new module_list;
  return *list;
}

// They are never destroyed before the process ends.
void close_later(const exported_module& module) {
  static const bool at_exit = std::atexit([] { close_modules(); }) == 0;
  static_cast<void>(at_exit);
  module_list& list = all_modules();
  const std::lock_guard lock(list.mutex);
  list.to_close.push_back(&module);
}

std::shared_ptr<const exported_module> find_used(const std::string& path) {
  module_list& list = all_modules();
  const std::shared_lock lock(list.mutex);
  const auto found = list.by_path.find(path);
  return found != list.by_path.end() ? found->second : nullptr;
}

}  // namespace

loaded exported_module::load(const std::string& path) {
  if (!path.starts_with('/'))
    return std::unexpected("module '" + path + "' is not named by an absolute path");
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    return std::unexpected("module '" + path + "' cannot be loaded: " + linker_complaint(path));
  const std::shared_ptr<exported_module> module(new exported_module(path, handle));
  const std::string problem = module->read_description();
  if (!problem.empty()) return std::unexpected(module->title_ + " " + problem);
  return module;
}

exported_module::~exported_module() { ::dlclose(handle_); }

std::string exported_module::read_description() {
  void* const symbol = ::dlsym(handle_, detail::module_symbol);
  if (symbol == nullptr) return "exports no functions: it has no MUSTER_MODULE(m) { ... }";
  const detail::module_description* const described = reinterpret_cast<detail::module_entry>(symbol)();
  if (described == nullptr) return "does not describe itself";
  if (described->abi != detail::module_abi) {
    return "was built for another muster: its layout has number " + std::to_string(described->abi) +
           ", this program's has " + std::to_string(detail::module_abi) + "; build both with the same muster";
  }
  const std::string ours = detail::module_identity_text();
  if (described->size != sizeof(detail::module_description) || described->identity != ours) {
    return "does not fit this program: it was built (by " + std::string(described->compiler) + ") for " +
           described->identity + ", this program (by " + detail::compiler_name + ") for " + ours;
  }
  if (described->version[0] != '\0') title_ += " (version " + std::string(described->version) + ")";
  if (described->problem != nullptr) return described->problem;
  init_ = described->init;
  close_ = described->close;
  exports_.assign(described->exports, described->exports + described->export_count);
  for (std::size_t i = 0; i < exports_.size(); ++i) by_name_.emplace(exports_[i].name, i);
  return {};
}

void exported_module::begin() const {
  for (life seen = life_.load(std::memory_order_acquire); seen != life::begun;) {
    if (seen == life::beginning) {
      life_.wait(seen, std::memory_order_acquire);
      seen = life_.load(std::memory_order_acquire);
    } else if (life_.compare_exchange_weak(seen, life::beginning, std::memory_order_acquire)) {
      return run_init();
    }
  }
}

// No lock is held: the module's code runs. Whoever waits is told how it went.
void exported_module::run_init() const {
  const auto tell = [this](life how) {
    life_.store(how, std::memory_order_release);
    life_.notify_all();
  };
  try {
    if (init_ != nullptr) init_();
    if (close_ != nullptr) close_later(*this);
  } catch (const std::exception& thrown) {
    tell(life::fresh);
    throw std::runtime_error(title_ + " could not be initialised: " + thrown.what());
  } catch (...) {
    tell(life::fresh);
    throw std::runtime_error(title_ + " could not be initialised");
  }
  tell(life::begun);
}

void exported_module::close() const noexcept {
  try {
    close_();
  } catch (const std::exception& thrown) {
    std::fprintf(stderr, "muster: %s: its close threw: %s\n", title_.c_str(), thrown.what());
  } catch (...) {
    std::fprintf(stderr, "muster: %s: its close threw something that is no std::exception\n", title_.c_str());
  }
}

const detail::module_export* exported_module::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found != by_name_.end() ? &exports_[found->second] : nullptr;
}

loaded use_module(const std::string& path) {
  if (auto known = find_used(path)) return known;
  // Two threads may both load it; the linker then has it once, and so has the list.
  loaded fresh = exported_module::load(path);
  if (!fresh) return fresh;
  module_list& list = all_modules();
  const std::lock_guard lock(list.mutex);
  return list.by_path.try_emplace(path, *std::move(fresh)).first->second;
}

void close_modules() noexcept {
  module_list& list = all_modules();
  std::vector<const exported_module*> closing;
  {
    const std::lock_guard lock(list.mutex);
    closing.swap(list.to_close);
  }
  for (const exported_module* each : closing | std::views::reverse) each->close();
}

}  // namespace muster::module
