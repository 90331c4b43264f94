// SPDX-License-Identifier: MIT
// How deep values may nest: each level of the type counts once.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <muster/fields.hpp>

namespace {
struct tree {
  std::vector<tree> children;
};
struct chain {
  int value = 0;
  std::unique_ptr<chain> next;
};
}  // namespace
template <>
struct muster::fields<tree> {
  static constexpr auto list = std::make_tuple(muster::field("children", &tree::children));
};
template <>
struct muster::fields<chain> {
  static constexpr auto list =
      std::make_tuple(muster::field("value", &chain::value), muster::field("next", &chain::next));
};

namespace {

tree tree_of(int levels) {
  tree root;
  for (int i = 1; i < levels; ++i) {
    tree above;
    above.children.push_back(std::move(root));
    root = std::move(above);
  }
  return root;
}
int depth_of(const tree& root) { return root.children.empty() ? 1 : 1 + depth_of(root.children.front()); }

chain chain_of(int levels) {
  chain root;
  for (int i = 1; i < levels; ++i) root = {i, std::make_unique<chain>(std::move(root))};
  return root;
}

TEST(nesting, of_structs_in_containers_counts_each_level_once) {
  muster::writer out;
  muster::encode(out, tree_of(256));
  muster::reader in(out.bytes());
  EXPECT_EQ(depth_of(muster::decode<tree>(in)), 256);
  in.finish();
  EXPECT_THROW(muster::encode(out, tree_of(257)), muster::encode_error);
}

TEST(nesting, of_structs_in_pointers_counts_each_level_once) {
  muster::writer out;
  muster::encode(out, chain_of(256));
  muster::reader in(out.bytes());
  EXPECT_EQ(muster::decode<chain>(in).value, 255);
  in.finish();
  EXPECT_THROW(muster::encode(out, chain_of(257)), muster::encode_error);
}

TEST(nesting, that_is_too_deep_is_refused_where_it_is_read) {
  // A vector of one vector of one …, as a peer could write it who keeps no limits.
  muster::writer out;
  for (int i = 0; i < 300; ++i) out.write_size(1);
  out.write_size(0);
  muster::reader in(out.bytes());
  EXPECT_THROW(muster::decode<tree>(in), muster::decode_error);
}

}  // namespace
