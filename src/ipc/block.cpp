// SPDX-License-Identifier: MIT
#include "ipc/block.hpp"

#include "ipc/memfd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

namespace muster::detail {

memory_block::~memory_block() {
  if (address != nullptr) ::munmap(address, size);
}

void copy_once(std::byte* to, std::span<const std::byte> from) noexcept {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
  asm volatile("" ::: "memory");  // what was copied is not read from there again
}

}  // namespace muster::detail

namespace muster::ipc {

namespace {

std::size_t whole_pages(std::size_t bytes) {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return std::max(bytes + page - 1, page) / page * page;
}

std::expected<void, system_failure> map_into(memory_block& block, int descriptor, bool writable, bool touch) {
  void* const at =
      ::mmap(nullptr, block.size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, descriptor, 0);
  if (at == MAP_FAILED) return std::unexpected(failure_of("mmap"));
  block.address = static_cast<std::byte*>(at);
  if (touch) (void)::madvise(at, block.size, writable ? populate_write : populate_read);
  return {};
}

}  // namespace

std::uint64_t new_block_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::size_t class_of(std::size_t asked) noexcept {
  constexpr std::size_t least = std::size_t{64} << 10U;
  if (asked <= least) return whole_pages(least);
  const std::size_t quarter = std::bit_floor(asked - 1) / 4;
  return whole_pages((asked + quarter - 1) / quarter * quarter);
}

std::expected<std::unique_ptr<memory_block>, system_failure> make_block(std::size_t room, bool touch) {
  auto made = std::make_unique<memory_block>();
  made->room = room;
  made->size = whole_pages(room);
  made->id = new_block_id();
  auto file = make_memfd("muster-buffer");
  if (!file) return std::unexpected(file.error());
  if (::ftruncate(file->get(), static_cast<off_t>(made->size)) != 0)
    return std::unexpected(failure_of("ftruncate"));
  if (auto sealed = add_seals(file->get(), fixed_size_seals); !sealed) return std::unexpected(sealed.error());
  if (auto mapped = map_into(*made, file->get(), true, touch); !mapped)
    return std::unexpected(mapped.error());
  made->file = std::move(*file);
  return made;
}

// A child that a task forks has no part in it, as with all memory of the protocol.
std::expected<block_ref, system_failure> map_lent(int descriptor, std::size_t size, std::size_t room,
                                                  bool writable, bool touch) {
  auto made = std::make_shared<memory_block>();
  made->room = room;
  made->size = size;
  made->sealed = !writable;
  made->shown = true;
  if (auto mapped = map_into(*made, descriptor, writable, touch); !mapped)
    return std::unexpected(mapped.error());
  (void)::madvise(made->address, made->size, MADV_DONTFORK);
  return made;
}

std::expected<block_ref, system_failure> map_foreign(unique_fd file, std::size_t room, bool writable) {
  if (room > largest_foreign_block)
    return std::unexpected(system_failure{"check of size", std::make_error_code(std::errc::file_too_large)});
  auto made = std::make_shared<memory_block>();
  made->room = room;
  made->size = whole_pages(room);
  made->id = new_block_id();
  made->sealed = !writable;
  made->shown = made->foreign = true;
  if (auto good = check_memfd(file.get(), fixed_size_seals, made->size); !good)
    return std::unexpected(good.error());
  if (auto mapped = map_into(*made, file.get(), writable, false); !mapped)
    return std::unexpected(mapped.error());
  made->file = std::move(file);
  return made;
}

std::expected<block_ref, system_failure> map_sealed(unique_fd file, std::size_t size) {
  auto made = std::make_shared<memory_block>();
  made->size = made->room = size;
  made->id = new_block_id();
  made->sealed = made->shown = true;
  if (auto mapped = map_into(*made, file.get(), false, false); !mapped)
    return std::unexpected(mapped.error());
  made->file = std::move(file);
  return made;
}

std::expected<void, system_failure> prepare_to_show(memory_block& block) {
  if (block.shown || block.sealed) return {};
  if (auto sealed = add_seals(block.file.get(), F_SEAL_SEAL); !sealed) return sealed;
  block.shown = true;
  return {};
}

std::expected<void, system_failure> seal(memory_block& block) {
  if (auto sealed = add_seals(block.file.get(), future_write_seal | F_SEAL_SEAL); !sealed) return sealed;
  block.sealed = true;
  return {};
}

std::expected<void, system_failure> seal_for_arguments(memory_block& block) {
  if (auto sealed = add_seals(block.file.get(), future_write_seal | F_SEAL_SEAL); !sealed) return sealed;
  block.shown = true;
  return {};
}

std::expected<block_ref, system_failure> copy_of(const memory_block& block) {
  auto made = make_block(block.room, true);
  if (!made) return std::unexpected(made.error());
  std::memcpy((*made)->address, block.address, block.room);
  if (block.sealed)
    if (auto sealed = seal(**made); !sealed) return std::unexpected(sealed.error());
  return block_ref(std::move(*made));
}

std::expected<std::size_t, system_failure> make_own(std::span<block_ref> blocks, const void* crew) {
  std::size_t copied = 0;
  std::shared_ptr<const detail::worker_token> bound;  // by the first that is
  for (block_ref& each : blocks) {
    const auto seen_by = each->sealed ? nullptr : each->seen_by.lock();
    const bool is_elsewhere = seen_by && (seen_by->crew != crew || (bound && seen_by != bound));
    if (!each->foreign && !is_elsewhere && (each->sealed || each.use_count() == 1)) {
      if (seen_by) bound = seen_by;
      continue;
    }
    auto copy = copy_of(*each);
    if (!copy) return std::unexpected(copy.error());
    each = std::move(*copy);
    ++copied;
  }
  return copied;
}

std::shared_ptr<const detail::worker_token> bound_to(std::span<const block_ref> blocks) {
  for (const block_ref& each : blocks)
    if (auto token = each->sealed ? nullptr : each->seen_by.lock()) return token;
  return nullptr;
}

}  // namespace muster::ipc
