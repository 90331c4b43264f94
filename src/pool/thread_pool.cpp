// SPDX-License-Identifier: MIT
#include <muster/pool.hpp>

#include "engine/engine.hpp"
#include "ipc/arena.hpp"
#include "pool/check_options.hpp"
#include "thread/thread_crew.hpp"

namespace muster {

thread_pool::thread_pool(thread_options options) {
  const engine::settings chosen = pool::check(options);
  adopt(std::make_unique<engine::engine>(
            chosen,
            std::make_unique<thread::thread_crew>(
                options.strategy, options.choose, options.name,
                thread::worker_manner{.hooks = options.hooks, .cpus = options.cpus, .nice = options.nice}),
            std::make_shared<base::steady_clock>()),
        options.close, 10s, options.name, std::make_shared<ipc::arena>(options.arena, options.name));
  if (options.start) start_now();
}

}  // namespace muster
