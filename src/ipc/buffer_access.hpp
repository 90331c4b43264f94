// SPDX-License-Identifier: MIT
// Makes the users' handles of blocks, and finds the block in one. No state.
#pragma once

#include <muster/buffer.hpp>

namespace muster::detail {

struct buffer_access {
  static buffer unique(block_ref block, std::span<std::byte> bytes) { return {std::move(block), bytes}; }
  static shared_buffer shared(block_ref block, std::span<const std::byte> bytes) {
    return {std::move(block), bytes};
  }
  static const block_ref& block(const buffer& of) { return of.block_; }
  static const block_ref& block(const shared_buffer& of) { return of.block_; }
};

}  // namespace muster::detail
