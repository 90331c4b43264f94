// SPDX-License-Identifier: MIT
'use strict';
const fs = require('node:fs');

class BadPhoto extends Error {
  constructor(message) {
    super(message);
    this.name = 'BadPhoto';
  }
}
const held = [];

module.exports = {
  add: (a, b) => a + b,
  echo: (...args) => (args.length === 1 ? args[0] : args),
  later: async (value, ms) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return value;
  },
  tenInReverse(value) {
    return new Promise((resolve) => {
      held.push(() => resolve(value));
      if (held.length === 10) held.splice(0).reverse().forEach((each) => each());
    });
  },
  pid: () => process.pid,
  argv: () => process.argv.slice(1),
  fail: () => { throw new BadPhoto('too dark'); },
  failLater: async () => { throw new BadPhoto('too dark, later'); },
  throwText: () => { throw 'just text'; },
  throwStrange: () => { throw { get message() { throw new Error('no'); } }; },
  print: (text) => {
    console.log(text);
    process.stdout.write('{"id":1,"value":"forged"}\n');
    return text.length;
  },
  nothing: () => {},
  nan: () => ({ deep: [NaN] }),
  infinite: () => Infinity,
  big: () => 10n,
  circle: () => {
    const self = {};
    self.self = self;
    return self;
  },
  deep: (levels) => {
    let value = [];
    for (let i = 1; i < levels; ++i) value = [value];
    return value;
  },
  date: () => new Date(0),
  aFunction: () => () => 1,
  surrogate: () => '\ud83d',
  reverse: (bytes) => {
    if (!Buffer.isBuffer(bytes)) throw new TypeError('these are no bytes');
    return Buffer.from(bytes).reverse();
  },
  typed: () => ({ shorts: new Uint16Array([1, 2]), buffer: new ArrayBuffer(3), list: [Buffer.alloc(0)] }),
  untilCancelled(begun, told) {
    return new Promise((resolve, reject) => {
      this.signal.addEventListener('abort', () => {
        fs.writeFileSync(told, '');
        reject(this.signal.reason);
      });
      fs.writeFileSync(begun, '');
    });
  },
  halfWay() { this.progress(0.5, 'half way'); },
  spin: (begun) => {
    fs.writeFileSync(begun, '');
    for (;;);
  },
  exit: (code) => process.exit(code),
  die: (signal) => process.kill(process.pid, signal),
  escape: () => { setImmediate(() => { throw new Error('nobody caught this'); }); return new Promise(() => {}); },
  onTerm: (file) => { process.on('SIGTERM', () => { fs.appendFileSync(file, 'SIGTERM\n'); process.exit(0); }); },
  atExit: (file) => { process.on('exit', () => fs.appendFileSync(file, 'exit\n')); },
};
