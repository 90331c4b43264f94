// SPDX-License-Identifier: MIT
// A worker as users of worker-pool (npm) have them. Nothing in it has to change.
async function doSomeWork(work) {
  const ms = Math.floor(Math.random() * 20);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return `[${process.pid}] Work "${work}" completed in ${ms}ms`;
}

process.on('SIGTERM', () => process.exit(0));

module.exports = { doSomeWork };
