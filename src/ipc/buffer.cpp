// SPDX-License-Identifier: MIT
// What users hold of a block: made, shared, encoded and decoded.
#include <muster/buffer.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "ipc/block.hpp"
#include "ipc/buffer_access.hpp"
#include "ipc/memfd.hpp"

namespace muster {

namespace {

using detail::block_ref;
using detail::buffer_access;

[[noreturn]] void fail(const ipc::system_failure& why, const std::string& what) {
  throw std::system_error(why.code, what + ": " + why.call);
}

block_ref fresh(std::size_t bytes) {
  auto made = ipc::make_block(bytes, false);
  if (!made) fail(made.error(), "a buffer of " + std::to_string(bytes) + " bytes");
  return block_ref(std::move(*made));
}

// How a value says where its bytes are: nowhere; in a block of its call; in a file that goes beside it.
enum class where : unsigned char { nowhere, lent, file };

void encode_block(writer& out, const block_ref& block, std::span<const std::byte> bytes) {
  const int number = block ? out.name(block) : -1;
  const where is = !block ? where::nowhere : number >= 0 ? where::lent : where::file;
  codec<where>::encode(out, is);
  if (is == where::nowhere) return;
  if (is == where::lent) {
    codec<unsigned char>::encode(out, static_cast<unsigned char>(number));
  } else {
    if (!block->file)
      detail::refuse_value("a buffer that was lent to an earlier call cannot be part of this call's result");
    codec<std::uint64_t>::encode(out, block->room);
    out.add(unique_fd::duplicate_of(block->file.get()));
  }
  codec<std::uint64_t>::encode(out, static_cast<std::uint64_t>(bytes.data() - block->address));
  codec<std::uint64_t>::encode(out, bytes.size());
}

// Everything may be a lie but the blocks themselves.
block_ref decode_block(reader& in, bool is_shared, std::span<std::byte>& bytes) {
  const auto is = codec<where>::decode(in);
  if (is == where::nowhere) return nullptr;
  block_ref block;
  if (is == where::lent) {
    block = in.take_block(codec<unsigned char>::decode(in), [](const auto& b) { return b.sealed; });
    if (block->sealed != is_shared)
      detail::refuse_bytes("the value names a buffer that is shared as one that is not, or the other way");
  } else if (is == where::file) {
    const auto room = codec<std::uint64_t>::decode(in);
    auto mapped = ipc::map_foreign(in.take_handle(), room, !is_shared);
    if (!mapped)
      throw decode_error("the file of a buffer: " + std::string(mapped.error().call) + ": " +
                         mapped.error().code.message());
    block = std::move(*mapped);
  } else {
    detail::refuse_bytes("a buffer is neither in a block nor in a file");
  }
  const auto offset = codec<std::uint64_t>::decode(in);
  const auto length = codec<std::uint64_t>::decode(in);
  if (offset > block->room || length > block->room - offset)
    detail::refuse_bytes("a buffer reaches beyond what was leased");
  bytes = {block->address + offset, length};
  return block;
}

}  // namespace

namespace detail {

void refuse_range(std::size_t offset, std::size_t length, std::size_t size) {
  throw std::out_of_range("bytes " + std::to_string(offset) + " to " + std::to_string(offset) + " + " +
                          std::to_string(length) + " of a buffer of " + std::to_string(size));
}

void refuse_elements(std::size_t misaligned_by, std::size_t size, std::size_t element) {
  throw std::invalid_argument(misaligned_by != 0
                                  ? "a part of a buffer begins " + std::to_string(misaligned_by) +
                                        " bytes behind an address at which such an element may lie; let it "
                                        "begin elsewhere, or copy it"
                                  : "a buffer of " + std::to_string(size) +
                                        " bytes is no whole number of elements of " +
                                        std::to_string(element) + " bytes; take a part of it");
}

}  // namespace detail

buffer::buffer(std::size_t bytes) : block_(fresh(bytes)), bytes_(block_->address, bytes) {}

shared_buffer buffer::share() && {
  if (!block_) return {};
  const auto offset = static_cast<std::size_t>(bytes_.data() - block_->address);
  block_ref block = std::move(block_);
  const std::size_t length = std::exchange(bytes_, {}).size();
  if (block->shown) {  // in a worker too
    block_ref copy = fresh(block->room);
    std::memcpy(copy->address, block->address, block->room);
    block = std::move(copy);
  }
  if (!block->sealed)
    if (auto sealed = ipc::seal(*block); !sealed) fail(sealed.error(), "a buffer that is to be shared");
  const std::byte* const begin = block->address + offset;
  return buffer_access::shared(std::move(block), {begin, length});
}

shared_buffer shared_buffer::of_file(unique_fd file) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0)
    throw std::system_error(errno, std::generic_category(), "a file for a buffer");
  if (!S_ISREG(status.st_mode))
    throw std::invalid_argument(
        "a buffer can be made of a regular file or a memory file only, not of a pipe, a "
        "socket or a device");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return buffer(0).share();
  if (ipc::check_memfd(file.get(), F_SEAL_SHRINK | F_SEAL_WRITE, size)) {
    auto mapped = ipc::map_sealed(std::move(file), size);
    if (!mapped) fail(mapped.error(), "a file for a buffer");
    const std::byte* const begin = (*mapped)->address;
    return buffer_access::shared(std::move(*mapped), {begin, size});
  }
  buffer copy(size);
  for (std::span<std::byte> rest = copy.bytes(); !rest.empty();) {
    const ssize_t got = ::pread(file.get(), rest.data(), rest.size(), static_cast<off_t>(size - rest.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      throw std::system_error(
          got < 0 ? errno : EIO, std::generic_category(),
          got < 0 ? "a file for a buffer" : "a file for a buffer became shorter while it was read");
    rest = rest.subspan(static_cast<std::size_t>(got));
  }
  return std::move(copy).share();
}

void codec<buffer>::encode(writer& out, const buffer& value) {
  encode_block(out, buffer_access::block(value), value.bytes());
}
buffer codec<buffer>::decode(reader& in) {
  std::span<std::byte> bytes;
  block_ref block = decode_block(in, false, bytes);
  return buffer_access::unique(std::move(block), bytes);
}
void codec<shared_buffer>::encode(writer& out, const shared_buffer& value) {
  encode_block(out, buffer_access::block(value), value.bytes());
}
shared_buffer codec<shared_buffer>::decode(reader& in) {
  std::span<std::byte> bytes;
  block_ref block = decode_block(in, true, bytes);
  return buffer_access::shared(std::move(block), bytes);
}

}  // namespace muster
