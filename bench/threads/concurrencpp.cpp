// SPDX-License-Identifier: MIT
#include <concurrencpp/concurrencpp.h>

#include <chrono>
#include <memory>
#include <utility>

#include "threads/counted.hpp"

namespace {

/// It drops what is queued when it is shut down, and cannot be asked to wait.
class concurrencpp_side {
public:
  explicit concurrencpp_side(unsigned workers)
      : pool_(std::make_shared<concurrencpp::thread_pool_executor>("bench", workers,
                                                                   std::chrono::minutes(2))) {}
  concurrencpp_side(const concurrencpp_side&) = delete;
  concurrencpp_side& operator=(const concurrencpp_side&) = delete;
  ~concurrencpp_side() {
    drain();
    pool_->shutdown();
  }

  template <class F>
  void post(F task) {
    pool_->post(bench::counted(left_, std::move(task)));
  }
  template <class F>
  auto submit(F task) {
    return pool_->submit(std::move(task));
  }
  void drain() { left_.wait(); }
  void prepare() {}

private:
  bench::countdown left_{0};
  std::shared_ptr<concurrencpp::thread_pool_executor> pool_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_threads<concurrencpp_side>(argc, argv); }
