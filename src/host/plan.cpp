// SPDX-License-Identifier: MIT
#include "host/plan.hpp"

#include <span>

#include <muster/codec.hpp>

namespace muster::host {

std::string plan::title() const {
  std::string text;
  for (const std::string& word : command) text += (text.empty() ? "" : " ") + word;
  if (!module.empty()) text += " " + module;
  constexpr std::size_t most = 200;
  if (text.size() > most) text = text.substr(0, most) + " ...";
  return text;
}

std::string to_bytes(const plan& what) {
  writer out;
  encode(out, what);
  const std::span<const std::byte> bytes = out.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

plan from_bytes(std::string_view bytes) {
  reader in(std::as_bytes(std::span(bytes)));
  auto result = decode<plan>(in);
  in.finish();
  return result;
}

}  // namespace muster::host
