"""JSON log lines on standard error; nothing biometric and nothing personal goes into one."""

from __future__ import annotations

import logging
import sys

import structlog
import structlog.typing
from structlog.tracebacks import ExceptionDictTransformer


def start_logging(level: str) -> None:
    """Sets structlog up for the process; uvicorn's own lines pass through the same renderer."""
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,  # the trace of a request or job, where traces are on
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without local variables: those of a failed request hold images and templates.
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        # Asked for at each line: whoever replaced standard error meanwhile may have closed the one before.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(least, logging.WARNING), force=True)
    # It warns at each form that it cannot read: the sender is told so by the answer, and could fill a disk with it.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
