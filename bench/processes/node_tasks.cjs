// SPDX-License-Identifier: MIT
//
// What the workers of node_pools.mjs run. Some pools want to be told of it in their own way; which of them this is for
// stands in MUSTER_BENCH_POOL, and where its packages are in MUSTER_BENCH_NPM.
const path = require('node:path');
const { createRequire } = require('node:module');

const tasks = {
  increment: (value) => value + 1,
  ownPid: () => process.pid,
  sizeOf: (payload) => payload.length ?? payload.byteLength ?? payload.data.length,
  block: (milliseconds) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
  },
};

const load = (name) => createRequire(path.join(process.env.MUSTER_BENCH_NPM, 'package.json'))(name);
const inWorker = process.send !== undefined || !require('node:worker_threads').isMainThread;

module.exports = tasks;
if (inWorker && process.env.MUSTER_BENCH_POOL === 'workerpool') load('workerpool').worker(tasks);
if (inWorker && process.env.MUSTER_BENCH_POOL === 'poolifier') {
  const { ClusterWorker } = load('poolifier');
  module.exports = new ClusterWorker(tasks, { maxInactiveTime: 600_000 });
}
