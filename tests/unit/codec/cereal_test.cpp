// SPDX-License-Identifier: MIT
//
// Types with a cereal serialisation cross, alone and inside everything that muster encodes itself.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <stack>
#include <vector>

#include <cereal/types/deque.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/polymorphic.hpp>
#include <cereal/types/stack.hpp>
#include <cereal/types/vector.hpp>

#include <muster/cereal.hpp>

namespace {

template <class T>
T round_trip(const T& value) {
  static_assert(muster::crosses<T>);
  muster::writer out;
  muster::encode(out, value);
  muster::reader in(out.bytes());
  T copy = muster::decode<T>(in);
  in.finish();
  return copy;
}

struct photo {
  std::string name;
  std::vector<int> pixels;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, pixels);
  }
  bool operator==(const photo&) const = default;
};

struct album {
  std::map<std::string, photo> photos;
  std::optional<photo> cover;
  int ratings[3] = {};
  bool open = false;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(CEREAL_NVP(photos), cereal::make_nvp("cover", cover));
    archive & ratings & open;
  }
  bool operator==(const album&) const = default;
};

struct split {
  int value = 0;
  template <class Archive>
  void save(Archive& archive) const {
    archive(value + 1);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(value);
    --value;
  }
  bool operator==(const split&) const = default;
};

struct minimal {
  std::string text;
  template <class Archive>
  std::string save_minimal(const Archive&) const {
    return text;
  }
  template <class Archive>
  void load_minimal(const Archive&, const std::string& from) {
    text = from;
  }
  bool operator==(const minimal&) const = default;
};

struct outside {
  double value = 0;
  bool operator==(const outside&) const = default;
};
template <class Archive>
void serialize(Archive& archive, outside& value) {
  archive(value.value);
}

struct versioned {
  int value = 0;
  template <class Archive>
  void serialize(Archive& archive, const std::uint32_t version) {
    archive(value);
    seen = version;
  }
  std::uint32_t seen = 99;
};

class kept_private {
public:
  explicit kept_private(int value) : value_(value) {}
  kept_private() = default;
  bool operator==(const kept_private&) const = default;

private:
  friend class cereal::access;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value_);
  }
  int value_ = 0;
};

struct tree {
  int value = 0;
  std::vector<tree> children;
  std::unique_ptr<tree> next;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value, children, next);
  }
};

struct derived : photo {
  int extra = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::base_class<photo>(this), extra);
  }
  bool operator==(const derived&) const = default;
};

struct by_hand {
  int value = 0;
  bool operator==(const by_hand&) const = default;
};

struct holds_by_hand {
  by_hand inner;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(inner);
  }
};

struct animal {
  virtual ~animal() = default;
  virtual std::string sound() const = 0;
  template <class Archive>
  void serialize(Archive&) {}
};

struct cat : animal {
  int lives = 9;
  std::string sound() const override { return "miaow " + std::to_string(lives); }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::base_class<animal>(this), lives);
  }
};

}  // namespace

template <>
struct muster::codec<by_hand> {
  static void encode(writer& out, const by_hand& value) { muster::encode(out, value.value * 2); }
  static by_hand decode(reader& in) { return {muster::decode<int>(in) / 2}; }
};

CEREAL_CLASS_VERSION(versioned, 7)
CEREAL_REGISTER_TYPE(cat)

namespace {

TEST(cereal, a_member_serialize_is_enough) {
  const photo value{"cat.jpg", {1, 2, 3}};
  EXPECT_EQ(round_trip(value), value);
  EXPECT_EQ(round_trip(std::vector<photo>{value, {}, value}), (std::vector<photo>{value, {}, value}));
}

TEST(cereal, values_nest_in_containers_and_in_each_other) {
  const album value{{{"a", {"cat.jpg", {1}}}, {"b", {}}}, photo{"dog.jpg", {}}, {1, 2, 3}, true};
  EXPECT_EQ(round_trip(value), value);
  EXPECT_EQ(round_trip(std::map<int, album>{{1, value}}).at(1), value);
}

TEST(cereal, every_way_to_serialise_works) {
  EXPECT_EQ(round_trip(split{4}), split{4});
  EXPECT_EQ(round_trip(minimal{"cat"}), minimal{"cat"});
  EXPECT_EQ(round_trip(outside{1.5}), outside{1.5});
  EXPECT_EQ(round_trip(kept_private(4)), kept_private(4));
  EXPECT_EQ(round_trip(versioned{4, 99}).seen, 7u);
  derived value;
  value.name = "cat";
  value.extra = 3;
  EXPECT_EQ(round_trip(value), value);
}

TEST(cereal, a_codec_of_the_user_is_used_inside_too) {
  muster::writer out;
  muster::encode(out, holds_by_hand{{21}});
  muster::reader in(out.bytes());
  EXPECT_EQ(muster::decode<int>(in), 42);
  EXPECT_EQ(round_trip(holds_by_hand{{21}}).inner.value, 21);
}

TEST(cereal, types_that_only_cereal_knows_cross) {
  std::stack<int> value;
  value.push(1);
  value.push(2);
  EXPECT_EQ(round_trip(value), value);
  EXPECT_EQ(*round_trip(std::make_shared<photo>(photo{"cat", {}})), (photo{"cat", {}}));
}

struct shared_pair {
  std::vector<std::shared_ptr<photo>> both;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(both);
  }
};

TEST(cereal, what_two_shared_pointers_share_is_still_shared_when_it_arrives) {
  const auto one = std::make_shared<photo>(photo{"cat", {}});
  const shared_pair copy = round_trip(shared_pair{{one, one}});
  EXPECT_EQ(copy.both.at(0)->name, "cat");
  EXPECT_EQ(copy.both.at(0), copy.both.at(1));
}

TEST(cereal, a_registered_derived_class_arrives_as_itself) {
  std::unique_ptr<animal> value = std::make_unique<cat>();
  EXPECT_EQ(round_trip(value)->sound(), "miaow 9");
}

TEST(cereal, trees_come_back) {
  tree root{1, {}, nullptr};
  root.children.push_back(tree{2, {}, nullptr});
  root.next = std::make_unique<tree>(tree{3, {}, nullptr});
  const tree copy = round_trip(root);
  EXPECT_EQ(copy.children.at(0).value, 2);
  EXPECT_EQ(copy.next->value, 3);
}

TEST(cereal, a_tree_that_is_too_deep_is_refused_where_it_is_sent) {
  auto root = std::make_unique<tree>();
  for (int depth = 0; depth < 2000; ++depth) {
    auto parent = std::make_unique<tree>();
    parent->next = std::move(root);
    root = std::move(parent);
  }
  muster::writer out;
  EXPECT_THROW(muster::encode(out, root), muster::encode_error);
}

static_assert(!muster::crosses<std::shared_ptr<std::pair<int*, int>>>);

}  // namespace
