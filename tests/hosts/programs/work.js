// SPDX-License-Identifier: MIT
// A worker as users of the npm package write them: nothing of a protocol, an async function, a handler.
async function doSomeWork(work) {
  const ms = Math.floor(Math.random() * 1000);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return `[${process.pid}] Work "${work}" completed in ${ms}ms`;
}

process.on('SIGTERM', () => {
  process.exit(0);
});

module.exports = { doSomeWork };
