// SPDX-License-Identifier: MIT
//
// Options of `muster run` that do not stand on its command line: in a file of TOML and in the environment.
// They become words as they would stand there, each with where it comes from. Plain values and functions of
// the main thread.
#pragma once

#include <string>
#include <vector>

namespace muster::cli {

/// An option that may be set outside the command line, as its name there without the dashes.
struct known_option {
  std::string name;
  bool flag = false;
};

struct found_option {
  std::string name;    // "timeout"; of an option of the pool "set"
  std::string value;   // "10s", "true", "queue.capacity=1000"
  std::string origin;  // "muster.toml:3:1", "MUSTER_TIMEOUT"
};

struct option_layer {
  std::vector<found_option> found;
  std::vector<std::string> problems;  // each with where it is
};

/// The file: `path`, or where that is empty what MUSTER_CONFIG names, or the user's own, if there is one.
/// "none": no file.
std::string config_path(const std::string& path);
/// What the file says. An empty path: nothing.
option_layer read_config(const std::string& path, const std::vector<known_option>& known);

/// What the environment says: MUSTER_TIMEOUT, and in MUSTER_SET options of the pool with ; between them.
option_layer read_environment(const std::vector<known_option>& known);
/// "MUSTER_TIMEOUT".
std::string variable_of(const std::string& name);

}  // namespace muster::cli
