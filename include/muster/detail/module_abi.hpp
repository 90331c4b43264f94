// SPDX-License-Identifier: MIT
//
// What a module and the program that loads it must agree on: the description that the module gives of itself,
// and the text by which each says how it was built. The description belongs to the module and is constant;
// any thread may read it. The loader reads `abi` first, which stays where it is for ever, and nothing else
// when the number is not its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

#include <muster/call.hpp>
#include <muster/context.hpp>
#include <muster/version.hpp>

namespace muster::detail {

/// Raised when the structs below, the meaning of a thunk or the encoding of values change.
inline constexpr std::uint32_t module_abi = 2;

/// The symbol that MUSTER_MODULE defines: a function of type module_entry.
inline constexpr const char* module_symbol = "muster_module_1";

struct module_export {
  const char* name;
  const char* signature;  // "(string, i32) -> string"
  thunk_function thunk;
  const void* target;  // what the thunk expects in call_site::target
};

struct module_description {
  std::uint32_t abi;
  std::uint32_t size;  // of this struct
  const char* identity;
  const char* compiler;  // for messages; compilers may differ
  const char* version;   // the author's; may be empty
  const char* problem;   // null, or why the module cannot be used: "exports two functions named 'f'"
  const module_export* exports;
  std::size_t export_count;
  void (*init)() = nullptr;   // null: there is none
  void (*close)() = nullptr;  // the same
};

using module_entry = const module_description* (*)();

/// For messages.
#if defined(__clang__)
inline constexpr const char* compiler_name = __VERSION__;
#else
inline constexpr const char* compiler_name = "GCC " __VERSION__;
#endif

/// How this translation unit was built, as far as both sides must agree: the standard library, whose types a
/// thunk is given, and the sizes of what it is given.
inline std::string module_identity_text() {
  std::string text = "muster " + std::to_string(version_major) + "." + std::to_string(version_minor);
#if defined(_GLIBCXX_USE_CXX11_ABI)
  text += _GLIBCXX_USE_CXX11_ABI ? ", libstdc++" : ", libstdc++ with the old string";
#elif defined(_LIBCPP_ABI_VERSION)
  text += ", libc++ " + std::to_string(_LIBCPP_ABI_VERSION);
#else
  text += ", an unknown standard library";
#endif
  text += ", sizes " + std::to_string(sizeof(call_site)) + " " + std::to_string(sizeof(reader)) + " " +
          std::to_string(sizeof(writer)) + " " + std::to_string(sizeof(context));
  return text;
}

}  // namespace muster::detail
