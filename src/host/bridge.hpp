// SPDX-License-Identifier: MIT
#pragma once

// What a worker process does for its host: starts the program, hands it calls, and brings back the answers.
// One in a worker, made by the worker's init and never destroyed. Runners call `call`, on threads of theirs;
// one thread of ours, the listener, reads. When the program ends, or says what no host says, the listener
// ends the whole process, so that the owner sees a death (docs/internals/hosts.md).

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <muster/context.hpp>
#include <muster/host.hpp>
#include <muster/json.hpp>

#include "base/file_descriptor.hpp"
#include "host/child.hpp"
#include "host/line_reader.hpp"
#include "host/messages.hpp"
#include "host/plan.hpp"

namespace muster::host {

class bridge {
public:
  explicit bridge(plan what);
  bridge(const bridge&) = delete;

  // Starts the program and waits until it is ready. Where it does not come up, ends the process, and the
  // owner is told why.
  void begin();
  // Tells it to end and waits for it, on the thread that has begun. No calls run.
  void end();

  // Blocks until the answer is there. Throws what the program threw.
  json call(context& about, const std::string& module, const std::string& function, const json& arguments);
  // The same with buffers, see detail::call_host_lending. What the program was lent and gives back as it was
  // is in `returned`: which attachment of the result, and which of the arguments.
  json call(context& about, const std::string& module, const std::string& function, const json& arguments,
            std::span<const detail::lent_buffer> lent,
            std::vector<std::pair<std::size_t, std::size_t>>& returned);
  json work(context& about, const std::vector<std::string>& arguments);

private:
  struct open_call {
    bool is_done = false;
    message answer;
    std::vector<std::vector<std::byte>> attachments;
    std::vector<std::size_t> lent;  // which attachments are in memory that the host has mapped
    std::optional<std::pair<double, std::string>> progress;
    std::condition_variable_any news;
  };

  void start_program();
  std::expected<std::string, line_end> next_line();
  void await_ready();
  void listen();
  void take(message said);
  message read_message();
  std::vector<std::vector<std::byte>> read_attachments(const message& said);
  // Memory that Python is to map, and its descriptor where that is to be sent. With sending_.
  std::optional<attachment::mapping> memory_of(const detail::lent_buffer& lent,
                                               std::vector<int>& descriptors);
  void send(std::string_view line, std::span<const attachment> beside = {},
            std::span<const int> descriptors = {});
  json wait_for_answer(context& about, std::uint64_t id, open_call& entry);
  std::uint64_t open(open_call& entry);
  void report_memory();

  void leave_it_to_end() const;
  [[noreturn]] void program_ended(bool in_a_message);
  [[noreturn]] void broke_protocol(const std::string& what);
  [[noreturn]] void on_end_of_input(line_end why);

  const plan plan_;
  const std::string title_;
  child child_;
  base::file_descriptor to_, from_;
  std::optional<line_reader> in_;
  bool has_begun_ = false;  // before there is a listener
  std::thread listener_;
  std::atomic<bool> is_ending_{
      false};  // main thread: it was told to end; relaxed, a close or a signal follows

  std::mutex sending_;  // held while a message is written: others wait behind a host that does not read
  std::deque<std::uint64_t> mapped_;  // blocks that Python keeps; guarded by sending_
  std::mutex mutex_;
  std::uint64_t last_id_ = 0;                  // guarded by mutex_
  std::map<std::uint64_t, open_call*> calls_;  // guarded by mutex_, as is what they point to
};

}  // namespace muster::host
