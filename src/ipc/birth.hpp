// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <muster/fault.hpp>

#include "base/file_descriptor.hpp"

// What an owner says about a worker process that is to be born, and what the worker process has once it
// lives. Plain values: the owner writes them, the zygote carries them, the new process reads them, each in
// its own memory.

namespace muster::ipc {

struct environment_rule {
  bool pass_all = false;  // every variable of the owner, as it was when the zygote was made
  std::vector<std::string> pass = usual_names();  // names to pass on; '*' stands for any run of characters
  std::vector<std::pair<std::string, std::string>> set = {};  // added after that; wins over what was passed

  // What a worker gets unless told otherwise: who and where it is, its language, nothing secret.
  static std::vector<std::string> usual_names() {
    return {"PATH", "HOME", "USER",   "LOGNAME", "SHELL",           "LANG",
            "LC_*", "TZ",   "TMPDIR", "TERM",    "LD_LIBRARY_PATH", "*SAN_OPTIONS"};
  }
};

struct resource_limits {
  std::optional<std::uint64_t> address_space_bytes;  // RLIMIT_AS
  std::optional<std::uint64_t> data_bytes;           // RLIMIT_DATA: private writable memory
  std::optional<std::uint64_t> open_files;           // RLIMIT_NOFILE
  std::optional<std::uint64_t> file_bytes = {};      // RLIMIT_FSIZE
  std::optional<std::uint64_t> processes = {};       // RLIMIT_NPROC
  std::optional<std::uint64_t> cpu_seconds = {};     // RLIMIT_CPU
  bool core_dumps = false;                           // else RLIMIT_CORE is 0, where it is contained
};

struct worker_birth {
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;
  std::string pool;       // the process is called muster-<pool>-<slot>
  bool contained = true;  // no new privileges, and no core dumps unless they are wanted
  environment_rule environment = {};
  std::optional<std::string> directory;  // where it works; nullopt: where the zygote was made
  std::vector<std::string> arguments;    // for the task code; see worker_channels
  resource_limits limits;
  int nice = 0;                      // added to the zygote's
  std::optional<int> cpu = {};       // it runs nowhere else
  std::string cgroup_procs;          // the cgroup.procs it enters before anything of the user's runs
  std::vector<std::byte> init_call;  // opaque; for the worker's loop
  std::vector<fault> faults = {};    // those for this slot and generation
};

// The descriptors of a worker; in the worker they have the fixed numbers 3 to 7, close-on-exec. The sixth one
// a birth carries, the write end of its error output, becomes descriptor 2 there.
struct worker_descriptors {
  base::file_descriptor control;  // SOCK_SEQPACKET to the owner
  base::file_descriptor board;
  base::file_descriptor requests;
  base::file_descriptor replies;
  base::file_descriptor bell;  // eventfd: rings the owner
};

inline constexpr int first_worker_descriptor = 3;
inline constexpr int report_descriptor = first_worker_descriptor + 5;  // worker_inheritance::report

// What the zygote leaves to the process it has just forked.
struct worker_inheritance {
  int parent = 0;                      // the zygote's pid: when it is no longer the parent, the process ends
  worker_descriptors descriptors;      // come with the birth
  base::file_descriptor error_output;  // the same; becomes descriptor 2
  base::file_descriptor report;        // SOCK_SEQPACKET to the zygote; open through the set-up
};

// What a worker's main gets.
struct worker_channels {
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;
  std::string pool;
  worker_descriptors descriptors;
  std::vector<std::string> arguments;
  std::vector<std::byte> init_call;
};

// The step of a start that failed, and why.
struct failed_step {
  std::string step;         // "enter the directory", "join the cgroup" …
  int code = 0;             // errno; 0 when there is none
  std::string detail = {};  // may be empty

  std::string text() const {
    std::string result = step;
    if (code != 0) result += ": " + std::generic_category().message(code);
    if (!detail.empty()) result += " (" + detail + ")";
    return result;
  }
};

}  // namespace muster::ipc
