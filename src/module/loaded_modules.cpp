// SPDX-License-Identifier: MIT
#include "module/loaded_modules.hpp"

#include <elf.h>
#include <link.h>
#include <sys/stat.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace muster::module {
namespace {

struct mapped_file {
  std::uint64_t inode = 0;
  std::string path;
};

struct close_file {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

struct free_memory {
  void operator()(void* memory) const noexcept { std::free(memory); }
};

/// The file that is mapped at the address, from the kernel: the dynamic linker's name for it may be relative
/// to a working directory that has changed since, and the file at that name may have been replaced.
std::optional<mapped_file> find_mapped_file(std::uintptr_t address) {
  const std::unique_ptr<std::FILE, close_file> maps(std::fopen("/proc/self/maps", "re"));
  if (maps == nullptr) return std::nullopt;
  char* line = nullptr;
  std::size_t capacity = 0;
  std::optional<mapped_file> found;
  while (!found && ::getline(&line, &capacity, maps.get()) > 0) {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t inode = 0;
    int path_at = 0;
    const int fields = std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %" SCNu64 " %n", &begin, &end,
                                   &inode, &path_at);
    if (fields < 3 || address < begin || address >= end) continue;
    std::string path(line + path_at);
    while (!path.empty() && path.back() == '\n') path.pop_back();
    found = mapped_file{inode, std::move(path)};
  }
  std::free(line);
  return found;
}

/// Walks the notes of one segment to the GNU build-id.
std::vector<std::uint8_t> find_build_id(const std::uint8_t* notes, std::size_t size, std::size_t alignment) {
  const std::size_t step = alignment == 8 ? 8 : 4;
  const auto round_up = [step](std::size_t value) { return (value + step - 1) / step * step; };
  std::size_t at = 0;
  while (size - at >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes + at, sizeof header);
    const std::size_t name_at = at + sizeof header;
    const std::size_t value_at = at + round_up(sizeof header + header.n_namesz);
    const std::size_t next = value_at + round_up(header.n_descsz);
    if (value_at > size || header.n_descsz > size - value_at) break;
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 &&
        std::memcmp(notes + name_at, "GNU", 4) == 0) {
      return {notes + value_at, notes + value_at + header.n_descsz};
    }
    if (next > size) break;
    at = next;
  }
  return {};
}

struct collection {
  std::vector<loaded_module> modules;
  std::optional<std::uintptr_t> wanted;  // only the module that holds this address
  bool first = true;
};

bool holds(const dl_phdr_info& info, std::uintptr_t address) {
  const std::span headers(info.dlpi_phdr, info.dlpi_phnum);
  return std::ranges::any_of(headers, [&](const auto& header) {
    const std::uintptr_t begin = info.dlpi_addr + header.p_vaddr;
    return header.p_type == PT_LOAD && address >= begin && address - begin < header.p_memsz;
  });
}

loaded_module read_headers(const dl_phdr_info& info, bool first) {
  loaded_module module;
  module.bias = info.dlpi_addr;
  module.linker_name = info.dlpi_name != nullptr ? info.dlpi_name : "";
  module.is_program = first && module.linker_name.empty();
  for (const auto& header : std::span(info.dlpi_phdr, info.dlpi_phnum)) {
    if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0) {
      module.executable.push_back({header.p_vaddr, header.p_vaddr + header.p_memsz});
    } else if (header.p_type == PT_NOTE && module.build_id.empty()) {
      const auto* notes = reinterpret_cast<const std::uint8_t*>(info.dlpi_addr + header.p_vaddr);
      module.build_id = find_build_id(notes, header.p_memsz, header.p_align);
    }
  }
  return module;
}

int collect(dl_phdr_info* info, std::size_t, void* into) {
  auto& result = *static_cast<collection*>(into);
  const bool first = std::exchange(result.first, false);
  if (result.wanted && !holds(*info, *result.wanted)) return 0;
  result.modules.push_back(read_headers(*info, first));
  return result.wanted ? 1 : 0;
}

}  // namespace

bool loaded_module::executes(std::uint64_t offset) const noexcept {
  return std::ranges::any_of(executable, [offset](const executable_range& range) {
    return offset >= range.begin && offset < range.end;
  });
}

std::vector<loaded_module> list_loaded_modules() {
  collection result;
  ::dl_iterate_phdr(collect, &result);
  return std::move(result.modules);
}

std::optional<loaded_module> find_module_of(const void* address) {
  collection result;
  result.wanted = reinterpret_cast<std::uintptr_t>(address);
  ::dl_iterate_phdr(collect, &result);
  if (result.modules.empty()) return std::nullopt;
  return std::move(result.modules.front());
}

std::expected<module_identity, std::string> identify(const loaded_module& module) {
  module_identity identity{};
  const std::size_t id_length = std::min(module.build_id.size(), build_id_capacity);
  identity.build_id_length = static_cast<std::uint32_t>(id_length);
  std::ranges::copy_n(module.build_id.begin(), static_cast<std::ptrdiff_t>(id_length), identity.build_id);

  std::string path;
  if (!module.executable.empty()) {
    if (auto file = find_mapped_file(module.bias + module.executable.front().begin)) {
      identity.inode = file->inode;
      path = std::move(file->path);
    }
  }
  struct stat status{};
  if (module.is_program) {
    // Every process of the program has it under this name, and even when its file was replaced.
    if (::stat("/proc/self/exe", &status) == 0) identity.size = static_cast<std::uint64_t>(status.st_size);
    return identity;
  }
  if (!path.starts_with('/')) {
    const std::unique_ptr<char, free_memory> real(::realpath(module.linker_name.c_str(), nullptr));
    path = real != nullptr ? real.get() : module.linker_name;
  }
  if (::stat(path.c_str(), &status) == 0) {
    identity.size = static_cast<std::uint64_t>(status.st_size);
    if (identity.inode == 0) identity.inode = status.st_ino;
  }
  if (path.size() >= module_path_capacity) {
    return std::unexpected("the path of " + path + " is too long to be sent to a worker (limit " +
                           std::to_string(module_path_capacity - 1) + " bytes)");
  }
  if (id_length == 0 && identity.inode == 0) {
    return std::unexpected("the module " + path +
                           " has neither a build-id nor a file, so a worker cannot find it; "
                           "link it with -Wl,--build-id");
  }
  std::ranges::copy(path, identity.path);
  return identity;
}

bool same_module(const module_identity& left, const module_identity& right) noexcept {
  if (left.build_id_length != 0 || right.build_id_length != 0) {
    return left.build_id_length == right.build_id_length && left.build_id_length <= build_id_capacity &&
           std::memcmp(left.build_id, right.build_id, left.build_id_length) == 0;
  }
  return left.inode == right.inode && left.size == right.size &&
         std::strncmp(left.path, right.path, module_path_capacity) == 0;
}

std::string describe(const module_identity& identity) {
  const std::size_t length = ::strnlen(identity.path, module_path_capacity);
  return length == 0 ? "the program" : std::string(identity.path, length);
}

}  // namespace muster::module
