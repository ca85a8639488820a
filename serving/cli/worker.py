"""`cocircle worker`: works on jobs of a data folder until it is told to stop; answers no requests."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Annotated

import typer

from serving.allocator import share_pools
from serving.cli.console import AlsoPack, Home, Pack, told_errors
from serving.logs import start_logging
from serving.settings import Settings, read_settings


def worker(
    home: Home = None,
    pack: Pack = None,
    also_pack: AlsoPack = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Parts of jobs worked on at once.")] = 2,
    provider: Annotated[str | None, typer.Option(help="cpu or cuda.", show_default="cpu")] = None,
) -> None:
    """Works on jobs beside the service, or in its place where COCIRCLE_WORKERS is 0.

    Any number of them may share a data folder or a database. SIGTERM and SIGINT let what is under way be finished;
    whatever was killed is taken over by the others.
    """
    with told_errors():
        settings = read_settings(home=home, pack=pack, packs=also_pack, provider=provider)
        start_logging(settings.log_level)
        run(settings, threads)


def run(settings: Settings, threads: int) -> None:
    """Opens the data folder and works until SIGINT or SIGTERM; the gallery is closed in order."""
    from serving.jobs.registry import KINDS
    from serving.jobs.worker import Worker
    from serving.service import Service

    share_pools()
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    # Nobody asks this process for anything: it neither makes nor needs keys.
    service = Service.open(settings.model_copy(update={"auth": "off", "host": "127.0.0.1"}))
    try:
        working = Worker(service, KINDS, threads)
        working.start()
        try:
            sys.stdout.write(f"Cocircle works on jobs of {settings.folder} in {threads} threads\n")
            sys.stdout.flush()
            told.wait()
        finally:
            working.stop()
    finally:
        service.close()
