// SPDX-License-Identifier: MIT
#include "module/exported_module.hpp"

#include <dlfcn.h>

#include <mutex>
#include <shared_mutex>
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
  std::shared_mutex mutex;  // guards by_path
  std::unordered_map<std::string, std::shared_ptr<const exported_module>> by_path;
};

/// Never destroyed: workers may still call while the program ends.
module_list& all_modules() {
  static auto* const list = new module_list;
  return *list;
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
  exports_.assign(described->exports, described->exports + described->export_count);
  for (std::size_t i = 0; i < exports_.size(); ++i) by_name_.emplace(exports_[i].name, i);
  return {};
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

}  // namespace muster::module
