// SPDX-License-Identifier: MIT
//
// Values as JSON text and back, for calls of programs that are not C++ (see host.hpp). JSON is lossy: it has
// no NaN and no infinity, and not every number of 64 bits survives in every language; what it cannot hold is
// refused (encode_error, decode_error), not changed. Everything works on the caller's thread and keeps no
// state of its own.
//
//   bool                          true, false
//   integers, enums               a number in their range (5.0 is an integer)
//   float, double                 a number that is finite
//   strings, filesystem::path     a string; one that is not UTF-8 is refused
//   std::vector<std::byte>        bytes that travel beside the text, see `json`
//   sequences, sets, std::array   an array
//   pair, tuple                   an array of that length
//   maps with string keys         an object; other maps an array of [key, value]
//   optional                      null, or the value
//   structs with muster::fields   an object with these keys; optional ones may be missing, others are ignored
//   durations                     a number of their units
//   muster::json                  whatever it holds
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <muster/codec.hpp>
#include <muster/error.hpp>
#include <muster/fields.hpp>

namespace muster {

/// Text that is one JSON value, and the bytes beside it: {"$bytes": n} in the text stands for attachments[n].
/// As an argument or result it is passed through as it is, so that a JSON library of your own can make it.
struct json {
  std::string text = "null";
  std::vector<std::vector<std::byte>> attachments{};
};

template <>
struct fields<json> {
  static constexpr auto list =
      std::make_tuple(field("text", &json::text), field("attachments", &json::attachments));
};

/// What kind of value comes next; `none` at the end of the text.
enum class json_kind : std::uint8_t { null, boolean, number, string, array, object, none };

/// Reads JSON text value by value. What is not JSON (RFC 8259, in UTF-8) is a decode_error that says where.
class json_reader {
public:
  /// Both must outlive it.
  explicit json_reader(std::string_view text, std::span<const std::vector<std::byte>> attachments = {})
      : text_(text), attachments_(attachments) {}
  explicit json_reader(const json& value) : json_reader(value.text, value.attachments) {}

  [[nodiscard]] json_kind kind();
  void null();
  bool boolean();
  /// The number as it is written.
  std::string_view number();
  /// Throws decode_error where it holds half a surrogate pair, which is no text.
  std::string string();
  /// {"$bytes": n}
  const std::vector<std::byte>& attachment();

  /// Calls `each()` for each element of an array, which has to read it.
  template <class F>
  void array(F each) {
    begin('[', json_kind::array);
    for (bool first = true; more(']', first); first = false) each();
    --depth_;
  }
  /// Calls `each(key)` for each member of an object, which has to read its value.
  template <class F>
  void object(F each) {
    begin('{', json_kind::object);
    for (bool first = true; more('}', first); first = false) {
      const std::string key = string();
      colon();
      each(key);
    }
    --depth_;
  }

  /// Checks one value, however deep, and gives its text.
  std::string_view skip();
  /// Nothing may be left.
  void finish();

  [[noreturn]] void refuse(const std::string& why) const;
  /// Refuses what comes next because it is not `wanted`.
  [[noreturn]] void refuse_next(std::string_view wanted);
  [[nodiscard]] std::span<const std::vector<std::byte>> attachments() const noexcept { return attachments_; }

private:
  void begin(char bracket, json_kind wanted);
  bool more(char end, bool first);
  void colon();
  void space() noexcept;
  void expect(json_kind wanted);
  void word(std::string_view letters);
  void check_string();
  void check_number();
  void escape(std::string* into);
  unsigned hex4();

  std::string_view text_;
  std::span<const std::vector<std::byte>> attachments_;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
};

/// Writes JSON text. Commas are the caller's.
class json_writer {
public:
  json value{.text = {}, .attachments = {}};

  void raw(std::string_view text) { value.text += text; }
  void string(std::string_view text);  ///< Throws encode_error where it is not UTF-8.
  void number(double number);          ///< Throws encode_error where it is not finite.
  template <std::integral T>
  void number(T number) {
    value.text += std::to_string(number);
  }
  void bytes(std::vector<std::byte> attachment) {
    value.text += "{\"$bytes\":" + std::to_string(value.attachments.size()) + "}";
    value.attachments.push_back(std::move(attachment));
  }
};

namespace detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t N>
inline constexpr bool is_std_array<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_group = false;
template <class A, class B>
inline constexpr bool is_group<std::pair<A, B>> = true;
template <class... Ts>
inline constexpr bool is_group<std::tuple<Ts...>> = true;
template <class T>
inline constexpr bool no_json_form = false;

template <class T>
void write_json(json_writer& out, const T& value);
template <class T>
T read_json(json_reader& in);

template <class Range, class F>
void write_list(json_writer& out, char open, char close, const Range& values, F each) {
  out.raw({&open, 1});
  bool first = true;
  for (const auto& one : values) {
    if (!std::exchange(first, false)) out.raw(",");
    each(one);
  }
  out.raw({&close, 1});
}

template <class T>
void write_map(json_writer& out, const T& value) {
  if constexpr (std::same_as<typename T::key_type, std::string>) {
    write_list(out, '{', '}', value, [&](const auto& one) {
      out.string(one.first);
      out.raw(":");
      write_json(out, one.second);
    });
  } else {
    write_list(out, '[', ']', value, [&](const auto& one) {
      out.raw("[");
      write_json(out, one.first);
      out.raw(",");
      write_json(out, one.second);
      out.raw("]");
    });
  }
}

template <class T>
void write_fields(json_writer& out, const T& value) {
  out.raw("{");
  bool first = true;
  const auto one = [&](const auto& field) {
    if (!std::exchange(first, false)) out.raw(",");
    out.string(field.name);
    out.raw(":");
    write_json(out, value.*(field.member));
  };
  std::apply([&](const auto&... each) { (one(each), ...); }, fields<T>::list);
  out.raw("}");
}

void write_nested(json_writer& out, const json& value);

template <class T>
void write_json(json_writer& out, const T& value) {
  if constexpr (std::same_as<T, json>) {
    write_nested(out, value);
  } else if constexpr (std::same_as<T, bool>) {
    out.raw(value ? "true" : "false");
  } else if constexpr (std::is_same_v<T, std::nullptr_t> || std::same_as<T, std::monostate>) {
    out.raw("null");
  } else if constexpr (std::is_integral_v<T>) {
    out.number(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    out.number(static_cast<double>(value));
  } else if constexpr (std::is_enum_v<T>) {
    out.number(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    out.string(value);
  } else if constexpr (path_shape<T>) {
    out.string(value.native());
  } else if constexpr (std::same_as<T, std::vector<std::byte>>) {
    out.bytes(value);
  } else if constexpr (is_optional<T>) {
    if (value)
      write_json(out, *value);
    else
      out.raw("null");
  } else if constexpr (listed<T>) {
    write_fields(out, value);
  } else if constexpr (map_shape<T>) {
    write_map(out, value);
  } else if constexpr (sequence_shape<T>) {
    write_list(out, '[', ']', value, [&](const auto& one) { write_json<typename T::value_type>(out, one); });
  } else if constexpr (set_shape<T> || is_std_array<T>) {
    write_list(out, '[', ']', value, [&](const auto& one) { write_json(out, one); });
  } else if constexpr (is_group<T>) {
    out.raw("[");
    std::apply(
        [&](const auto&... each) {
          bool first = true;
          ((out.raw(std::exchange(first, false) ? "" : ","), write_json(out, each)), ...);
        },
        value);
    out.raw("]");
  } else if constexpr (duration_shape<T>) {
    write_json(out, value.count());
  } else {
    static_assert(no_json_form<T>,
                  "muster: this type has no JSON form. Numbers, strings, containers, std::optional, structs "
                  "with muster::fields and std::vector<std::byte> have one; or make the text yourself and "
                  "pass it as muster::json.");
  }
}

template <class T>
T read_number(json_reader& in) {
  if (in.kind() != json_kind::number) in.refuse_next("a number");
  const std::string_view text = in.number();
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  if constexpr (std::is_integral_v<T>) {
    T value{};
    if (const auto got = std::from_chars(begin, end, value); got.ec == std::errc() && got.ptr == end)
      return value;
  }
  double real = 0;
  const auto got = std::from_chars(begin, end, real);
  if (got.ec != std::errc() || !std::isfinite(real)) in.refuse(std::string(text) + " is out of range");
  if constexpr (std::is_integral_v<T>) {
    // 2^53 and more are not exact, so who writes them so has lost something already.
    constexpr double exact = 9007199254740992.0;
    const bool whole = std::floor(real) == real && std::fabs(real) < exact;
    if (!whole || !std::in_range<T>(static_cast<std::int64_t>(real)))
      in.refuse(std::string(text) + " is no integer from " + std::to_string(std::numeric_limits<T>::min()) +
                " to " + std::to_string(std::numeric_limits<T>::max()));
    return static_cast<T>(static_cast<std::int64_t>(real));
  } else {
    const T value = static_cast<T>(real);
    if (!std::isfinite(value)) in.refuse(std::string(text) + " is out of range");
    return value;
  }
}

template <class T>
void read_list(json_reader& in, T& into) {
  if (in.kind() != json_kind::array) in.refuse_next("an array");
  in.array([&] {
    if constexpr (requires { into.push_back(read_json<typename T::value_type>(in)); })
      into.push_back(read_json<typename T::value_type>(in));
    else
      into.insert(read_json<typename T::value_type>(in));
  });
}

template <class T>
T read_map(json_reader& in) {
  T value;
  if constexpr (std::same_as<typename T::key_type, std::string>) {
    if (in.kind() != json_kind::object) in.refuse_next("an object");
    in.object(
        [&](const std::string& key) { value.insert_or_assign(key, read_json<typename T::mapped_type>(in)); });
  } else {
    if (in.kind() != json_kind::array) in.refuse_next("an array of [key, value]");
    in.array([&] {
      auto one = read_json<std::pair<typename T::key_type, typename T::mapped_type>>(in);
      value.insert_or_assign(std::move(one.first), std::move(one.second));
    });
  }
  return value;
}

template <class T, std::size_t... I>
void read_group(json_reader& in, T& into, std::index_sequence<I...>) {
  if (in.kind() != json_kind::array) in.refuse_next("an array of " + std::to_string(sizeof...(I)));
  std::size_t at = 0;
  in.array([&] {
    const bool known =
        ((I == at ? (std::get<I>(into) = read_json<std::tuple_element_t<I, T>>(in), true) : false) || ...);
    if (!known) in.refuse("the array has more than " + std::to_string(sizeof...(I)) + " elements");
    ++at;
  });
  if (at != sizeof...(I))
    in.refuse("the array has " + std::to_string(at) + " elements of " + std::to_string(sizeof...(I)));
}

template <class T>
T read_fields(json_reader& in) {
  if (in.kind() != json_kind::object) in.refuse_next("an object");
  constexpr std::size_t count = std::tuple_size_v<std::remove_cvref_t<decltype(fields<T>::list)>>;
  T value{};
  bool seen[count + 1] = {};
  in.object([&](const std::string& key) {
    std::size_t at = 0;
    bool known = false;
    const auto one = [&](const auto& field) {
      using type = typename std::remove_cvref_t<decltype(field)>::value_type;
      if (!known && key == field.name) {
        value.*(field.member) = read_json<type>(in);
        known = seen[at] = true;
      }
      ++at;
    };
    std::apply([&](const auto&... each) { (one(each), ...); }, fields<T>::list);
    if (!known) static_cast<void>(in.skip());
  });
  std::size_t at = 0;
  const auto check = [&](const auto& field) {
    using type = typename std::remove_cvref_t<decltype(field)>::value_type;
    if (!seen[at++] && !is_optional<type>) in.refuse(std::string("the object lacks \"") + field.name + "\"");
  };
  std::apply([&](const auto&... each) { (check(each), ...); }, fields<T>::list);
  return value;
}

template <class T>
T read_json(json_reader& in) {
  if constexpr (std::same_as<T, json>) {
    const std::string_view text = in.skip();
    const auto beside = in.attachments();
    return {.text = std::string(text), .attachments = {beside.begin(), beside.end()}};
  } else if constexpr (std::same_as<T, bool>) {
    return in.boolean();
  } else if constexpr (std::same_as<T, std::monostate>) {
    in.null();
    return {};
  } else if constexpr (std::is_arithmetic_v<T>) {
    return read_number<T>(in);
  } else if constexpr (std::is_enum_v<T>) {
    return static_cast<T>(read_number<std::underlying_type_t<T>>(in));
  } else if constexpr (std::same_as<T, std::string> || path_shape<T>) {
    return T(in.string());
  } else if constexpr (std::same_as<T, std::vector<std::byte>>) {
    return in.attachment();
  } else if constexpr (is_optional<T>) {
    if (in.kind() != json_kind::null) return T(read_json<typename T::value_type>(in));
    in.null();
    return T();
  } else if constexpr (listed<T>) {
    return read_fields<T>(in);
  } else if constexpr (map_shape<T>) {
    return read_map<T>(in);
  } else if constexpr (sequence_shape<T> || set_shape<T>) {
    T value;
    read_list(in, value);
    return value;
  } else if constexpr (is_group<T> || is_std_array<T>) {
    T value{};
    read_group(in, value, std::make_index_sequence<std::tuple_size_v<T>>());
    return value;
  } else if constexpr (duration_shape<T>) {
    return T(read_number<typename T::rep>(in));
  } else {
    static_assert(no_json_form<T>,
                  "muster: this type has no JSON form. Numbers, strings, containers, std::optional, structs "
                  "with muster::fields and std::vector<std::byte> have one; or take muster::json and read "
                  "the text yourself.");
  }
}

}  // namespace detail

/// A value as JSON. Throws encode_error.
template <class T>
json to_json(const T& value) {
  json_writer out;
  detail::write_json(out, value);
  return std::move(out.value);
}

/// The value that the JSON is. Throws decode_error where it is not JSON, or not such a value.
template <class T>
T from_json(const json& value) {
  json_reader in(value);
  T result = detail::read_json<T>(in);
  in.finish();
  return result;
}

}  // namespace muster
