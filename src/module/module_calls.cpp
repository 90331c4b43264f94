// SPDX-License-Identifier: MIT
#include <muster/module_calls.hpp>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <muster/error.hpp>

#include "module/exported_module.hpp"

namespace muster {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const module::exported_module> use(const std::string& path, const std::string* function) {
  auto found = module::use_module(path);
  if (!found)
    throw invalid_call(found.error() +
                       (function != nullptr ? "; it was wanted for its function '" + *function + "'" : ""));
  return *std::move(found);
}

std::string list_of(const module::exported_module& module) {
  std::string list;
  for (const detail::module_export& each : module.exports()) {
    if (!list.empty()) list += ", ";
    list += std::string(each.name) + each.signature;
  }
  return list.empty() ? "it has none" : "it has: " + list;
}

/// The directories in which a bare name is looked for, in order.
std::vector<fs::path> search_list(const fs::path& base) {
  std::vector<fs::path> directories;
  const char* const variable = std::getenv("MUSTER_MODULE_PATH");
  std::string_view rest = variable != nullptr ? variable : "";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (end != 0) directories.push_back(base / rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  directories.push_back(base);
  return directories;
}

std::string find_bare(const std::string& name, const fs::path& base) {
  std::string searched;
  for (const fs::path& directory : search_list(base)) {
    const fs::path candidate = directory / name;
    std::error_code ignored;
    if (fs::exists(candidate, ignored)) return candidate.string();
    if (!searched.empty()) searched += ", ";
    searched += directory.string();
  }
  throw invalid_call(
      "there is no module '" + name + "' in " + searched +
      " (a name without a slash is looked for in the directories of MUSTER_MODULE_PATH, then in the "
      "base directory)");
}

}  // namespace

std::string find_module(const std::string& module, const std::string& base) {
  if (module.empty()) throw invalid_call("the path of a module is empty");
  if (module.starts_with('/')) return module;
  const fs::path absolute_base = base.starts_with('/') ? fs::path(base) : fs::current_path() / base;
  if (!module.contains('/')) return find_bare(module, absolute_base);
  // Only "./" goes: what ".." means after a link is for the file system to say.
  std::string_view rest = module;
  while (rest.starts_with("./")) rest.remove_prefix(std::min(rest.find_first_not_of('/', 1), rest.size()));
  return (absolute_base / rest).string();
}

namespace detail {

void run_export(context& about, const std::string& path, const std::string& function,
                const std::string& expected_signature, reader& arguments, writer& result) {
  const auto module = use(path, &function);
  const module_export* const found = module->find(function);
  if (found == nullptr) {
    throw invalid_call(module->title() + " has no function '" + function + "'; " + list_of(*module));
  }
  if (expected_signature != found->signature) {
    throw invalid_call(module->title() + " has " + function + found->signature + ", which was called as " +
                       function + expected_signature);
  }
  module->begin();
  call_site site{
      .target = found->target, .arguments = arguments, .result = result, .stop = about.stop(), .ctx = &about};
  found->thunk(site);
}

std::vector<std::byte> call_module(context& about, const std::string& path, const std::string& function,
                                   const std::string& expected_signature,
                                   std::span<const std::byte> arguments) {
  reader in(arguments);
  writer out;
  run_export(about, path, function, expected_signature, in, out);
  const std::span<const std::byte> result = out.bytes();
  return {result.begin(), result.end()};
}

std::vector<export_text> list_exports(const std::string& path) {
  const auto module = use(path, nullptr);
  std::vector<export_text> list;
  for (const module_export& each : module->exports()) list.push_back({each.name, each.signature});
  return list;
}

}  // namespace detail
}  // namespace muster
