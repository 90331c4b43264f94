// SPDX-License-Identifier: MIT
//
// The types of a function as text: `(string, i32) -> string`. A type's text determines its encoding, so two
// programs that agree on a signature understand each other's bytes, and the command can build them from JSON.
// Texts are made once a type and program, on the thread that first asks. docs/guide/modules.md has the
// grammar.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <muster/call.hpp>
#include <muster/fields.hpp>

namespace muster::detail {

/// The structs whose text is being written, innermost first. One that holds itself would have no end.
struct open_type {
  std::string_view name;
  const open_type* outer;
};

template <class T>
void append_type(std::string& out, const open_type* open);

inline void append_number(std::string& out, unsigned long long number) { out += std::to_string(number); }

/// The name of T as the compiler spells it, without the spaces that compilers disagree on around > and *.
template <class T>
void append_opaque(std::string& out) {
  std::string_view name = name_of<T>();
  // g++ says "[with T = ...; std::string_view = ...]", clang "[T = ...]".
  const std::size_t more = name.find("; std::string_view = ");
  name = name.substr(0, more != std::string_view::npos ? more : name.size() - 1);
  out += "opaque<";
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char next = i + 1 < name.size() ? name[i + 1] : '\0';
    if (name[i] == ' ' && (next == '>' || next == '*' || next == '&')) continue;
    out += name[i];
  }
  out += ">";
}

template <class T>
void append_arithmetic(std::string& out) {
  if constexpr (std::same_as<T, bool>) {
    out += "bool";
  } else if constexpr (std::is_floating_point_v<T>) {
    if constexpr (std::numeric_limits<T>::digits == 24)
      out += "f32";
    else if constexpr (std::numeric_limits<T>::digits == 53)
      out += "f64";
    else
      append_opaque<T>(out);
  } else if constexpr (sizeof(T) <= 8) {
    out += std::is_signed_v<T> ? 'i' : 'u';
    append_number(out, sizeof(T) * 8);
  } else {
    append_opaque<T>(out);
  }
}

/// "i64 ms": the representation and the unit of a duration.
template <class Duration>
void append_ticks(std::string& out, const open_type* open) {
  append_type<typename Duration::rep>(out, open);
  constexpr auto num = Duration::period::num;
  constexpr auto den = Duration::period::den;
  if constexpr (num == 1 && den == 1'000'000'000)
    out += " ns";
  else if constexpr (num == 1 && den == 1'000'000)
    out += " us";
  else if constexpr (num == 1 && den == 1'000)
    out += " ms";
  else if constexpr (num == 1 && den == 1)
    out += " s";
  else if constexpr (num == 60 && den == 1)
    out += " min";
  else if constexpr (num == 3600 && den == 1)
    out += " h";
  else if constexpr (num == 86400 && den == 1)
    out += " d";
  else
    out += " " + std::to_string(num) + "/" + std::to_string(den);
}

/// std::map and std::unordered_map, but not those with several values a key: these are lists of pairs.
template <class T>
concept unique_map_shape = map_shape<T> && requires(T& t, const typename T::key_type& k) { t.at(k); };

/// A word that begins a type, which a field of that name must not be mistaken for.
inline bool is_type_word(std::string_view word) {
  static constexpr std::string_view words[] = {"bool",  "i8",   "i16",      "i32",  "i64",  "u8",
                                               "u16",   "u32",  "u64",      "f32",  "f64",  "string",
                                               "bytes", "bits", "duration", "time", "null", "opaque"};
  for (const std::string_view each : words) {
    if (each == word) return true;
  }
  return false;
}

/// A word as it is, anything else in quotes.
inline void append_field_name(std::string& out, std::string_view name) {
  bool plain = !name.empty() && !is_type_word(name) && !(name[0] >= '0' && name[0] <= '9');
  for (const char c : name) {
    plain = plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_');
  }
  if (plain) {
    out += name;
    return;
  }
  out += '"';
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

template <class T>
void append_fields(std::string& out, const open_type* open) {
  for (const open_type* each = open; each != nullptr; each = each->outer) {
    if (each->name == name_of<T>()) return append_opaque<T>(out);
  }
  const open_type self{name_of<T>(), open};
  [[maybe_unused]] const char* separator = "";
  [[maybe_unused]] const auto append_one =
      [&]<class Owner, class Value>(const named_field<Owner, Value>& each) {
        out += separator;
        append_field_name(out, each.name);
        out += ": ";
        append_type<Value>(out, &self);
        separator = ", ";
      };
  out += "{";
  std::apply([&](const auto&... each) { (append_one(each), ...); }, fields<T>::list);
  out += "}";
}

/// The standard templates with a fixed number of parts.
template <class T>
struct group_text;

template <class... Ts>
void append_group(std::string& out, [[maybe_unused]] const open_type* open, const char* between,
                  const char* after_one) {
  std::size_t written = 0;
  out += "(";
  ((out += written++ == 0 ? "" : between, append_type<Ts>(out, open)), ...);
  if (written == 1) out += after_one;
  out += ")";
}

template <class T, std::size_t N>
struct group_text<std::array<T, N>> {
  static void append(std::string& out, const open_type* open) {
    out += "[";
    append_type<T>(out, open);
    out += "; ";
    append_number(out, N);
    out += "]";
  }
};
template <class A, class B>
struct group_text<std::pair<A, B>> {
  static void append(std::string& out, const open_type* open) { append_group<A, B>(out, open, ", ", ","); }
};
template <class... Ts>
struct group_text<std::tuple<Ts...>> {
  static void append(std::string& out, const open_type* open) { append_group<Ts...>(out, open, ", ", ","); }
};
template <class... Ts>
struct group_text<std::variant<Ts...>> {
  static void append(std::string& out, const open_type* open) { append_group<Ts...>(out, open, " | ", " |"); }
};
template <class T>
struct group_text<std::optional<T>> {
  static void append(std::string& out, const open_type* open) {
    out += "?";
    append_type<T>(out, open);
  }
};
template <>
struct group_text<std::monostate> {
  static void append(std::string& out, const open_type*) { out += "null"; }
};

template <class T>
void append_sequence(std::string& out, const open_type* open) {
  if constexpr (block_shape<T> && std::same_as<typename T::value_type, std::byte>) {
    out += "bytes";
  } else if constexpr (bits_shape<T>) {
    out += "bits";
  } else {
    out += "[";
    append_type<typename T::value_type>(out, open);
    out += "]";
  }
}

/// A time that means the same to everyone; those of other clocks are known only by their type.
template <class T>
consteval bool calendar_time() {
  if constexpr (time_point_shape<T>) {
    return name_of<typename T::clock>().find("system_clock") != std::string_view::npos;
  } else {
    return false;
  }
}

/// A string of characters wider than char: a list of its units.
template <class Unit>
void append_units(std::string& out, const open_type* open) {
  out += "[";
  append_type<Unit>(out, open);
  out += "]";
}

/// What T is, in the order in which the codecs decide it.
template <class T>
void append_class(std::string& out, const open_type* open) {
  if constexpr (!std::is_void_v<owner_of<T>>) {
    append_type<owner_of<T>>(out, open);
  } else if constexpr (opted_in<T>) {
    append_opaque<T>(out);
  } else if constexpr (listed<T>) {
    append_fields<T>(out, open);
  } else if constexpr (complex_shape<T>) {
    append_group<typename T::value_type, typename T::value_type>(out, open, ", ", "");
  } else if constexpr (is_string<T>) {
    if constexpr (std::same_as<typename T::value_type, char>)
      out += "string";
    else
      append_units<typename T::value_type>(out, open);
  } else if constexpr (is_fixed_template<T>) {
    group_text<T>::append(out, open);
  } else if constexpr (unique_map_shape<T>) {
    out += "{";
    append_type<typename T::key_type>(out, open);
    out += ": ";
    append_type<typename T::mapped_type>(out, open);
    out += "}";
  } else if constexpr (sequence_shape<T> || forward_shape<T> || set_shape<T> || map_shape<T>) {
    append_sequence<T>(out, open);
  } else if constexpr (duration_shape<T>) {
    out += "duration<";
    append_ticks<T>(out, open);
    out += ">";
  } else if constexpr (calendar_time<T>()) {
    out += "time<";
    append_ticks<typename T::duration>(out, open);
    out += ">";
  } else if constexpr (path_shape<T>) {
    append_type<typename T::string_type>(out, open);
  } else if constexpr (owner_shape<T>) {
    out += "?";
    append_type<typename T::element_type>(out, open);
  } else {
    append_opaque<T>(out);
  }
}

template <class T>
void append_type(std::string& out, const open_type* open) {
  using plain = std::remove_cv_t<T>;
  if constexpr (std::is_void_v<plain>) {
    out += "null";
  } else if constexpr (std::is_enum_v<plain>) {
    append_arithmetic<std::underlying_type_t<plain>>(out);
  } else if constexpr (std::is_arithmetic_v<plain>) {
    append_arithmetic<plain>(out);
  } else {
    append_class<plain>(out, open);
  }
}

/// The text of one type.
template <class T>
const std::string& type_text() {
  static const std::string text = [] {
    std::string made;
    append_type<T>(made, nullptr);
    return made;
  }();
  return text;
}

template <class Shape>
struct shape_text;

template <class R, injection Injected, class... Stored>
struct shape_text<call_shape<R, Injected, Stored...>> {
  static const std::string& get() {
    static const std::string text = [] {
      std::string made = "(";
      [[maybe_unused]] const char* separator = "";
      ((made += separator, append_type<Stored>(made, nullptr), separator = ", "), ...);
      made += ") -> ";
      append_type<R>(made, nullptr);
      return made;
    }();
    return text;
  }
};

}  // namespace muster::detail
