// SPDX-License-Identifier: MIT
// A worker for Node: a module with functions, plain or async. Nothing of a protocol.
exports.title = (name, width) => `${name} at ${width}px`;

exports.shrink = async function (pixels, times) {
  for (let i = 0; i < times; ++i) {
    if (this.signal.aborted) throw this.signal.reason;
    pixels = pixels.filter((_, at) => at % 2 === 0);  // a Buffer, as it came
    await null;
  }
  return pixels;
};

exports.refuse = (name) => { throw new TypeError(`${name} is no photo`); };
