// SPDX-License-Identifier: MIT
#include "base/socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

#include "base/assert.hpp"

namespace muster::base {
namespace {

constexpr std::size_t control_space = CMSG_SPACE(sizeof(int) * most_descriptors_in_a_message);

// Takes what came beside the bytes. Done before anything else is looked at, so that no path forgets to close
// it.
std::vector<file_descriptor> take_descriptors(msghdr& header) {
  std::vector<file_descriptor> result;
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
      result.emplace_back(descriptor);
    }
  }
  return result;
}

}  // namespace

std::expected<file_descriptor, os_error> above_standard(file_descriptor descriptor) {
  if (descriptor.get() > 2) return descriptor;
  const int moved = ::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 3);
  if (moved < 0) return std::unexpected(last_os_error("fcntl(F_DUPFD_CLOEXEC)"));
  return file_descriptor(moved);
}

std::expected<std::pair<file_descriptor, file_descriptor>, os_error> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return std::unexpected(last_os_error("socketpair"));
  file_descriptor low_first(ends[0]);
  file_descriptor low_second(ends[1]);
  auto first = above_standard(std::move(low_first));
  if (!first) return std::unexpected(first.error());
  auto second = above_standard(std::move(low_second));
  if (!second) return std::unexpected(second.error());
  return std::pair(std::move(*first), std::move(*second));
}

std::expected<void, os_error> send_message(int socket, std::span<const std::byte> bytes,
                                           std::span<const int> descriptors, wait waiting) {
  MUSTER_ASSERT(!bytes.empty());  // an empty message cannot be told from the end of the connection
  MUSTER_ASSERT(descriptors.size() <= most_descriptors_in_a_message);
  iovec data{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  const auto sent = send_some(socket, {&data, 1}, descriptors, waiting);
  if (!sent) return std::unexpected(sent.error());
  return {};
}

std::expected<std::size_t, os_error> send_some(int socket, std::span<iovec> pieces,
                                               std::span<const int> descriptors, wait waiting) {
  alignas(cmsghdr) std::byte control[control_space] = {};
  msghdr header{};
  header.msg_iov = pieces.data();
  header.msg_iovlen = pieces.size();
  if (!descriptors.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
  }
  const int flags = MSG_NOSIGNAL | (waiting == wait::no ? MSG_DONTWAIT : 0);
  ssize_t sent;
  do sent = ::sendmsg(socket, &header, flags);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return std::unexpected(last_os_error("sendmsg"));
  return static_cast<std::size_t>(sent);
}

std::expected<received_message, os_error> receive_message(int socket, std::span<std::byte> buffer,
                                                          std::size_t most_descriptors, wait waiting) {
  MUSTER_ASSERT(most_descriptors <= most_descriptors_in_a_message);
  iovec data{.iov_base = buffer.data(), .iov_len = buffer.size()};
  alignas(cmsghdr) std::byte control[control_space] = {};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const int flags = MSG_CMSG_CLOEXEC | (waiting == wait::no ? MSG_DONTWAIT : 0);
  ssize_t size;
  do size = ::recvmsg(socket, &header, flags);
  while (size < 0 && errno == EINTR);
  if (size < 0) return std::unexpected(last_os_error("recvmsg"));

  received_message result{.size = static_cast<std::size_t>(size), .descriptors = take_descriptors(header)};
  if ((header.msg_flags & MSG_TRUNC) != 0)
    return std::unexpected(os_error{.code = EMSGSIZE, .call = "recvmsg", .detail = "longer than the buffer"});
  if ((header.msg_flags & MSG_CTRUNC) != 0 || result.descriptors.size() > most_descriptors)
    return std::unexpected(os_error{.code = EMSGSIZE, .call = "recvmsg", .detail = "too many descriptors"});
  for (file_descriptor& descriptor : result.descriptors) {
    auto moved = above_standard(std::move(descriptor));
    if (!moved) return std::unexpected(moved.error());
    descriptor = std::move(*moved);
  }
  return result;
}

}  // namespace muster::base
