// SPDX-License-Identifier: MIT
//
// A program that keeps its symbols to itself (see CMakeLists.txt) and loads the module named by its argument:
// the module must bring all that it needs. Says "ok", or what went wrong.
#include <muster/module_calls.hpp>

#include <dlfcn.h>

#include <cstdio>
#include <exception>
#include <stop_token>
#include <string>

#include <muster/error.hpp>

namespace {

muster::context about(7, 1, std::stop_token());

std::string call_shrink(const std::string& module) {
  muster::writer arguments;
  muster::encode(arguments, std::string("a.jpg"));
  muster::encode(arguments, 200);
  const auto bytes = arguments.bytes();
  return muster::detail::call_module_as<std::string>(about, module, "shrink", "(string, i32) -> string",
                                                     {bytes.begin(), bytes.end()});
}

/// Too few bytes: the module throws an exception of muster's that this program must recognise.
bool catches_decode_error(const std::string& module) {
  try {
    muster::detail::call_module(about, module, "shrink", "(string, i32) -> string", {});
  } catch (const muster::decode_error&) {
    return true;
  }
  return false;
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  if (::dlsym(RTLD_DEFAULT, "main") != nullptr) {
    std::puts("this program exports its symbols, so it would prove nothing");
    return 1;
  }
  try {
    const std::string shrunk = call_shrink(words[1]);
    if (shrunk != "a.jpg@200") {
      std::puts(shrunk.c_str());
      return 1;
    }
    if (!catches_decode_error(words[1])) {
      std::puts("an exception of muster's own was not thrown or not recognised");
      return 1;
    }
    std::puts("ok");
  } catch (const std::exception& thrown) {
    std::puts(thrown.what());
    return 1;
  }
}
