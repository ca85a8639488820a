"""Keeps the C library from holding a pool of memory for each thread; a process that serves calls it once, at start.

glibc gives every thread a pool of its own and takes nothing back from it: each stage's threads would keep what their
largest batch ever took, and resident memory goes up by steps for hours (docs/load.md, Memory).
"""

from __future__ import annotations

import ctypes
import os

M_ARENA_MAX = -8
"""As in glibc's malloc.h."""


def share_pools() -> bool:
    """One pool for all threads that begin from now on; False where the C library is another, or the operator has set
    `MALLOC_ARENA_MAX`.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(M_ARENA_MAX, 1))
