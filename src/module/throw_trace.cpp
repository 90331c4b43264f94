// SPDX-License-Identifier: MIT
#include "module/throw_trace.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <link.h>
#include <unwind.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "module/demangle.hpp"

namespace muster::module {
namespace {

constexpr std::size_t max_frames = 64;
constexpr std::size_t max_machinery_frames = 8;

struct trace {
  std::array<std::uintptr_t, max_frames> frames;  // return addresses, innermost first
  std::size_t count = 0;
};

thread_local trace last_trace;

}  // namespace
}  // namespace muster::module

#if defined(__x86_64__) || defined(__aarch64__)

// The frame of this function carries our personality routine, which C++ cannot ask for. Otherwise it only
// calls.
extern "C" __attribute__((visibility("hidden"))) void muster_traced_call(void (*function)(void*),
                                                                         void* argument);

#if defined(__x86_64__)
asm(R"(
  .pushsection .text.muster_traced_call,"ax",@progbits
  .globl muster_traced_call
  .hidden muster_traced_call
  .type muster_traced_call, @function
  .p2align 4
muster_traced_call:
  .cfi_startproc
  .cfi_personality 0x1b, muster_trace_personality
  endbr64
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset %rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  movq %rdi, %rax
  movq %rsi, %rdi
  call *%rax
  popq %rbp
  .cfi_def_cfa %rsp, 8
  ret
  .cfi_endproc
  .size muster_traced_call, . - muster_traced_call
  .popsection
)");
#else
asm(R"(
  .pushsection .text.muster_traced_call,"ax",@progbits
  .globl muster_traced_call
  .hidden muster_traced_call
  .type muster_traced_call, @function
  .p2align 4
muster_traced_call:
  .cfi_startproc
  .cfi_personality 0x1b, muster_trace_personality
  hint #34
  stp x29, x30, [sp, #-16]!
  .cfi_def_cfa_offset 16
  .cfi_offset 29, -16
  .cfi_offset 30, -8
  mov x29, sp
  .cfi_def_cfa_register 29
  mov x8, x0
  mov x0, x1
  blr x8
  ldp x29, x30, [sp], #16
  .cfi_restore 29
  .cfi_restore 30
  .cfi_def_cfa 31, 0
  ret
  .cfi_endproc
  .size muster_traced_call, . - muster_traced_call
  .popsection
)");
#endif

namespace {

/// One frame of the stack below the throw; stops at the frame of muster_traced_call, where the task began.
_Unwind_Reason_Code record_frame(_Unwind_Context* context, void*) {
  auto& trace = muster::module::last_trace;
  const auto address = static_cast<std::uintptr_t>(_Unwind_GetIP(context));
  if (address == 0 || trace.count == muster::module::max_frames) return _URC_END_OF_STACK;
  if (_Unwind_GetRegionStart(context) == reinterpret_cast<std::uintptr_t>(&muster_traced_call)) {
    return _URC_END_OF_STACK;
  }
  trace.frames[trace.count++] = address;
  return _URC_NO_REASON;
}

}  // namespace

/// Called by the unwinder for the frame of muster_traced_call: first while it searches for a handler, when
/// nothing has been unwound yet. There is never anything to do here but to look.
extern "C" __attribute__((visibility("hidden"), used)) _Unwind_Reason_Code muster_trace_personality(
    int, _Unwind_Action actions, _Unwind_Exception_Class, _Unwind_Exception*, _Unwind_Context*) {
  if ((actions & _UA_SEARCH_PHASE) != 0) {
    muster::module::last_trace.count = 0;
    _Unwind_Backtrace(record_frame, nullptr);
  }
  return _URC_CONTINUE_UNWIND;
}

#endif

namespace muster::module {
namespace {

bool is_throw_machinery(std::uintptr_t address) {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(address - 1), &info) == 0 || info.dli_sname == nullptr)
    return false;
  // Sanitizers put functions with longer names in front of these.
  const char* name = info.dli_sname;
  return std::strstr(name, "__cxa_throw") != nullptr || std::strstr(name, "__cxa_rethrow") != nullptr ||
         std::strstr(name, "_Unwind_RaiseException") != nullptr ||
         std::strcmp(name, "_ZSt17rethrow_exceptionNSt15__exception_ptr13exception_ptrE") == 0;
}

/// Where the program's own frames begin: after those of our recording, the unwinder and the throw.
std::size_t first_frame_of_task(const trace& recorded) {
  const std::size_t end = recorded.count < max_machinery_frames ? recorded.count : max_machinery_frames;
  std::size_t first = 0;
  for (std::size_t i = 0; i < end; ++i) {
    if (is_throw_machinery(recorded.frames[i])) first = i + 1;
  }
  return first;
}

std::string in_hex(std::uintptr_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

std::string describe_frame(std::uintptr_t address) {
  Dl_info info{};
  link_map* map = nullptr;
  // The address is where the call returns to; the call itself may be the last instruction of its function.
  const auto* inside = reinterpret_cast<const void*>(address - 1);
  if (::dladdr1(inside, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0) return in_hex(address);
  std::string place;
  if (info.dli_fname != nullptr) {
    const char* slash = std::strrchr(info.dli_fname, '/');
    place = slash != nullptr ? slash + 1 : info.dli_fname;
  }
  place += "+" + in_hex(address -
                        (map != nullptr ? map->l_addr : reinterpret_cast<std::uintptr_t>(info.dli_fbase)));
  if (info.dli_sname == nullptr) return place;
  return demangle(info.dli_sname) + "+" + in_hex(address - reinterpret_cast<std::uintptr_t>(info.dli_saddr)) +
         " (" + place + ")";
}

}  // namespace

void traced_call(void (*function)(void*), void* argument) {
  last_trace.count = 0;
#if defined(__x86_64__) || defined(__aarch64__)
  muster_traced_call(function, argument);
#else
  function(argument);
#endif
}

std::string describe_trace() {
  const trace& recorded = last_trace;
  std::string text;
  const std::size_t first = first_frame_of_task(recorded);
  for (std::size_t i = first; i < recorded.count; ++i) {
    text += "#" + std::to_string(i - first) + " " + describe_frame(recorded.frames[i]) + "\n";
  }
  return text;
}

}  // namespace muster::module
