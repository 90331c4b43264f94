// SPDX-License-Identifier: MIT
#include "module/demangle.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace muster::module {

std::string demangle(const char* name) {
  struct free_memory {
    void operator()(char* memory) const noexcept { std::free(memory); }
  };
  int status = 0;
  const std::unique_ptr<char, free_memory> readable(abi::__cxa_demangle(name, nullptr, nullptr, &status));
  return status == 0 && readable != nullptr ? readable.get() : name;
}

}  // namespace muster::module
