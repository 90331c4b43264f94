// SPDX-License-Identifier: MIT
//
// Pools for Node from npm: MUSTER_BENCH_NPM=<folder with node_modules> node_pools.mjs <pool> <workload> <count> prints
// one number. All have worker processes, but piscina, which has threads. Options are the defaults, but where a pool could
// not do a workload otherwise. What a pool has no call for is done as its users have to: a task that hangs is ended by
// killing its worker.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import path from 'node:path';

const [name, workload, given] = process.argv.slice(2);
const count = Number(given);
process.env.MUSTER_BENCH_POOL = name; // the workers inherit it
const packages = createRequire(path.join(path.resolve(process.env.MUSTER_BENCH_NPM), 'package.json'));
const tasks = fileURLToPath(new URL('node_tasks.cjs', import.meta.url));

const notSupported = 3;
const clock = () => performance.now();
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const require = (holds, what) => {
  if (!holds) throw new Error(what);
};

// ---- the pools: call starts a task; callFor, where there is one, ends its worker when the time is up ----

const pools = {
  // Round robin spreads a burst over both workers, which its default does not.
  node_worker_pool: async (workers) => {
    const WorkerPool = packages('@jjavery/worker-pool');
    const pool = new WorkerPool({ min: workers, max: workers, strategy: 'round-robin', idleTimeout: 600_000 });
    return { call: (task, value) => pool.call(tasks, task, value) };
  },
  workerpool: async (workers) => {
    const pool = packages('workerpool').pool(tasks, {
      workerType: 'process', minWorkers: workers, maxWorkers: workers, forkOpts: { serialization: serialization() },
    });
    return {
      call: (task, value) => pool.exec(task, [value]),
      callFor: (milliseconds, task, value) => pool.exec(task, [value]).timeout(milliseconds),
    };
  },
  tinypool: async (workers) => {
    const { Tinypool } = await load('tinypool');
    const pool = new Tinypool({
      filename: pathToFileURL(tasks).href, runtime: 'child_process', minThreads: workers, maxThreads: workers,
      serialization: serialization(),
    });
    return {
      call: (task, value) => pool.run(value, { name: task }),
      callFor: (milliseconds, task, value) =>
        pool.run(value, { name: task, signal: AbortSignal.timeout(milliseconds) }),
    };
  },
  poolifier: async (workers) => {
    const { FixedClusterPool } = packages('poolifier');
    const pool = new FixedClusterPool(workers, tasks, {
      errorHandler: () => {}, settings: { serialization: serialization() },
    });
    return { call: (task, value) => pool.execute(value, task) };
  },
  jest_worker: async (workers) => {
    const { Worker } = packages('jest-worker');
    const pool = new Worker(tasks, { numWorkers: workers, exposedMethods: Object.keys(packages(tasks)) });
    return { call: (task, value) => pool[task](value) };
  },
  piscina_threads: async (workers) => {
    const { Piscina } = packages('piscina');
    const pool = new Piscina({ filename: tasks, minThreads: workers, maxThreads: workers });
    return { call: (task, value) => pool.run(value, { name: task }) };
  },
};

/** Bytes as JSON, which is Node's default between processes, take too long. */
function serialization() {
  return workload.includes('_payload') ? 'advanced' : 'json';
}

/** A package that has modules only, which createRequire finds but cannot load. */
async function load(name) {
  const folder = path.join(path.resolve(process.env.MUSTER_BENCH_NPM), 'node_modules', name);
  const { main, exports: found } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const entry = found?.['.']?.default ?? found?.['.']?.import?.default ?? found?.['.'] ?? main;
  return import(pathToFileURL(path.join(folder, entry)).href);
}

// What a pool cannot do: it never settles what is asked of it, has no end in time, or no process.
const cannot = {
  node_worker_pool: ['process_payload_64m'],
  poolifier: ['process_crash'],
  jest_worker: ['process_crash'],
  piscina_threads: ['process_crash', 'process_hung', 'process_burst', 'process_worker_memory'],
};

// ---- what the owner does ----

async function warm(workers) {
  const pool = await pools[name](workers);
  for (let i = 0; i < 300; i++) require((await pool.call('increment', i)) === i + 1, 'a result is wrong');
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

/** None has a map; this is how one is written. */
async function calls() {
  const pool = await warm(2);
  const begin = clock();
  const results = await Promise.all(Array.from({ length: count }, (_, i) => pool.call('increment', i)));
  const seconds = (clock() - begin) / 1e3;
  require(results[count - 1] === count, 'a result is wrong');
  return count / seconds;
}

async function latency() {
  const pool = await warm(2);
  const times = [];
  for (let i = 0; i < count; i++) {
    const begin = clock();
    await pool.call('increment', i);
    times.push((clock() - begin) * 1e3);
  }
  return median(times);
}

async function burst() {
  const pool = await warm(2);
  const pids = await Promise.all(Array.from({ length: count }, () => pool.call('ownPid')));
  const times = new Map();
  for (const pid of pids) times.set(pid, (times.get(pid) ?? 0) + 1);
  return 100 * ((2 * Math.max(...times.values())) / count - 1);
}

const payloads = (size) => async () => {
  const pool = await warm(2);
  const payload = Buffer.alloc(size, 'm');
  const send = () => pool.call('sizeOf', payload).then((got) => require(got === size, 'a result is wrong'));
  await send();
  const begin = clock();
  let earlier = send();
  for (let i = 1; i < count; i++) {
    const later = send();
    await earlier;
    earlier = later;
  }
  await earlier;
  return (size * count) / 1e3 / (clock() - begin);
};

async function start() {
  const begin = clock();
  const pool = await pools[name](2);
  require((await pool.call('increment', 1)) === 2, 'the result is wrong');
  return clock() - begin;
}

async function crash() {
  const pool = await warm(1);
  const victim = await pool.call('ownPid');
  const lost = pool.call('block', 30_000).then(() => 'a result', () => 'an error');
  await pause(50);
  const begin = clock();
  process.kill(victim, 'SIGKILL');
  // A call made before the pool has noticed would be written into a closed pipe and end this program.
  require((await lost) === 'an error', 'a killed task has a result');
  require((await pool.call('ownPid')) !== victim, 'the worker did not die');
  return clock() - begin;
}

async function hung() {
  const limit = 50;
  const pool = await warm(1);
  const victim = await pool.call('ownPid');
  const begin = clock();
  if (pool.callFor) {
    pool.callFor(limit, 'block', 30_000).then(() => {}, () => {});
  } else {
    pool.call('block', 30_000).then(() => {}, () => {});
    await pause(limit);
    process.kill(victim, 'SIGKILL');
  }
  while (!goneFrom(victim)) {
    require(clock() - begin < 20_000, 'the worker is still there');
    await pause(0); // lets the pool act
  }
  return clock() - begin - limit;
}

async function memory() {
  const pool = await warm(2);
  const blockers = [0, 1].map(() => pool.call('block', 30_000));
  await pause(100);
  global.gc?.();
  const before = process.memoryUsage().rss;
  const results = Array.from({ length: count }, (_, i) => pool.call('increment', i));
  await pause(200); // what it writes later counts as well
  global.gc?.();
  const after = process.memoryUsage().rss;
  require(results.length === count && blockers.length === 2, 'the calls were not made');
  return (after - before) / count;
}

async function workerMemory() {
  const pool = await warm(1);
  const status = fs.readFileSync(`/proc/${await pool.call('ownPid')}/status`, 'utf8');
  return Number(/^VmRSS:\s*(\d+)/m.exec(status)[1]);
}

const workloads = {
  process_calls: calls,
  process_map: calls,
  process_latency: latency,
  process_latency_spinning: latency,
  process_burst: burst,
  process_payload_64k: payloads(64 << 10),
  process_payload_1m: payloads(1 << 20),
  process_payload_64m: payloads(64 << 20),
  process_start: start,
  process_crash: crash,
  process_hung: hung,
  process_memory: memory,
  process_worker_memory: workerMemory,
  node_calls: calls,
  node_payload_1m: payloads(1 << 20),
};

if (!workloads[workload] || cannot[name]?.includes(workload)) process.exit(notSupported);
setTimeout(() => process.exit(1), 30_000).unref();
const value = await workloads[workload]();
fs.writeSync(1, `${value}\n`);
process.exit(0); // whoever measures ends the workers
