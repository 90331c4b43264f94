// SPDX-License-Identifier: MIT
//
// The built-in codecs; included by <muster/codec.hpp> only. As there: no state, the caller's thread.
//
// One rule holds for all containers: a size is followed by at least as many bytes as it counts elements.
// Elements that encode to nothing (an empty tuple) are made up for with padding after the last one. So a
// decoder can refuse every size that is larger than what is left, and what it allocates stays in proportion
// to what it was sent.
#pragma once

#include <muster/codec.hpp>

namespace muster {
namespace detail {

template <class T>
T decode_flat(reader& in) {
  std::array<std::byte, sizeof(T)> raw;
  in.read(raw.data(), sizeof(T));
  return std::bit_cast<T>(raw);
}

inline bool decode_bool(reader& in) {
  const auto value = decode_flat<unsigned char>(in);
  if (value > 1) refuse_bytes("a bool is neither true nor false");
  return value == 1;
}

/// Writes what is missing to `count` bytes since the writer had `before` bytes.
inline void pad(writer& out, std::size_t before, std::size_t count) {
  constexpr char zero = 0;
  for (std::size_t written = out.size() - before; written < count; ++written) out.write(&zero, 1);
}

inline void skip_padding(reader& in, std::size_t before, std::size_t count) {
  const std::size_t taken = before - in.remaining();
  if (taken < count) in.skip(count - taken);
}

/// Encodes each element of `values` after their number.
template <class Range, class Encode>
void encode_elements(writer& out, const Range& values, std::size_t count, Encode encode_one) {
  const writer::nested guard(out);
  out.write_size(count);
  const std::size_t before = out.size();
  for (const auto& value : values) encode_one(value);
  pad(out, before, count);
}

/// Calls `decode_one` for each element; `prepare(count)` first.
template <class Prepare, class Decode>
void decode_elements(reader& in, Prepare prepare, Decode decode_one) {
  const reader::nested guard(in);
  const std::size_t count = in.read_size();
  const std::size_t before = in.remaining();
  prepare(count);
  for (std::size_t i = 0; i < count; ++i) decode_one();
  skip_padding(in, before, count);
}

template <class T, std::size_t... I>
T decode_array(reader& in, std::index_sequence<I...>) {
  // Braces: the elements are decoded from left to right.
  return T{{(static_cast<void>(I), codec<typename T::value_type>::decode(in))...}};
}

}  // namespace detail

// Numbers, enums, and structs that opted in.

template <class T>
  requires detail::flat<T>
struct codec<T> {
  static_assert(
      std::is_trivially_copyable_v<T>,
      "muster: as_bytes<T> is true for a type that is not trivially copyable. Its bytes are not its value: "
      "give it a serialize() member and include <muster/cereal.hpp>, or specialise muster::codec<T>.");
  static_assert(
      !detail::shows_pointer<T>(),
      "muster: as_bytes<T> is true for a type that holds a pointer. A pointer means nothing in another "
      "process: send what it points to.");

  static void encode(writer& out, const T& value) { out.write(&value, sizeof(T)); }
  static T decode(reader& in) { return detail::decode_flat<T>(in); }
};

template <>
struct codec<bool> {
  static void encode(writer& out, const bool& value) {
    const auto byte = static_cast<unsigned char>(value ? 1 : 0);
    out.write(&byte, 1);
  }
  static bool decode(reader& in) { return detail::decode_bool(in); }
};

template <class T>
  requires(std::is_enum_v<T> && !detail::plain_enum<T>)
struct codec<T> {
  static void encode(writer& out, const T& value) { codec<bool>::encode(out, static_cast<bool>(value)); }
  static T decode(reader& in) { return static_cast<T>(detail::decode_bool(in)); }
};

// Strings and sequences.

template <class C, class Traits, class Allocator>
  requires detail::character<C>
struct codec<std::basic_string<C, Traits, Allocator>> {
  using string = std::basic_string<C, Traits, Allocator>;

  static void encode(writer& out, const string& value) { encode_view(out, value); }
  /// The same encoding without making a string first.
  static void encode_view(writer& out, std::basic_string_view<C, Traits> value) {
    out.write_size(value.size());
    out.write(value.data(), value.size() * sizeof(C));
  }
  static string decode(reader& in) {
    const std::size_t count = in.read_size(sizeof(C));
    if constexpr (std::same_as<C, char>) {
      return string(reinterpret_cast<const char*>(in.skip(count)), count);
    } else {
      string value(count, C());
      in.read(value.data(), count * sizeof(C));
      return value;
    }
  }
};

template <class T>
  requires detail::block_shape<T>
struct codec<T> {
  using element = typename T::value_type;

  static void encode(writer& out, const T& value) {
    codec_check();
    out.write_size(value.size());
    out.write(value.data(), value.size() * sizeof(element));
  }
  static T decode(reader& in) {
    codec_check();
    const std::size_t count = in.read_size(sizeof(element));
    const std::byte* from = in.skip(count * sizeof(element));
    T value;
    if constexpr (std::same_as<element, char> || std::same_as<element, unsigned char> ||
                  std::same_as<element, std::byte>) {
      // These may alias anything, so the elements need no zeroing before they are copied.
      const auto* first = reinterpret_cast<const element*>(from);
      value.assign(first, first + count);
    } else {
      value.resize(count);
      if (count != 0) std::memcpy(value.data(), from, count * sizeof(element));
    }
    return value;
  }

private:
  /// Brings the static_asserts of the element's codec to bear, which is not used otherwise.
  static constexpr void codec_check() { static_assert(sizeof(codec<element>) != 0); }
};

template <class T>
  requires detail::bits_shape<T>
struct codec<T> {
  static void encode(writer& out, const T& value) {
    const auto count = static_cast<std::uint64_t>(value.size());
    out.write(&count, sizeof count);
    unsigned char byte = 0;
    unsigned used = 0;
    for (const bool bit : value) {
      byte = static_cast<unsigned char>(byte | ((bit ? 1u : 0u) << used));
      if (++used == 8) {
        out.write(&byte, 1);
        byte = 0;
        used = 0;
      }
    }
    if (used != 0) out.write(&byte, 1);
  }
  static T decode(reader& in) {
    // Eight elements to a byte: the one container whose size may exceed the bytes that follow.
    const auto count = detail::decode_flat<std::uint64_t>(in);
    if (count / 8 + (count % 8 != 0 ? 1 : 0) > in.remaining()) {
      detail::refuse_bytes("a size is larger than the bytes that follow it");
    }
    const auto size = static_cast<std::size_t>(count);
    const std::byte* from = in.skip(size / 8 + (size % 8 != 0 ? 1 : 0));
    T value(size);
    for (std::size_t i = 0; i < size; ++i) value[i] = (from[i / 8] >> (i % 8) & std::byte{1}) == std::byte{1};
    return value;
  }
};

template <class T>
  requires(detail::sequence_shape<T> && !detail::block_shape<T> && !detail::bits_shape<T> &&
           crosses<typename T::value_type>)
struct codec<T> {
  using element = typename T::value_type;

  static void encode(writer& out, const T& value) {
    detail::encode_elements(out, value, value.size(),
                            [&](const element& one) { codec<element>::encode(out, one); });
  }
  static T decode(reader& in) {
    T value;
    const auto prepare = [&](std::size_t count) {
      if constexpr (requires { value.reserve(count); }) {
        // A hostile size gets no more memory in advance than it sent bytes; an honest one grows into the
        // rest.
        const std::size_t affordable = in.remaining() / sizeof(element);
        value.reserve(count < affordable ? count : affordable);
      }
    };
    detail::decode_elements(in, prepare, [&] { value.push_back(codec<element>::decode(in)); });
    return value;
  }
};

template <class T>
  requires(detail::forward_shape<T> && crosses<typename T::value_type>)
struct codec<T> {
  using element = typename T::value_type;

  static void encode(writer& out, const T& value) {
    std::size_t count = 0;
    for (auto at = value.begin(); at != value.end(); ++at) ++count;
    detail::encode_elements(out, value, count, [&](const element& one) { codec<element>::encode(out, one); });
  }
  static T decode(reader& in) {
    T value;
    auto last = value.before_begin();
    detail::decode_elements(
        in, [](std::size_t) {}, [&] { last = value.insert_after(last, codec<element>::decode(in)); });
    return value;
  }
};

// Sets and maps.

template <class T>
  requires(detail::set_shape<T> && crosses<typename T::key_type>)
struct codec<T> {
  using key = typename T::key_type;

  static void encode(writer& out, const T& value) {
    detail::encode_elements(out, value, value.size(), [&](const key& one) { codec<key>::encode(out, one); });
  }
  static T decode(reader& in) {
    T value;
    detail::decode_elements(
        in, [](std::size_t) {}, [&] { value.emplace_hint(value.end(), codec<key>::decode(in)); });
    return value;
  }
};

template <class T>
  requires(detail::map_shape<T> && crosses<typename T::key_type> && crosses<typename T::mapped_type>)
struct codec<T> {
  using key = typename T::key_type;
  using mapped = typename T::mapped_type;

  static void encode(writer& out, const T& value) {
    detail::encode_elements(out, value, value.size(), [&](const typename T::value_type& one) {
      codec<key>::encode(out, one.first);
      codec<mapped>::encode(out, one.second);
    });
  }
  static T decode(reader& in) {
    T value;
    const auto decode_one = [&] {
      key first = codec<key>::decode(in);
      value.emplace_hint(value.end(), std::move(first), codec<mapped>::decode(in));
    };
    detail::decode_elements(in, [](std::size_t) {}, decode_one);
    return value;
  }
};

// Fixed groups.

template <class T, std::size_t N>
  requires crosses<T>
struct codec<std::array<T, N>> {
  static constexpr bool in_one_block = detail::flat<T> && std::default_initializable<T>;

  static void encode(writer& out, const std::array<T, N>& value) {
    if constexpr (in_one_block) {
      out.write(value.data(), N * sizeof(T));
    } else {
      for (const T& one : value) codec<T>::encode(out, one);
    }
  }
  static std::array<T, N> decode(reader& in) {
    if constexpr (in_one_block) {
      std::array<T, N> value;
      in.read(value.data(), N * sizeof(T));
      return value;
    } else if constexpr (std::default_initializable<T> && std::movable<T>) {
      std::array<T, N> value;
      for (T& one : value) one = codec<T>::decode(in);
      return value;
    } else {
      return detail::decode_array<std::array<T, N>>(in, std::make_index_sequence<N>());
    }
  }
};

template <class A, class B>
  requires(crosses<std::remove_const_t<A>> && crosses<std::remove_const_t<B>>)
struct codec<std::pair<A, B>> {
  static void encode(writer& out, const std::pair<A, B>& value) {
    muster::encode(out, value.first);
    muster::encode(out, value.second);
  }
  static std::pair<A, B> decode(reader& in) {
    return {codec<std::remove_const_t<A>>::decode(in), codec<std::remove_const_t<B>>::decode(in)};
  }
};

template <class... Ts>
  requires(crosses<Ts> && ...)
struct codec<std::tuple<Ts...>> {
  static void encode(writer& out, const std::tuple<Ts...>& value) {
    std::apply([&](const Ts&... each) { (codec<Ts>::encode(out, each), ...); }, value);
  }
  static std::tuple<Ts...> decode([[maybe_unused]] reader& in) {
    return std::tuple<Ts...>{codec<Ts>::decode(in)...};
  }
};

template <class T>
  requires crosses<T>
struct codec<std::optional<T>> {
  static void encode(writer& out, const std::optional<T>& value) {
    codec<bool>::encode(out, value.has_value());
    if (value.has_value()) codec<T>::encode(out, *value);
  }
  static std::optional<T> decode(reader& in) {
    if (!detail::decode_bool(in)) return std::nullopt;
    return std::optional<T>(std::in_place, codec<T>::decode(in));
  }
};

template <>
struct codec<std::monostate> {
  static void encode(writer&, const std::monostate&) {}
  static std::monostate decode(reader&) { return {}; }
};

template <class... Ts>
  requires(crosses<Ts> && ...)
struct codec<std::variant<Ts...>> {
  using variant = std::variant<Ts...>;

  static void encode(writer& out, const variant& value) {
    if (value.valueless_by_exception())
      detail::refuse_value("a variant that lost its value cannot be encoded");
    const auto index = static_cast<std::uint16_t>(value.index());
    out.write(&index, sizeof index);
    std::visit([&](const auto& held) { muster::encode(out, held); }, value);
  }
  static variant decode(reader& in) { return decode_from<0>(in, detail::decode_flat<std::uint16_t>(in)); }

private:
  template <std::size_t I>
  static variant decode_from(reader& in, std::size_t index) {
    if constexpr (I == sizeof...(Ts)) {
      detail::refuse_bytes("a variant has no alternative of that number");
    } else {
      if (index != I) return decode_from<I + 1>(in, index);
      return variant(std::in_place_index<I>, codec<std::variant_alternative_t<I, variant>>::decode(in));
    }
  }
};

// Descriptors go beside the bytes; among these is only whether there is one.

template <>
struct codec<unique_fd> {
  /// The value keeps its descriptor, what is sent is a duplicate. Throws std::system_error where there can be
  /// none.
  static void encode(writer& out, const unique_fd& value) {
    codec<bool>::encode(out, static_cast<bool>(value));
    if (value) out.add(unique_fd::duplicate_of(value.get()));
  }
  static unique_fd decode(reader& in) { return detail::decode_bool(in) ? in.take_handle() : unique_fd(); }
};

// Other standard types.

template <class T>
  requires(detail::owner_shape<T> && crosses<std::remove_const_t<typename T::element_type>>)
struct codec<T> {
  using element = std::remove_const_t<typename T::element_type>;

  static void encode(writer& out, const T& value) {
    const writer::nested guard(out);
    codec<bool>::encode(out, value != nullptr);
    if (value != nullptr) codec<element>::encode(out, *value);
  }
  static T decode(reader& in) {
    const reader::nested guard(in);
    if (!detail::decode_bool(in)) return T();
    return T(new element(codec<element>::decode(in)));
  }
};

template <class T>
  requires(detail::duration_shape<T> && crosses<typename T::rep>)
struct codec<T> {
  static void encode(writer& out, const T& value) { muster::encode(out, value.count()); }
  static T decode(reader& in) { return T(codec<typename T::rep>::decode(in)); }
};

template <class T>
  requires(detail::time_point_shape<T> && crosses<typename T::duration>)
struct codec<T> {
  static void encode(writer& out, const T& value) { muster::encode(out, value.time_since_epoch()); }
  static T decode(reader& in) { return T(codec<typename T::duration>::decode(in)); }
};

template <class T>
  requires detail::path_shape<T>
struct codec<T> {
  static void encode(writer& out, const T& value) { muster::encode(out, value.native()); }
  static T decode(reader& in) { return T(codec<typename T::string_type>::decode(in)); }
};

}  // namespace muster
