// SPDX-License-Identifier: MIT
throw new RangeError('this module cannot be loaded');
