// SPDX-License-Identifier: MIT
//
// What the workers of node_pool.mjs run.
module.exports = {
  increment: (value) => value + 1,
  ownPid: () => process.pid,
  block: (milliseconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds),
};
