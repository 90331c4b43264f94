// SPDX-License-Identifier: MIT
//
// One `muster run`, from the first worker to the summary. All of it happens on the main thread, which sleeps
// in poll until a call has settled, input has come, output can go, a signal asks to stop, or the progress is
// due; the pool's callbacks come to it through main_queue. Only pool_base::stop, which blocks, has threads of
// its own.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <muster/event.hpp>
#include <muster/future.hpp>

#include "cli/answer.hpp"
#include "cli/arguments.hpp"
#include "cli/call_pool.hpp"
#include "cli/input.hpp"
#include "cli/job_log.hpp"
#include "cli/main_queue.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/stop_signals.hpp"
#include "cli/summary.hpp"

namespace muster::cli {

struct run_files {
  std::optional<line_file> results;
  std::optional<line_file> events;
  std::optional<job_log> log;
};

class runner {
public:
  runner(const run_command& asked, run_files files);
  ~runner();
  runner(const runner&) = delete;
  runner& operator=(const runner&) = delete;

  int execute();

private:
  using clock = std::chrono::steady_clock;
  struct open_call {
    std::uint64_t index = 0;
    std::string id, name, key;
    std::size_t bytes = 0;
    bool again = false;  // the job log has a failure of it
  };

  // --- the beginning: workers, the function
  process_options pool_options();
  void listen();
  [[nodiscard]] bool hopeless() const;
  /// The exit code where it goes no further.
  std::optional<int> find_function();

  // --- the turning
  void turn_until(const std::function<bool()>& done);
  void turn();
  void take_input();
  [[nodiscard]] bool has_room() const;
  void serve(line_file& file, const pollfd& seen);
  void on_signal();
  void lose_output();
  bool flush_log();
  void halt_if_due();

  // --- calls
  void submit(call_request request);
  void submit_to_pool(open_call call, call_request request);
  void settled(const open_call& call, const answer& got, const std::optional<task_report>& report);
  bool take_from_log(open_call& call);
  void put_dry(const call_request& request);
  void put(const open_call& call, const answer& got, const std::optional<task_report>& report);
  [[nodiscard]] result_text text_of(const open_call& call, const answer& got, const std::string& line) const;
  void on_event(const event& e);
  [[nodiscard]] std::string seconds(clock::time_point at) const;
  [[nodiscard]] std::string tail_of_line(const std::optional<task_report>& report) const;

  // --- the end
  void stop_in_background(bool at_once);
  int finish();
  void show_progress();

  const run_command& asked_;
  const clock::time_point began_ = clock::now();
  line_file results_;
  std::optional<line_file> events_;
  std::optional<job_log> log_;
  progress progress_;
  result_order order_;
  summary summary_;
  stop_signals signals_;
  main_queue queue_;

  std::optional<callee> callee_;
  std::optional<input> input_;
  bool more_input_ = false;     // next() may give another call without waiting
  std::size_t open_calls_ = 0;  // submitted and not settled
  std::size_t open_bytes_ = 0;  // of their arguments
  std::unordered_map<std::uint64_t, std::uint64_t> index_of_task_;  // of open calls, where events are written

  bool started_ = false;     // the pool takes calls
  bool ever_ready_ = false;  // a worker was
  int start_failures_ = 0;   // while none was
  std::string last_start_failure_;
  bool output_lost_ = false;
  bool log_lost_ = false;
  bool halted_ = false;

  std::optional<call_pool> calls_;
  std::vector<std::jthread> helpers_;  // start and stop the pool; joined before it goes
};

}  // namespace muster::cli
