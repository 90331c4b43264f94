// SPDX-License-Identifier: MIT
//
// Optional: lets every type cross into another process for which cereal has a serialisation (a member or free
// serialize(), save()/load(), save_minimal()/load_minimal()). The only header of muster that includes cereal.
// Include it before the first call that sends such a type; members that muster can encode itself (strings,
// containers, optional …) need no cereal header. The archives live on the stack of one encode or decode and
// belong to its thread.
//
// A type whose std::shared_ptrs can lead back to the object itself crosses too, but a hostile worker can send
// one that does, and nobody ever frees that: let such a type point back by std::weak_ptr, or own by
// std::unique_ptr.
#pragma once

#include <limits>

#include <cereal/cereal.hpp>
#include <cereal/types/base_class.hpp>
#include <cereal/types/common.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/string.hpp>

#include <muster/codec.hpp>

namespace muster::detail {

/// T has a codec that is not cereal's.
template <class T>
concept crosses_alone = crosses<T> && !requires { typename codec<T>::by_cereal; };

struct archive_slot {
  template <class Stream>
  static void*& of(Stream& stream) {
    return stream.archive_;
  }
};

/// Takes what a user's serialisation names, and hands it to muster's codec where there is one, else to
/// cereal.
class output_archive : public cereal::OutputArchive<output_archive, cereal::AllowEmptyClassElision> {
  using base = cereal::OutputArchive<output_archive, cereal::AllowEmptyClassElision>;

public:
  explicit output_archive(writer& out) : base(this), out_(out) {}

  template <class... Ts>
  output_archive& operator()(Ts&&... values) {
    (save_one(static_cast<Ts&&>(values)), ...);
    return *this;
  }
  template <class T>
  output_archive& operator&(T&& value) {
    return (*this)(static_cast<T&&>(value));
  }
  template <class T>
  output_archive& operator<<(T&& value) {
    return (*this)(static_cast<T&&>(value));
  }

  writer& out() noexcept { return out_; }

  void saveBinary(const void* from, std::size_t count) { out_.write(from, count); }

private:
  template <class T>
  void save_one(T&& value) {
    using value_type = std::remove_cvref_t<T>;
    if constexpr (crosses_alone<value_type>) {
      codec<value_type>::encode(out_, value);
    } else {
      const writer::nested guard(out_);
      base::operator()(static_cast<T&&>(value));
    }
  }

  writer& out_;
};

class input_archive : public cereal::InputArchive<input_archive, cereal::AllowEmptyClassElision> {
  using base = cereal::InputArchive<input_archive, cereal::AllowEmptyClassElision>;

public:
  explicit input_archive(reader& in) : base(this), in_(in) {}

  template <class... Ts>
  input_archive& operator()(Ts&&... values) {
    (load_one(static_cast<Ts&&>(values)), ...);
    return *this;
  }
  template <class T>
  input_archive& operator&(T&& value) {
    return (*this)(static_cast<T&&>(value));
  }
  template <class T>
  input_archive& operator>>(T&& value) {
    return (*this)(static_cast<T&&>(value));
  }

  reader& in() noexcept { return in_; }

  void loadBinary(void* to, std::size_t count) { in_.read(to, count); }

private:
  template <class T>
  void load_one(T&& value) {
    using value_type = std::remove_cvref_t<T>;
    if constexpr (crosses_alone<value_type>) {
      value = codec<value_type>::decode(in_);
    } else {
      const reader::nested guard(in_);
      base::operator()(static_cast<T&&>(value));
    }
  }

  reader& in_;
};

// What cereal itself hands to an archive. Found by argument-dependent lookup.

template <class T>
  requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& archive, const T& value) {
  codec<T>::encode(archive.out(), value);
}

template <class T>
  requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& archive, T& value) {
  value = codec<T>::decode(archive.in());
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& archive, const cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}

template <class T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& archive, const cereal::SizeTag<T>& tag) {
  archive.out().write_size(static_cast<std::size_t>(tag.size));
}

/// cereal allocates for the size it is given, so one that cannot be true ends here.
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& archive, cereal::SizeTag<T>& tag) {
  tag.size = static_cast<std::remove_reference_t<T>>(archive.in().read_size());
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& archive, const cereal::BinaryData<T>& data) {
  archive.saveBinary(data.data, static_cast<std::size_t>(data.size));
}

template <class T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& archive, cereal::BinaryData<T>& data) {
  if (data.size > std::numeric_limits<std::size_t>::max()) refuse_bytes("a size is larger than the memory");
  archive.loadBinary(data.data, static_cast<std::size_t>(data.size));
}

/// Runs `step(archive)` with the archive of this message, or a new one when this value is the outermost. One
/// archive a message lets cereal keep its books: an object that two shared_ptrs share is sent once and shared
/// again.
template <class Archive, class Stream, class Step>
void with_archive(Stream& stream, Step step) {
  void*& slot = archive_slot::of(stream);
  if (slot != nullptr) {
    step(*static_cast<Archive*>(slot));
    return;
  }
  struct slot_guard {
    void*& held;
    ~slot_guard() { held = nullptr; }
  };
  Archive archive(stream);
  slot = &archive;
  const slot_guard guard{slot};
  step(archive);
}

/// cereal takes a smart pointer to anything, and finds out later. What a polymorphic one owns is cereal's to
/// know.
template <class T>
consteval bool owns_nothing_strange() {
  if constexpr (requires { typename T::element_type; } && in_std<T>()) {
    using element = std::remove_const_t<typename T::element_type>;
    return crosses<element> || std::is_abstract_v<element>;
  } else {
    return true;
  }
}

template <class T>
concept by_cereal_alone = !built_in<T> && owns_nothing_strange<T>() && !std::is_pointer_v<T> &&
                          !std::is_reference_v<T> && std::default_initializable<T> && std::movable<T> &&
                          cereal::traits::is_output_serializable<T, output_archive>::value &&
                          cereal::traits::is_input_serializable<T, input_archive>::value;

}  // namespace muster::detail

CEREAL_REGISTER_ARCHIVE(muster::detail::output_archive)
CEREAL_REGISTER_ARCHIVE(muster::detail::input_archive)
CEREAL_SETUP_ARCHIVE_TRAITS(muster::detail::input_archive, muster::detail::output_archive)

namespace muster {

template <class T>
  requires detail::by_cereal_alone<T>
struct codec<T> {
  using by_cereal = void;

  static void encode(writer& out, const T& value) {
    detail::with_archive<detail::output_archive>(out,
                                                 [&](detail::output_archive& archive) { archive(value); });
  }

  static T decode(reader& in) {
    T value{};
    try {
      detail::with_archive<detail::input_archive>(in,
                                                  [&](detail::input_archive& archive) { archive(value); });
    } catch (const cereal::Exception& problem) {
      throw decode_error(problem.what());
    }
    return value;
  }
};

}  // namespace muster
