"""Real processes joined by gloo, kept for many questions: each runs a function of a test module as one rank."""

from __future__ import annotations

import multiprocessing as mp
import os
import socket
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist

# A server that has imported torch once forks the ranks in milliseconds; it has started no thread itself.
PROCESSES = mp.get_context("forkserver")
PROCESSES.set_forkserver_preload(["torch", "torch.distributed.checkpoint", "torch.distributed.tensor"])


class Gloo:
    """`size` processes. `ask` runs a function on the first `ranks` of them and returns what each answered."""

    def __init__(self, size: int, patience: float = 60.0, store_in_rank_0: bool = False) -> None:
        """store_in_rank_0: they meet at rank 0, whose death then takes the store along; else by a file."""
        self._folder = tempfile.TemporaryDirectory()
        meeting = f"file://{self._folder.name}/meeting"
        if store_in_rank_0:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                meeting = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.patience = patience
        self._ours: list[Connection] = []
        self.processes: list[mp.process.BaseProcess] = []
        for rank in range(size):
            ours, theirs = PROCESSES.Pipe()
            process = PROCESSES.Process(
                target=_serve, args=(theirs, rank, size, meeting, patience), daemon=True
            )
            process.start()
            theirs.close()
            self._ours.append(ours)
            self.processes.append(process)

    def ask(self, function: Callable[..., Any], *arguments: Any, ranks: int | None = None) -> list[Any]:
        """function(group, *arguments) on each of the first `ranks`; raises what the lowest failing rank raised."""
        answers = self.answers(function, *arguments, ranks=ranks)
        for rank, answer in enumerate(answers):
            if isinstance(answer, BaseException):
                raise AssertionError(f"rank {rank}: {answer}") from answer
        return answers

    def answers(self, function: Callable[..., Any], *arguments: Any, ranks: int | None = None) -> list[Any]:
        """As ask, with an exception in place of the answer of a rank that raised one."""
        asked = self._ours[: ranks or len(self._ours)]
        for connection in asked:
            connection.send((function, len(asked), arguments))
        return [self._answer(rank) for rank in range(len(asked))]

    def _answer(self, rank: int) -> Any:
        try:
            assert self._ours[rank].poll(self.patience * 3), f"rank {rank} hangs"
            return self._ours[rank].recv()
        except (EOFError, ConnectionResetError):
            return ChildProcessError(f"rank {rank} died")

    def close(self) -> None:
        """Ends the processes by their own ids."""
        for connection in self._ours:
            connection.close()
        for process in self.processes:
            process.join(10)
            if process.is_alive():
                process.kill()
                process.join()
        self._folder.cleanup()

    def __enter__(self) -> Gloo:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _serve(asked: Connection, rank: int, size: int, meeting: str, patience: float) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group(
        "gloo",
        init_method=meeting,
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=patience),
    )
    groups = {
        members: dist.new_group(list(range(members)), timedelta(seconds=patience))
        for members in range(1, size + 1)
    }
    while True:
        try:
            function, members, arguments = asked.recv()
        except (EOFError, ConnectionResetError):
            os._exit(0)
        try:
            answer = function(groups[members], *arguments)
        except BaseException as error:
            error.add_note(traceback.format_exc())
            answer = error
        asked.send(answer)
