// SPDX-License-Identifier: MIT
#include "process/zygote_link.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/pidfd.hpp"
#include "base/process_info.hpp"
#include "base/socket.hpp"
#include "process/zygote_connection.hpp"

namespace muster::process {

std::expected<zygote_link, base::os_error> zygote_link::open(std::optional<std::string> program,
                                                             std::chrono::milliseconds ready_timeout) {
  auto line = attach_line(program, ready_timeout);
  if (!line) return std::unexpected(line.error());
  // Room for a burst of births; where the system grants less, spawn() says EAGAIN earlier.
  const int wanted = 1 << 20;
  ::setsockopt(line->socket.get(), SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  return zygote_link(std::move(line->socket), std::move(line->zygote), line->zygote_pid);
}

zygote_link::zygote_link(base::file_descriptor socket, std::shared_ptr<const base::file_descriptor> zygote,
                         pid_t zygote_pid)
    : socket_(std::move(socket)), zygote_(std::move(zygote)), zygote_pid_(zygote_pid), owner_(::getpid()) {}

zygote_link& zygote_link::operator=(zygote_link&& other) noexcept {
  if (this == &other) return *this;
  close_line();
  socket_ = std::move(other.socket_);
  zygote_ = std::move(other.zygote_);
  zygote_pid_ = other.zygote_pid_;
  owner_ = other.owner_;
  ending_ = other.ending_;
  lost_ = other.lost_;
  return *this;
}

zygote_link::~zygote_link() { close_line(); }

void zygote_link::close_line() {
  // Closing alone is not enough: a fork of the owner may hold a copy of the socket. In such a fork, the other
  // way round, the line is not ours to end.
  if (socket_ && owner_ == ::getpid()) ::shutdown(socket_.get(), SHUT_RDWR);
  socket_.reset();
}

std::expected<void, base::os_error> zygote_link::send(std::span<const std::byte> bytes,
                                                      std::span<const int> descriptors) {
  if (lost_ || ending_) {
    return std::unexpected(base::os_error{.code = EPIPE,
                                          .call = "order the zygote",
                                          .detail = lost_ ? "the zygote is gone" : "this line is ending"});
  }
  return base::send_message(socket_.get(), bytes, descriptors, base::wait::no);
}

std::expected<void, base::os_error> zygote_link::spawn(const spawn_request& request) {
  const auto descriptors = request.descriptors();
  if (std::ranges::any_of(descriptors, [](int descriptor) { return descriptor < 0; }))
    return std::unexpected(
        base::os_error{.code = EBADF, .call = "spawn a worker", .detail = "needs six descriptors"});
  const auto bytes = encode(request.birth);
  if (!bytes) return std::unexpected(bytes.error());
  return send(*bytes, descriptors);
}

void zygote_link::prepare() { static_cast<void>(send(encode(prepare_order{}), {})); }

std::expected<void, base::os_error> zygote_link::kill(std::uint32_t slot, std::uint64_t generation,
                                                      int signal) {
  return send(encode(kill_order{.slot = slot, .generation = generation, .signal = signal}), {});
}

std::optional<answer> zygote_link::next() {
  if (lost_) return lost{};
  std::array<std::byte, 8192>
      buffer;  // the longest answer is a start_failed, whose texts the zygote has shortened
  auto message = base::receive_message(socket_.get(), buffer, 1, base::wait::no);
  // A zygote that died with orders unread: what it had said before still lies behind this error.
  if (!message && message.error().code == ECONNRESET)
    message = base::receive_message(socket_.get(), buffer, 1, base::wait::no);
  if (message && !message->end()) {
    base::file_descriptor pidfd;
    if (!message->descriptors.empty()) pidfd = std::move(message->descriptors[0]);
    auto decoded = decode_answer(std::span<const std::byte>(buffer).first(message->size), std::move(pidfd));
    if (decoded) return std::move(*decoded);
  } else if (!message && message.error().code == EAGAIN) {
    return std::nullopt;
  }
  // Closed, broken, or not understood: in every case this line is over, and the zygote must see it that way
  // too.
  lost_ = true;
  ::shutdown(socket_.get(), SHUT_RDWR);
  // A dying zygote closes its sockets a moment before its pidfd shows the death. Its workers die with it;
  // what they had started is still in its session, whose number no other process can get while one of them
  // lives.
  if (!ending_ && base::wait_until_dead(zygote_->get(), std::chrono::milliseconds(100)))
    base::kill_session(zygote_pid_);
  return lost{};
}

void zygote_link::end_workers() {
  if (lost_ || ending_) return;
  ending_ = true;
  ::shutdown(socket_.get(), SHUT_WR);
}

}  // namespace muster::process
