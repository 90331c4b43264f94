// SPDX-License-Identifier: MIT
#include "module/symbols.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

#include "base/file_descriptor.hpp"
#include "base/printable.hpp"
#include "module/demangle.hpp"

namespace muster::module {
namespace {

constexpr std::size_t most_known = 4096;         // results that are kept
constexpr std::size_t most_headers = 4096;       // sections, or segments, of one file
constexpr std::uint64_t most_symbols = 8 << 20;  // looked at in one table
constexpr std::size_t longest_name = 2048;

class elf_file {
public:
  explicit elf_file(int descriptor) : descriptor_(descriptor) {}

  // False: not a file of this machine's kind.
  bool open() {
    if (!read(header_, 0) || std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0 ||
        header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_phentsize != sizeof(Elf64_Phdr))
      return false;
    return read_all(segments_, header_.e_phoff, header_.e_phnum);
  }

  // Where the byte at this offset lies when the file is loaded.
  std::optional<std::uint64_t> address_of(std::uint64_t offset) const {
    for (const Elf64_Phdr& s : segments_)
      if (s.p_type == PT_LOAD && offset >= s.p_offset && offset - s.p_offset < s.p_filesz)
        return offset - s.p_offset + s.p_vaddr;
    return std::nullopt;
  }

  // The mangled name of the function that holds the address.
  std::string function_at(std::uint64_t address) {
    std::vector<Elf64_Shdr> sections;
    if (header_.e_shentsize != sizeof(Elf64_Shdr) || !read_all(sections, header_.e_shoff, header_.e_shnum))
      return {};
    for (const std::uint32_t kind : {std::uint32_t{SHT_SYMTAB}, std::uint32_t{SHT_DYNSYM}})
      for (const Elf64_Shdr& table : sections) {
        if (table.sh_type != kind || table.sh_link >= sections.size()) continue;
        if (const auto name = name_of(address, table, sections[table.sh_link]); !name.empty()) return name;
      }
    return {};
  }

private:
  template <class T>
  bool read(T& to, std::uint64_t offset) const {
    return read_bytes(&to, sizeof(T), offset) == sizeof(T);
  }
  std::size_t read_bytes(void* to, std::size_t size, std::uint64_t offset) const {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got =
          ::pread(descriptor_, static_cast<char*>(to) + done, size - done, static_cast<off_t>(offset + done));
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }
  template <class T>
  bool read_all(std::vector<T>& to, std::uint64_t offset, std::size_t count) const {
    if (count == 0 || count > most_headers) return false;
    to.resize(count);
    return read_bytes(to.data(), count * sizeof(T), offset) == count * sizeof(T);
  }

  // One pass over the table, a part at a time: no more memory for a large program than for a small one.
  std::string name_of(std::uint64_t address, const Elf64_Shdr& table, const Elf64_Shdr& names) const {
    std::array<Elf64_Sym, 512> part;
    std::optional<Elf64_Sym> best;
    const std::uint64_t count = std::min(table.sh_size / sizeof(Elf64_Sym), most_symbols);
    for (std::uint64_t at = 0; at < count;) {
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(part.size(), count - at));
      const std::size_t got =
          read_bytes(part.data(), wanted * sizeof(Elf64_Sym), table.sh_offset + at * sizeof(Elf64_Sym)) /
          sizeof(Elf64_Sym);
      for (std::size_t i = 0; i < got; ++i) {
        const Elf64_Sym& s = part[i];
        const unsigned char type = ELF64_ST_TYPE(s.st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || s.st_shndx == SHN_UNDEF || s.st_value > address)
          continue;
        if (address - s.st_value >= std::max<std::uint64_t>(s.st_size, 1)) continue;
        // Of several names the global one, and of nested ones the inner.
        const auto rank = [](const Elf64_Sym& of) {
          return std::pair(of.st_value, ELF64_ST_BIND(of.st_info) != STB_LOCAL);
        };
        if (!best || rank(s) > rank(*best)) best = s;
      }
      if (got != wanted) break;
      at += got;
    }
    if (!best || best->st_name >= names.sh_size) return {};
    std::array<char, longest_name> text{};
    const std::size_t size = read_bytes(
        text.data(),
        static_cast<std::size_t>(std::min<std::uint64_t>(text.size() - 1, names.sh_size - best->st_name)),
        names.sh_offset + best->st_name);
    text[std::min(size, text.size() - 1)] = '\0';
    return text.data();
  }

  int descriptor_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
};

// Looked at before it is opened for reading: opening a pipe or a device can wait or do things.
base::file_descriptor open_program_file(const mapped_file& file) {
  const base::file_descriptor handle(::open(file.path.c_str(), O_PATH | O_CLOEXEC));
  struct stat about{};
  if (!handle || ::fstat(handle.get(), &about) != 0 || !S_ISREG(about.st_mode) || about.st_ino != file.inode)
    return {};
  const std::string again = "/proc/self/fd/" + std::to_string(handle.get());
  return base::file_descriptor(::open(again.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
}

bool runs_here(const mapped_file& file) {
  const std::string end = " " + std::to_string(file.inode);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (!line.ends_with(file.path)) continue;
    std::string_view rest(line);
    rest.remove_suffix(file.path.size());
    rest = rest.substr(0, rest.find_last_not_of(' ') + 1);
    if (rest.ends_with(end)) return true;
  }
  return false;
}

code_place look_up(const mapped_file& file, std::uint64_t offset, bool is_return) {
  code_place found;
  const base::file_descriptor descriptor = open_program_file(file);
  elf_file elf(descriptor.get());
  if (!descriptor || !elf.open()) return found;
  const auto address = elf.address_of(offset);
  if (!address) return found;
  found.address = *address;
  // The call may be the last instruction of its function.
  const std::uint64_t inside = is_return && *address > 0 ? *address - 1 : *address;
  if (const std::string name = elf.function_at(inside); !name.empty())
    found.function = base::printable(demangle(name.c_str()));
  if (has_source_lines() && runs_here(file))
    found.source = base::printable(source_line(file.path, descriptor.get(), inside));
  return found;
}

}  // namespace

const code_place& symbols::at(const mapped_file& file, std::uint64_t offset, bool is_return) {
  if (known_.size() >= most_known) known_.clear();
  const auto [entry, is_new] = known_.try_emplace({file.path, file.inode, offset, is_return});
  if (is_new) entry->second = look_up(file, offset, is_return);
  return entry->second;
}

}  // namespace muster::module
