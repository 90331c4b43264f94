// SPDX-License-Identifier: MIT
#include "threads/mutex_queue.hpp"

#include "threads/workloads.hpp"

int main(int argc, char** argv) { return bench::run_threads<bench::mutex_queue>(argc, argv); }
