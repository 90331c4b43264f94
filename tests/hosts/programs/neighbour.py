# SPDX-License-Identifier: MIT
name = "neighbour"
