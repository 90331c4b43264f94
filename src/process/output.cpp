// SPDX-License-Identifier: MIT
// What tasks print, where it is kept: two pipes that the owner makes for each captured call and empties while
// it runs, so that a crash loses nothing that was written and a flood costs no memory.
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/log_text.hpp"
#include "process/process_crew.hpp"

namespace muster::process {

// `ends` become the worker's. A second try to send them makes new ones.
bool process_crew::open_output(worker_process& w, std::uint64_t position,
                               std::vector<base::file_descriptor>& ends) {
  worker_process::printed made;
  for (base::file_descriptor* each : {&made.out, &made.err}) {
    int pipe_ends[2];
    if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return false;
    each->reset(pipe_ends[0]);
    ends.emplace_back(pipe_ends[1]);
    ::fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
  }
  if (!watch(made.out.get(), source::task_output, w.id) || !watch(made.err.get(), source::task_output, w.id))
    return false;
  w.printing.insert_or_assign(position, std::move(made));
  return true;
}

void process_crew::read_output(worker_process& w) {
  for (auto& [position, each] : w.printing) read_output(w, each);
}

// As much as a pipe can hold, so that all is read that was there when we began, and no more of a flood.
void process_crew::read_output(worker_process& w, worker_process::printed& printed) {
  constexpr std::size_t most = 1'024 * 1'024;
  std::array<char, 16 * 1024> buffer;
  const auto read_all = [&](const base::file_descriptor& from, base::text_tail& tail, base::text_tail* also) {
    for (std::size_t read = 0; read < most;) {
      const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got == 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, from.get(), nullptr);
      if (got <= 0) return;
      const std::string_view text(buffer.data(), static_cast<std::size_t>(got));
      tail.add(text);
      if (also != nullptr) also->add(text);
      read += text.size();
    }
  };
  read_all(printed.out, printed.out_tail, nullptr);
  read_all(printed.err, printed.err_tail, &w.tail);  // for its death, if it dies
}

// Null: nothing is kept of this call.
std::unique_ptr<task_output> process_crew::finish_output(worker_process& w, std::uint64_t position) {
  auto found = w.printing.extract(position);
  if (found.empty()) return nullptr;
  worker_process::printed& all = found.mapped();
  read_output(w, all);
  return std::make_unique<task_output>(task_output{.out = all.out_tail.text(),
                                                   .err = all.err_tail.text(),
                                                   .out_dropped = all.out_tail.dropped(),
                                                   .err_dropped = all.err_tail.dropped()});
}

// Before the task settles; this thread alone settles tasks that have begun.
void process_crew::keep_output(detail::task& t, worker_id on, std::unique_ptr<task_output> printed) {
  if (!printed) return;
  if (t.extras->capture == capture::forward) {
    const std::string tag = base::place_tag(options_.name, on.slot, t.id, t.names().id, t.names().label);
    const auto forward = [&](std::uint64_t dropped, const std::string& text) {
      std::string tagged;
      if (dropped > 0) tagged = tag + " … " + std::to_string(dropped) + " bytes are left out\n";
      tagged += base::tag_lines(tag, text);
      if (!tagged.empty()) standard_error_.write(tagged);
    };
    forward(printed->out_dropped, printed->out);
    forward(printed->err_dropped, printed->err);
  }
  if (!t.settled()) t.extras->output = std::move(printed);
}

}  // namespace muster::process
