# SPDX-License-Identifier: MIT
import no_such_package
