// SPDX-License-Identifier: MIT
//
// The npm package @jjavery/worker-pool: node_pool.mjs <folder with node_modules> <workload> <count> prints one number.
// What it has no call for is done as its users have to: a task that hangs is ended by killing its worker.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const [folder, workload, given] = process.argv.slice(2);
const count = Number(given);
const WorkerPool = createRequire(path.join(path.resolve(folder), 'package.json'))('@jjavery/worker-pool');
const tasks = fileURLToPath(new URL('node_tasks.cjs', import.meta.url));

const notSupported = 3;
const clock = () => performance.now();
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const require = (holds, what) => {
  if (!holds) throw new Error(what);
};

// Round robin spreads a burst over both workers, which its default does not.
const make = (workers) =>
  new WorkerPool({ min: workers, max: workers, strategy: 'round-robin', idleTimeout: 600_000 });

async function warm(workers) {
  const pool = make(workers);
  for (let i = 0; i < 300; i++) require((await pool.call(tasks, 'increment', i)) === i + 1, 'a result is wrong');
  return pool;
}

const goneFrom = (pid) => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] === 'Z';
  } catch {
    return true;
  }
};

/** It has no map; this is how one is written. */
async function calls() {
  const pool = await warm(2);
  const begin = clock();
  const results = await Promise.all(Array.from({ length: count }, (_, i) => pool.call(tasks, 'increment', i)));
  const seconds = (clock() - begin) / 1e3;
  require(results[count - 1] === count, 'a result is wrong');
  return count / seconds;
}

async function latency() {
  const pool = await warm(2);
  const times = [];
  for (let i = 0; i < count; i++) {
    const begin = clock();
    await pool.call(tasks, 'increment', i);
    times.push((clock() - begin) * 1e3);
  }
  return median(times);
}

async function start() {
  const begin = clock();
  const pool = make(2);
  require((await pool.call(tasks, 'increment', 1)) === 2, 'the result is wrong');
  return clock() - begin;
}

async function crash() {
  const pool = await warm(1);
  const victim = await pool.call(tasks, 'ownPid');
  const lost = pool.call(tasks, 'block', 30_000).then(() => 'a result', () => 'an error');
  await pause(50);
  const begin = clock();
  process.kill(victim, 'SIGKILL');
  // A call made before the pool has noticed would be written into a closed pipe and end this program.
  require((await lost) === 'an error', 'a killed task has a result');
  require((await pool.call(tasks, 'ownPid')) !== victim, 'the worker did not die');
  return clock() - begin;
}

async function hung() {
  const limit = 50;
  const pool = await warm(1);
  const victim = await pool.call(tasks, 'ownPid');
  const begin = clock();
  pool.call(tasks, 'block', 30_000).catch(() => {});
  await pause(limit);
  process.kill(victim, 'SIGKILL');
  while (!goneFrom(victim)) require(clock() - begin < 20_000, 'the worker is still there');
  return clock() - begin - limit;
}

async function memory() {
  const pool = await warm(2);
  const blockers = [0, 1].map(() => pool.call(tasks, 'block', 30_000));
  await pause(100);
  global.gc?.();
  const before = process.memoryUsage().rss;
  const results = Array.from({ length: count }, (_, i) => pool.call(tasks, 'increment', i));
  await pause(200); // what it writes later counts as well
  global.gc?.();
  const after = process.memoryUsage().rss;
  require(results.length === count && blockers.length === 2, 'the calls were not made');
  return (after - before) / count;
}

const workloads = {
  process_calls: calls,
  process_map: calls,
  process_latency: latency,
  process_start: start,
  process_crash: crash,
  process_hung: hung,
  process_memory: memory,
};

if (!workloads[workload]) process.exit(notSupported);
setTimeout(() => process.exit(1), 30_000).unref();
const value = await workloads[workload]();
fs.writeSync(1, `${value}\n`);
process.exit(0); // whoever measures ends the workers
