// SPDX-License-Identifier: MIT
// A queue for work in the background: posted and forgotten, what fails is an event, and at the end the queue
// is closed and drained. For mails, logs, indexes. It lives in memory: it does not survive the program.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include <muster/muster.hpp>

int main() {
  std::atomic<int> sent = 0;
  std::vector<std::string> failed;  // written by the handler, one event after the other
  {
    muster::thread_pool pool({.workers = {2}, .name = "mail"});
    pool.on(muster::event_kind::task_failed,
            [&failed](const muster::event& e) { failed.push_back(e.task_id); });

    const auto send = [&sent](int number) {
      if (number % 20 == 7) throw std::runtime_error("no such address");
      ++sent;
    };
    for (int i = 0; i < 50; ++i) pool.post({.id = "mail " + std::to_string(i)}, send, i);

    pool.close();  // returns at once: no more, but what was accepted is done
    try {
      pool.post(send, 50);
    } catch (const muster::pool_stopped&) {
      std::puts("closed");
    }
    pool.wait_idle();
    std::printf("%d were sent\n", sent.load());
  }  // all events have been told

  std::sort(failed.begin(), failed.end());
  for (const std::string& each : failed) std::printf("%s failed\n", each.c_str());
}
