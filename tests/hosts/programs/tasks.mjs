// SPDX-License-Identifier: MIT
import { pid } from 'node:process';

const base = await Promise.resolve(40);  // a module may take its time
export function plus(n) { return base + n; }
export const double = async (n) => n * 2;
export default { halve: (n) => n / 2, pid: () => pid };
