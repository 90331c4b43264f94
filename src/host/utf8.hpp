// SPDX-License-Identifier: MIT
#pragma once

// UTF-8 as JSON wants it (RFC 3629: no surrogates, nothing overlong). Plain functions; any thread.

#include <string>
#include <string_view>

namespace muster::host {

bool is_utf8(std::string_view text) noexcept;

// `code` up to 0x10ffff, and no surrogate.
void append_utf8(std::string& text, unsigned code);

}  // namespace muster::host
