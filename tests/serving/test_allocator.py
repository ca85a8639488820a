"""Memory that threads took once and gave back is there for other threads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

GROWTH = """
import ctypes, re, sys, threading
from serving.allocator import share_pools

if sys.argv[1] == "shared":
    assert share_pools()
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
meet = threading.Barrier(8)

def take():
    # Small blocks come from pools; large ones are the system's own and are given back at once.
    meet.wait()
    blocks = [library.malloc(50_000) for _ in range(100)]
    meet.wait()
    for block in blocks:
        library.free(block)

threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(1 for line in open("/proc/self/maps") if re.match(r"[0-9a-f]+000000-", line)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="pools of threads are glibc's")
def test_threads_share_one_pool() -> None:
    def pools(how: str) -> int:
        environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
        command = [sys.executable, "-c", GROWTH, how]
        return int(
            subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        )

    assert pools("own") >= pools("shared") + 4


def test_what_the_operator_set_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.allocator import share_pools

    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    assert not share_pools()
