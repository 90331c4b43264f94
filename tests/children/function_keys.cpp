// SPDX-License-Identifier: MIT
//
// Names functions of every sort, runs itself again (which moves everything under ASLR), and has the second
// process find and call them. `function_keys [library]`: the library is loaded late by the owner, and by the
// worker only when a key asks for it. Exits with 0 when every function gave what it should.
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "module/function_key.hpp"

int outside(int number) { return number + 1; }

// The same code twice: a linker that folds identical code gives both one address, and either name must do.
int folded_one(int number) { return number * 7 + 5; }
int folded_two(int number) { return number * 7 + 5; }

static int inside(int number) { return number + 2; }

template <int Factor>
int times(int number) {
  return number * Factor;
}

inline auto from_inline_function() {
  return +[](int number) { return number - 1; };
}

namespace {

using function = int (*)(int);
namespace module = muster::module;

constexpr std::size_t max_calls = 16;
constexpr int argument = 'a';

struct call {
  module::function_key key;
  std::uintptr_t address;
  int result;
};

struct message {
  module::module_identity rows[module::max_modules];
  call calls[max_calls];
  std::size_t count;
};

[[noreturn]] void fail(const char* what, const char* why) {
  std::fprintf(stderr, "%s: %s\n", what, why);
  std::exit(1);
}

int work(int descriptor) {
  void* memory = ::mmap(nullptr, sizeof(message), PROT_READ, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) fail("worker", "no message");
  const auto& from_owner = *static_cast<const message*>(memory);
  module::resolver resolver(from_owner.rows);
  for (const call& one : std::span(from_owner.calls, from_owner.count)) {
    const auto address = resolver.address_of(one.key);
    if (!address) fail("worker", address.error().c_str());
    const int result = reinterpret_cast<function>(const_cast<void*>(*address))(argument);
    std::printf("key %016llx owner %#llx worker %p result %d\n",
                static_cast<unsigned long long>(one.key.value), static_cast<unsigned long long>(one.address),
                *address, result);
    if (result != one.result) fail("worker", "another function was called");
  }
  return 0;
}

std::vector<function> functions_to_call(const char* library) {
  std::vector<function> functions{outside,
                                  inside,
                                  times<3>,
                                  times<4>,
                                  folded_one,
                                  folded_two,
                                  from_inline_function(),
                                  static_cast<function>(std::toupper)};
  if (library != nullptr) {
    void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) fail("owner", ::dlerror());
    functions.push_back(reinterpret_cast<function>(::dlsym(handle, "keyed_twice")));
    functions.push_back(reinterpret_cast<function (*)()>(::dlsym(handle, "keyed_hidden"))());
  }
  return functions;
}

int own(const char* library) {
  const int descriptor = ::memfd_create("keys", 0);
  if (descriptor < 0 || ::ftruncate(descriptor, sizeof(message)) != 0) fail("owner", "no memory to share");
  void* memory = ::mmap(nullptr, sizeof(message), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) fail("owner", "no message");
  auto& to_worker = *static_cast<message*>(memory);
  module::module_table table(to_worker.rows);
  for (const function one : functions_to_call(library)) {
    const auto key = table.key_of(reinterpret_cast<const void*>(one));
    if (!key) fail("owner", key.error().c_str());
    to_worker.calls[to_worker.count++] = {*key, reinterpret_cast<std::uintptr_t>(one), one(argument)};
  }
  const pid_t worker = ::fork();
  if (worker == 0) {
    const std::string number = std::to_string(descriptor);
    ::execl("/proc/self/exe", "function_keys", "worker", number.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  if (worker < 0 || ::waitpid(worker, &status, 0) != worker) fail("owner", "no worker");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "worker") == 0) return work(std::atoi(argv[2]));
  return own(argc > 1 ? argv[1] : nullptr);
}
