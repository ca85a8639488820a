"""Freed memory is used again without asking the system for it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from training.backbones.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(40):
    torch.ones(10 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_tensors_of_the_size_of_freed_ones_touch_few_fresh_pages() -> None:
    # Not none: whatever is allocated between two tensors may take a corner of the hole the first one left.
    assert faults("kept") < faults("as it comes") / 2


def faults(setting: str) -> int:
    run = subprocess.run([sys.executable, "-c", FAULTS, setting], capture_output=True, text=True, check=True)
    return int(run.stdout)
