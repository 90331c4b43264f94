// SPDX-License-Identifier: MIT
//
// The one file that knows libdw. Its headers may have been there when this was built, and the library may be
// there now; it is loaded when the first backtrace wants a line, so that who links muster need not have it.
#include "module/symbols.hpp"

#if defined(MUSTER_HAS_LIBDW)
#include <dlfcn.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <unistd.h>

#include <memory>
#endif

namespace muster::module {

#if defined(MUSTER_HAS_LIBDW)

namespace {

class libdw {
public:
  libdw() : library_(::dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL)) {
    good = library_ != nullptr && find("dwfl_begin", begin) && find("dwfl_end", end) &&
           find("dwfl_report_begin", report_begin) && find("dwfl_report_offline", report_offline) &&
           find("dwfl_report_end", report_end) && find("dwfl_module_getelf", module_getelf) &&
           find("dwfl_module_addrdie", module_addrdie) && find("dwfl_module_nextcu", module_nextcu) &&
           find("dwfl_offline_section_address", offline_section_address) && find("dwarf_haspc", haspc) &&
           find("dwarf_getsrc_die", getsrc_die) && find("dwarf_linesrc", linesrc) &&
           find("dwarf_lineno", lineno);
  }

  bool good = false;
  decltype(&::dwfl_begin) begin = nullptr;
  decltype(&::dwfl_end) end = nullptr;
  decltype(&::dwfl_report_begin) report_begin = nullptr;
  decltype(&::dwfl_report_offline) report_offline = nullptr;
  decltype(&::dwfl_report_end) report_end = nullptr;
  decltype(&::dwfl_module_getelf) module_getelf = nullptr;
  decltype(&::dwfl_module_addrdie) module_addrdie = nullptr;
  decltype(&::dwfl_module_nextcu) module_nextcu = nullptr;
  decltype(&::dwfl_offline_section_address) offline_section_address = nullptr;
  decltype(&::dwarf_haspc) haspc = nullptr;
  decltype(&::dwarf_getsrc_die) getsrc_die = nullptr;
  decltype(&::dwarf_linesrc) linesrc = nullptr;
  decltype(&::dwarf_lineno) lineno = nullptr;

private:
  template <class Function>
  bool find(const char* name, Function& to) {
    to = reinterpret_cast<Function>(::dlsym(library_, name));
    return to != nullptr;
  }
  void* library_;  // stays loaded
};

const libdw& library() {
  static const libdw loaded;
  return loaded;
}

// Debug information is looked for inside the file and nowhere else: the library's own way may ask a server.
int find_nothing(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*, GElf_Word, char**) {
  return -1;
}

constexpr int most_units = 20'000;

// Some compilers write no table of which unit covers which addresses; then every unit is asked.
Dwarf_Die* unit_at(const libdw& dw, Dwfl_Module* module, Dwarf_Addr address, Dwarf_Addr& bias) {
  if (Dwarf_Die* const found = dw.module_addrdie(module, address, &bias)) return found;
  Dwarf_Die* unit = nullptr;
  for (int i = 0; i < most_units && (unit = dw.module_nextcu(module, unit, &bias)) != nullptr; ++i)
    if (dw.haspc(unit, address - bias) == 1) return unit;
  return nullptr;
}

std::string line_at(const libdw& dw, Dwfl_Module* module, std::uint64_t address) {
  Dwarf_Addr loaded_at = 0;
  if (dw.module_getelf(module, &loaded_at) == nullptr) return {};
  Dwarf_Addr bias = 0;
  Dwarf_Die* const unit = unit_at(dw, module, address + loaded_at, bias);
  if (unit == nullptr) return {};
  Dwarf_Line* const line = dw.getsrc_die(unit, address + loaded_at - bias);
  int number = 0;
  const char* const file = line == nullptr ? nullptr : dw.linesrc(line, nullptr, nullptr);
  if (file == nullptr || dw.lineno(line, &number) != 0) return {};
  return std::string(file) + ":" + std::to_string(number);
}

}  // namespace

std::string source_line(const std::string& path, int descriptor, std::uint64_t address) {
  const libdw& dw = library();
  if (!dw.good) return {};
  static char no_path[] = "";
  static char* debug_path = no_path;
  static const Dwfl_Callbacks callbacks = {.find_elf = nullptr,
                                           .find_debuginfo = find_nothing,
                                           .section_address = dw.offline_section_address,
                                           .debuginfo_path = &debug_path};
  const std::unique_ptr<Dwfl, decltype(dw.end)> session(dw.begin(&callbacks), dw.end);
  const int own = ::dup(descriptor);  // the session closes it
  if (!session || own < 0) {
    if (own >= 0) ::close(own);
    return {};
  }
  dw.report_begin(session.get());
  Dwfl_Module* const module = dw.report_offline(session.get(), "", path.c_str(), own);
  if (module == nullptr) {
    ::close(own);
    return {};
  }
  dw.report_end(session.get(), nullptr, nullptr);
  return line_at(dw, module, address);
}

bool has_source_lines() { return library().good; }

#else

std::string source_line(const std::string&, int, std::uint64_t) { return {}; }
bool has_source_lines() { return false; }

#endif

}  // namespace muster::module
