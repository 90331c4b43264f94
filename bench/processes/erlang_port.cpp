// SPDX-License-Identifier: MIT
//
// The program behind a port of erlang_ports.escript: reads calls, each a length of 4 bytes and a number of 8
// in network order, and answers with the number that follows. Ends with its input.
#include <endian.h>
#include <unistd.h>
#include <cstdint>
#include <cstring>

namespace {

struct [[gnu::packed]] call {
  std::uint32_t length;
  std::uint64_t number;
};

bool read_all(void* to, std::size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = read(STDIN_FILENO, at, size);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

int main() {
  call next{};
  while (read_all(&next, sizeof next)) {
    next.number = htobe64(be64toh(next.number) + 1);
    // A pipe takes so little at once or not at all.
    if (write(STDOUT_FILENO, &next, sizeof next) != static_cast<ssize_t>(sizeof next)) return 1;
  }
}
