// SPDX-License-Identifier: MIT
#pragma once

/// Worker pools: the same call on a thread or in a supervised process. This header is all of it, except what
/// needs another library (cereal.hpp, asio.hpp) or is for the other side of a call (module.hpp).

#include <muster/blocking.hpp>
#include <muster/buffer.hpp>
#include <muster/call.hpp>
#include <muster/codec.hpp>
#include <muster/context.hpp>
#include <muster/error.hpp>
#include <muster/event.hpp>
#include <muster/fields.hpp>
#include <muster/future.hpp>
#include <muster/handle.hpp>
#include <muster/init.hpp>
#include <muster/log.hpp>
#include <muster/map.hpp>
#include <muster/module_calls.hpp>
#include <muster/options.hpp>
#include <muster/pool.hpp>
#include <muster/pool_group.hpp>
#include <muster/presets.hpp>
#include <muster/results.hpp>
#include <muster/sizes.hpp>
#include <muster/stats.hpp>
#include <muster/stream.hpp>
#include <muster/task_group.hpp>
#include <muster/this_worker.hpp>
#include <muster/trace.hpp>
#include <muster/version.hpp>
