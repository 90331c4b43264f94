// SPDX-License-Identifier: MIT
// A web server whose handlers are worker processes: the connection itself is handed to one of them. A handler
// that crashes or hangs costs its request, and the server goes on.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>
#include <thread>

#include <muster/muster.hpp>

using namespace std::chrono_literals;
using muster::unique_fd;

namespace {

// Reads until `end` or the end of the connection.
std::string receive(const unique_fd& from, const std::string& end) {
  std::string text;
  char piece[1024];
  while (end.empty() || text.find(end) == std::string::npos) {
    const ssize_t n = ::recv(from.get(), piece, sizeof piece, 0);
    if (n <= 0) break;
    text.append(piece, static_cast<std::size_t>(n));
  }
  return text;
}
void send(const unique_fd& to, const std::string& text) {
  (void)::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL);  // short enough to go at once
}

// In a worker process.
void handle(unique_fd connection) {
  const std::string request = receive(connection, "\r\n\r\n");
  if (request.starts_with("GET /crash ")) std::abort();
  const bool is_known = request.starts_with("GET /hello ");
  const std::string body = is_known ? "hello" : "no such page";
  send(connection, std::string(is_known ? "HTTP/1.1 200 OK" : "HTTP/1.1 404 Not Found") +
                       "\r\nContent-Length: " + std::to_string(body.size()) +
                       "\r\nConnection: close\r\n\r\n" + body);
}

unique_fd stream_socket() {
  unique_fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (made.get() < 0) throw std::system_error(errno, std::generic_category(), "socket");
  return made;
}

std::string get(const sockaddr_in& server, const std::string& path) {
  const unique_fd connection = stream_socket();
  if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0)
    return "no connection";
  send(connection, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string answer = receive(connection, "");
  return answer.empty() ? "no answer" : answer.substr(0, answer.find("\r\n"));
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::process_pool handlers({.workers = {.min = 2, .max = 8}, .name = "http"});
  handlers.on(muster::event_kind::task_failed, [](const muster::event&) { /* to your log */ });

  const unique_fd listener = stream_socket();
  sockaddr_in address{
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof address;
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener.get(), 64) != 0 ||
      ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::system_error(errno, std::generic_category(), "no port to listen on");

  std::thread server([&] {
    for (;;) {
      unique_fd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (connection.get() < 0) return;  // it was shut down; a server looks at errno
      handlers.post({.run_timeout = 10s}, handle, std::move(connection));
    }
  });

  for (const char* path : {"/hello", "/crash", "/nowhere", "/hello"})
    std::printf("%s: %s\n", path, get(address, path).c_str());

  ::shutdown(listener.get(), SHUT_RDWR);
  server.join();
  handlers.stop(5s);
}
