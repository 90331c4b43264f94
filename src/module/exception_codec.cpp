// SPDX-License-Identifier: MIT
#include "module/exception_codec.hpp"

#include <cxxabi.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <typeinfo>
#include <variant>

#include <muster/codec.hpp>
#include <muster/error.hpp>

#include "module/demangle.hpp"

namespace muster::module {
namespace {

/// What an exception of some standard type is made from on the other side.
struct parts {
  std::string text;
  std::error_code code;
};

using maker = std::exception_ptr (*)(const parts&);

template <class E>
std::exception_ptr make_with_text(const parts& from) {
  return std::make_exception_ptr(E(from.text));
}

template <class E>
std::exception_ptr make_plain(const parts&) {
  return std::make_exception_ptr(E());
}

/// The text of a system_error ends with the message of its code, which the constructor adds again. Nobody
/// would see what it adds behind a zero byte.
std::exception_ptr make_system_error(const parts& from) {
  std::string text = from.text.c_str();
  const std::string message = from.code.message();
  if (text == message) return std::make_exception_ptr(std::system_error(from.code));
  if (text.ends_with(": " + message)) text.resize(text.size() - message.size() - 2);
  return std::make_exception_ptr(std::system_error(from.code, text));
}

struct standard_type {
  const std::type_info* type;
  maker make;
};

/// The kinds that arrive as themselves: standard ones, and those of ours that arise in a worker. The number
/// of a row is what is sent: both sides are the same program.
const auto& standard_types() {
  static const std::array table = {
      standard_type{&typeid(std::system_error), make_system_error},
      standard_type{&typeid(std::runtime_error), make_with_text<std::runtime_error>},
      standard_type{&typeid(std::range_error), make_with_text<std::range_error>},
      standard_type{&typeid(std::overflow_error), make_with_text<std::overflow_error>},
      standard_type{&typeid(std::underflow_error), make_with_text<std::underflow_error>},
      standard_type{&typeid(std::logic_error), make_with_text<std::logic_error>},
      standard_type{&typeid(std::invalid_argument), make_with_text<std::invalid_argument>},
      standard_type{&typeid(std::domain_error), make_with_text<std::domain_error>},
      standard_type{&typeid(std::length_error), make_with_text<std::length_error>},
      standard_type{&typeid(std::out_of_range), make_with_text<std::out_of_range>},
      standard_type{&typeid(std::exception), make_plain<std::exception>},
      standard_type{&typeid(std::bad_exception), make_plain<std::bad_exception>},
      standard_type{&typeid(std::bad_alloc), make_plain<std::bad_alloc>},
      standard_type{&typeid(std::bad_array_new_length), make_plain<std::bad_array_new_length>},
      standard_type{&typeid(std::bad_cast), make_plain<std::bad_cast>},
      standard_type{&typeid(std::bad_typeid), make_plain<std::bad_typeid>},
      standard_type{&typeid(std::bad_weak_ptr), make_plain<std::bad_weak_ptr>},
      standard_type{&typeid(std::bad_function_call), make_plain<std::bad_function_call>},
      standard_type{&typeid(std::bad_optional_access), make_plain<std::bad_optional_access>},
      standard_type{&typeid(std::bad_variant_access), make_plain<std::bad_variant_access>},
      standard_type{&typeid(invalid_call), make_with_text<invalid_call>},
      standard_type{&typeid(muster::decode_error), make_with_text<muster::decode_error>},
      standard_type{&typeid(muster::encode_error), make_with_text<muster::encode_error>},
      standard_type{&typeid(muster::cancelled), make_with_text<muster::cancelled>},
  };
  return table;
}

constexpr std::uint8_t system_error_kind = 0;
constexpr std::uint8_t other_kind = 0xff;

enum class code_category : std::uint8_t { none, generic, system };

/// throw_with_nested throws a type of the library's own that derives from the user's. It stands for the
/// latter.
std::string without_nesting(std::string name) {
  constexpr std::string_view wrapper = "std::_Nested_exception<";
  if (!name.starts_with(wrapper) || !name.ends_with('>')) return name;
  name = name.substr(wrapper.size(), name.size() - wrapper.size() - 1);
  while (name.ends_with(' ')) name.pop_back();
  return name;
}

std::uint8_t kind_of(const std::exception& problem, std::string_view type_name) {
  const auto& table = standard_types();
  const bool nested = dynamic_cast<const std::nested_exception*>(&problem) != nullptr;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (typeid(problem) == *table[i].type || (nested && demangle(table[i].type->name()) == type_name)) {
      return static_cast<std::uint8_t>(i);
    }
  }
  // A filesystem_error's paths are in its text; with its code it is a system_error for all that a catch block
  // sees.
  if (type_name == "std::filesystem::__cxx11::filesystem_error" ||
      type_name == "std::filesystem::filesystem_error") {
    return system_error_kind;
  }
  return other_kind;
}

code_category category_of(const std::error_code& code) {
  if (code.category() == std::generic_category()) return code_category::generic;
  if (code.category() == std::system_category()) return code_category::system;
  return code_category::none;
}

std::string_view cut(std::string_view text, std::size_t limit) { return text.substr(0, limit); }

/// What can be said about the exception that is being handled.
std::string text_of_current() {
  try {
    throw;
  } catch (const std::exception& problem) {
    const char* text = problem.what();
    return text != nullptr ? std::string(cut(text, max_exception_text)) : std::string();
  } catch (const std::string& text) {
    return std::string(cut(text, max_exception_text));
  } catch (const char* text) {
    return text != nullptr ? std::string(cut(text, max_exception_text)) : std::string();
  } catch (int number) {
    return std::to_string(number);
  } catch (...) {
    return {};
  }
}

/// Appends the texts of the exceptions that this one was thrown with.
void append_nested(std::string& text, const std::exception& outer, int depth) {
  constexpr int max_depth = 32;
  const auto* nested = dynamic_cast<const std::nested_exception*>(&outer);
  if (nested == nullptr || nested->nested_ptr() == nullptr) return;
  if (depth == max_depth || text.size() >= max_exception_text) return;
  try {
    nested->rethrow_nested();
  } catch (const std::exception& inner) {
    text += "; caused by: " + text_of_current();
    append_nested(text, inner, depth + 1);
  } catch (...) {
    text += "; caused by: " + text_of_current();
  }
}

std::string type_name_of_current() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type != nullptr ? without_nesting(demangle(type->name())) : "an exception of another language";
}

void write_parts(writer& out, std::uint8_t kind, code_category category, int code, std::string_view type_name,
                 std::string_view text, std::string_view backtrace) {
  encode(out, kind);
  encode(out, category);
  encode(out, code);
  codec<std::string>::encode_view(out, cut(type_name, max_type_name));
  codec<std::string>::encode_view(out, cut(text, max_exception_text));
  codec<std::string>::encode_view(out, cut(backtrace, max_backtrace));
}

std::optional<std::error_code> make_code(code_category category, int value) {
  switch (category) {
    case code_category::generic: return std::error_code(value, std::generic_category());
    case code_category::system: return std::error_code(value, std::system_category());
    case code_category::none: break;
  }
  return std::nullopt;
}

}  // namespace

void encode_current_exception(writer& out, std::string_view backtrace) {
  const std::string type_name = type_name_of_current();
  std::string text = text_of_current();
  std::uint8_t kind = other_kind;
  code_category category = code_category::none;
  int code = 0;
  try {
    throw;
  } catch (const worker_error& problem) {  // a worker passes on what was thrown elsewhere
    return write_parts(out, other_kind, category, code, problem.type(), problem.text(), problem.backtrace());
  } catch (const std::exception& problem) {
    append_nested(text, problem, 0);
    kind = kind_of(problem, type_name);
    if (const auto* with_code = dynamic_cast<const std::system_error*>(&problem)) {
      category = category_of(with_code->code());
      code = with_code->code().value();
      // A category of the user's cannot be made over there.
      if (category == code_category::none) kind = other_kind;
    }
  } catch (...) {
    kind = other_kind;
  }
  write_parts(out, kind, category, code, type_name, text, backtrace);
}

std::expected<received_exception, std::string> decode_exception(std::span<const std::byte> bytes) try {
  reader in(bytes);
  const auto kind = decode<std::uint8_t>(in);
  const auto category = decode<code_category>(in);
  const auto code = decode<int>(in);
  received_exception received;
  received.type_name = cut(decode<std::string>(in), max_type_name);
  received.text = cut(decode<std::string>(in), max_exception_text);
  received.backtrace = cut(decode<std::string>(in), max_backtrace);
  in.finish();
  if (kind == other_kind) return received;
  const auto& table = standard_types();
  if (kind >= table.size()) return std::unexpected("an exception of unknown kind");
  parts from{received.text, {}};
  if (kind == system_error_kind) {
    const auto made = make_code(category, code);
    if (!made) return std::unexpected("a system_error without a known category");
    from.code = *made;
  }
  received.same_type = table[kind].make(from);
  return received;
} catch (const decode_error& problem) {
  return std::unexpected(std::string(problem.what()));
}

}  // namespace muster::module
