// SPDX-License-Identifier: MIT
#include <muster/failing_options.hpp>

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

#include <muster/stats.hpp>

namespace muster {

std::string_view name(breaker_state state) noexcept {
  static constexpr std::string_view names[] = {"closed", "open", "half_open"};
  return names[static_cast<std::size_t>(state)];
}

bool error_kind::matches(const std::exception_ptr& error) const {
  if (!error) return false;
  if (catches_ != nullptr && catches_(error)) return true;
  try {
    std::rethrow_exception(error);
  } catch (const worker_error& e) {
    if (code_) return *code_ == e.code();
    const std::unique_ptr<char, void (*)(void*)> readable(
        abi::__cxa_demangle(type_->name(), nullptr, nullptr, nullptr), std::free);
    return readable && e.type() == readable.get();
  } catch (const muster::error& e) {
    return code_ && *code_ == e.code();
  } catch (...) {
    return false;
  }
}

}  // namespace muster
