"""`cocircle serve`: runs the service until it is told to stop."""

from __future__ import annotations

import signal
import socket
import sys
from typing import Annotated

import typer
import uvicorn

from serving.allocator import share_pools
from serving.cli.console import EXIT_ERROR, AlsoPack, Home, Pack, tell_error, told_errors
from serving.logs import start_logging
from serving.settings import Settings, read_settings

KEPT_OPEN = 75
"""Seconds of a connection without a request; longer than clients and proxies keep theirs (httpx 5, nginx 60): where the
service closes first, a request that is on its way meets a closed connection."""


def serve(
    home: Home = None,
    pack: Pack = None,
    also_pack: AlsoPack = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", show_default="8080")] = None,
    engine: Annotated[
        str | None, typer.Option(help="faiss-cpu, faiss-gpu or milvus.", show_default="faiss-cpu")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="cpu or cuda.", show_default="cpu")] = None,
) -> None:
    """Runs the REST service and its page. Every other setting is a COCIRCLE_* variable (docs/deploy.md)."""
    with told_errors():
        settings = read_settings(
            home=home, pack=pack, packs=also_pack, host=host, port=port, engine=engine, provider=provider
        )
        start_logging(settings.log_level)
        run(settings)


def run(settings: Settings) -> None:
    """Opens the service and serves until SIGINT or SIGTERM; the gallery is closed in order."""
    from serving.app import create_app

    share_pools()
    with _listen(settings) as listener:
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            # Whoever connects is the caller: a header that anybody may send makes no address.
            proxy_headers=False,
            timeout_graceful_shutdown=30,
            timeout_keep_alive=KEPT_OPEN,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal again once it has shut down; by then it has been obeyed.
            signal.signal(number, lambda *_: None)
        _Announcing(config, listener).run(sockets=[listener])


class _Announcing(uvicorn.Server):
    """Says where it listens once requests are answered, so that whoever started it need not guess."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        host, port = listener.getsockname()[:2]
        self._address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(f"Cocircle answers at {self._address} (the page: {self._address}/)\n")
        sys.stdout.flush()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        tell_error(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}")
        raise typer.Exit(EXIT_ERROR) from None
    return listener
