// SPDX-License-Identifier: MIT
// What the tests of the npm package call in its workers: values at once and later, ends, errors.
const fs = require('node:fs');
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

exports.same = (value) => value;
exports.sameLater = async (value, ms) => {
  await later(ms);
  return value;
};
// Says that it is here, and comes back when it is let go.
exports.held = async (begun, gate) => {
  fs.writeFileSync(begun, '');
  while (!fs.existsSync(gate)) await later(1);
  return process.pid;
};
exports.surroundings = () => [process.cwd(), process.env.TOKEN ?? 'none', ...process.argv.slice(2)];
// Leaves the name of each signal that comes in a file.
exports.listen = (file) => {
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'])
    process.on(name, () => {
      fs.appendFileSync(file, `${name}\n`);
      process.exit(0);
    });
};
exports.stay = (file) => {
  process.on('SIGTERM', () => fs.appendFileSync(file, 'SIGTERM\n'));
  setInterval(() => {}, 1000);
};
exports.exit = () => process.exit();
exports.exitLater = async (ms) => {
  await later(ms);
  process.exit();
};
exports.fail = () => { throw new Error('as the test says'); };
exports.failLater = async () => {
  await later(1);
  throw new Error('as the test says');
};
