// SPDX-License-Identifier: MIT
//
// The host for Node.js: runs functions of CommonJS and ES modules for a worker of muster, over lines of JSON on
// descriptor 3 (docs/guide/hosts.md). Standard output is the worker's standard error, so prints harm nobody. It is
// inside the library as text and is given to `node -e`, with what it has to know as the first argument.
'use strict';

const { createRequire } = require('node:module');
const { Socket } = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const config = JSON.parse(process.argv[1]);
process.argv.splice(1, 1, config.module || 'muster');  // as if the module had been started with these arguments

const channel = new Socket({ fd: 3, readable: true, writable: true });
const resolver = createRequire(path.join(config.base, 'muster-host.cjs'));

// ---- modules

const loaded = new Map();  // name -> promise of its exports

class InvalidCall extends Error {
  get name() { return 'invalid_call'; }
}

async function load(name) {
  let file;
  try {
    file = resolver.resolve(name);
  } catch (problem) {
    // A package without an entry for require may have one for import.
    if (problem.code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return import(name);
    throw new InvalidCall(`there is no module '${name}': ${problem.message.split('\n')[0]}`);
  }
  return import(path.isAbsolute(file) ? pathToFileURL(file).href : file);
}

function exportsOf(name) {
  let found = loaded.get(name);
  if (found === undefined) {
    found = load(name);
    loaded.set(name, found);
    found.catch(() => loaded.delete(name));  // the next call tries again
  }
  return found;
}

function member(of, name) {
  if (of === null || (typeof of !== 'object' && typeof of !== 'function')) return undefined;
  const found = of[name];
  return typeof found === 'function' && found !== Object.prototype[name] ? found : undefined;
}

function findFunction(exported, module, name) {
  const found = member(exported, name) ?? member(exported.default, name);
  if (found !== undefined) return found;
  const names = new Set([...Object.keys(exported), ...Object.keys(exported.default ?? {})]
    .filter((each) => member(exported, each) ?? member(exported.default, each)));
  throw new InvalidCall(`module '${module}' has no function '${name}'; it has: ${[...names].join(', ') || 'none'}`);
}

// ---- values

// What JSON would silently change is refused, and bytes are taken out: they travel beside the text.
function toJson(value, attachments, open = new Set()) {
  switch (typeof value) {
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${value} has no JSON form`);
      return value;
    case 'bigint': throw new TypeError('a BigInt has no JSON form');
    case 'object': break;
    default: return value;
  }
  if (value === null) return value;
  if (ArrayBuffer.isView(value)) {
    attachments.push(Buffer.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)));  // a copy
    return { $bytes: attachments.length - 1 };
  }
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    attachments.push(Buffer.from(new Uint8Array(value)));
    return { $bytes: attachments.length - 1 };
  }
  if (typeof value.toJSON === 'function') return toJson(value.toJSON(), attachments, open);
  if (open.has(value)) throw new TypeError('a value that contains itself has no JSON form');
  open.add(value);
  let result;
  if (Array.isArray(value)) {
    result = value.map((each) => toJson(each, attachments, open));
  } else {
    result = {};
    for (const key of Object.keys(value)) {
      const one = toJson(value[key], attachments, open);
      if (key === '__proto__') Object.defineProperty(result, key, { value: one, enumerable: true });
      else result[key] = one;
    }
  }
  open.delete(value);
  return result;
}

function fromJson(value, attachments) {
  if (value === null || typeof value !== 'object') return value;
  const keys = Object.keys(value);
  if (keys.length === 1 && keys[0] === '$bytes') return attachments[value.$bytes];
  for (const key of keys) value[key] = fromJson(value[key], attachments);
  return value;
}

// ---- calls

function send(message, attachments) {
  if (attachments.length !== 0) message.bytes = attachments.map((each) => each.length);
  channel.cork();
  channel.write(JSON.stringify(message) + '\n');
  for (const each of attachments) channel.write(each);
  channel.uncork();
}

function sendError(id, thrown) {
  const isError = thrown instanceof Error || (thrown !== null && typeof thrown === 'object' && 'message' in thrown);
  let error;
  try {
    error = isError
      ? { type: String(thrown.name || 'Error'), message: String(thrown.message), stack: String(thrown.stack ?? '') }
      : { type: typeof thrown, message: String(thrown), stack: '' };
  } catch {
    error = { type: 'Error', message: 'what was thrown cannot be shown', stack: '' };
  }
  send({ id, error }, []);
}

// `this` of a function that is called.
class Call {
  #id;
  #controller;
  constructor(id) { this.#id = id; }
  // An AbortSignal: aborted when the call is cancelled, or is past its time.
  get signal() { return (this.#controller ??= new AbortController()).signal; }
  progress(fraction, text = '') { send({ id: this.#id, progress: Number(fraction), text: String(text) }, []); }
  static cancel(call) { (call.#controller ??= new AbortController()).abort(); }
}

const running = new Map();  // id -> Call

async function run(message, attachments) {
  const { id } = message;
  const call = new Call(id);
  running.set(id, call);
  try {
    const module = message.module ?? config.module;
    let exported;
    try {
      exported = await exportsOf(module);
    } catch (problem) {
      if (!(problem instanceof InvalidCall)) throw problem;
      throw new InvalidCall(`${problem.message}; it was wanted for its function '${message.call}'`);
    }
    const found = findFunction(exported, module, message.call);
    const args = attachments.length === 0 ? message.args : fromJson(message.args, attachments);
    const value = await found.apply(call, args);
    const beside = [];
    const prepared = toJson(value, beside);
    send({ id, value: prepared === undefined || typeof prepared === 'function' || typeof prepared === 'symbol'
      ? null : prepared }, beside);
  } catch (thrown) {
    sendError(id, thrown);
  } finally {
    running.delete(id);
  }
}

function take(message, attachments) {
  if ('call' in message) {
    run(message, attachments);
  } else if ('cancel' in message) {
    const call = running.get(message.cancel);
    if (call !== undefined) Call.cancel(call);
  }
}

// ---- the channel

let chunks = [];     // what has come and was not taken
let available = 0;   // bytes in them
let searched = 0;    // chunks that hold no end of a line
let waiting = null;  // a message whose bytes are on their way

function takeBytes(count) {
  const parts = [];
  for (let left = count; left > 0;) {
    const first = chunks[0];
    const part = left < first.length ? first.subarray(0, left) : first;
    if (part.length === first.length) chunks.shift();
    else chunks[0] = first.subarray(left);
    left -= part.length;
    parts.push(part);
  }
  available -= count;
  searched = 0;
  return parts.length === 1 ? parts[0] : Buffer.concat(parts, count);
}

function lengthOfLine() {
  let length = 0;
  for (let i = 0; i < chunks.length; ++i) {
    const found = i < searched ? -1 : chunks[i].indexOf(10);
    if (found >= 0) return length + found + 1;
    length += chunks[i].length;
  }
  searched = chunks.length;
  return -1;
}

function takeMessages() {
  for (;;) {
    if (waiting === null) {
      const length = lengthOfLine();
      if (length < 0) return;
      waiting = JSON.parse(takeBytes(length).toString('utf8'));
    }
    const sizes = waiting.bytes ?? [];
    if (available < sizes.reduce((sum, each) => sum + each, 0)) return;
    const message = waiting;
    waiting = null;
    // Copies: what is kept of them must not keep all that came with them.
    take(message, sizes.map((size) => (size === 0 ? Buffer.alloc(0) : Buffer.from(takeBytes(size)))));
  }
}

channel.on('data', (chunk) => {
  chunks.push(chunk);
  available += chunk.length;
  takeMessages();
});
// The worker wants an end, and has sent its signal for that. Who listens to it is about to be told, and ends by himself:
// a process with nothing left to do would not wait for the news.
channel.on('end', () => {
  const name = Object.keys(os.constants.signals).find((each) => os.constants.signals[each] === config.signal);
  if (process.listenerCount(name) === 0) process.exit();
  setTimeout(() => {}, 1000);
});
channel.on('error', () => process.exit(1));  // the worker is gone

(config.module ? exportsOf(config.module) : Promise.resolve()).then(
  () => send({ ready: true }, []),
  (problem) => send({
    ready: false,
    error: { type: String(problem?.name ?? typeof problem), message: String(problem?.message ?? problem), stack: String(problem?.stack ?? '') },
  }, []));
