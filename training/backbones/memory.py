"""Freed memory kept by a training process on a CPU; changes no number."""

from __future__ import annotations

import ctypes
import platform

# Of mallopt(3) in glibc.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Have the allocator keep what is freed for the next step, for the rest of this process; True if it could.

    glibc returns every large tensor to the system and asks for it again, and the system clears each page of
    it anew: a third to two thirds of a step of MobileFaceNet (benchmarks/backbones.py). The price: memory stays
    at its peak, which holes between blocks may raise, by 40 % at a batch of 192 in float32. Without glibc nothing
    is done.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, -1))
