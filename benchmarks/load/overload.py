"""Ten times as many requests as a service can answer: who is answered, who is refused, and what is left afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.load.clients import Outcome, Plan, asked_alone, measured
from benchmarks.load.report import bar, percentile, table, told
from benchmarks.load.service import served

CLIENTS = 32
"""In the closed loop that measures what can be answered, before and after."""
TIMES = 10
POLITE = 4
DEADLINE = 10.0
SLACK = 1.0
"""Seconds beyond the deadline that an answer may take: a photo at work when it passes is finished."""
AS_BEFORE = 0.8
"""Share of the first speed that counts as the same again, on a machine with other work."""


def overload(home: Path, people: int, seconds: float) -> Iterator[str]:
    """The table and what is wanted of it, line by line."""
    with served(home, workers=0, deadline=DEADLINE) as service:
        expected = asked_alone(service.url, people)
        closed = Plan(service.url, people, expected, seconds, clients=CLIENTS)
        before = measured(closed)
        rate = TIMES * before.good / before.seconds
        during = measured(Plan(service.url, people, expected, seconds, rate=rate, polite=POLITE))
        after = measured(closed)
    yield from table(
        _row(name, outcome)
        for name, outcome in (
            (f"{CLIENTS} clients, before", before),
            (f"{rate:.0f} arrivals a second", during),
            (f"{CLIENTS} clients, after", after),
        )
    )
    yield ""
    yield from _verdict(before, during, after)


def _row(name: str, outcome: Outcome) -> dict[str, str]:
    sent = sum(outcome.answered.values()) + sum(outcome.unanswered.values())
    return {
        "load": name,
        "sent/s": f"{sent / outcome.seconds:.1f}",
        "answered/s": f"{outcome.good / outcome.seconds:.1f}",
        "answered": f"{outcome.good / max(sent, 1):.1%}",
        "429": f"{outcome.refused / max(sent, 1):.1%}",
        "p50 ms": f"{percentile(outcome.latencies, 0.5):.0f}",
        "p99 ms": f"{percentile(outcome.latencies, 0.99):.0f}",
        "failed": told(outcome.failures),
        "different": str(outcome.different),
    }


def _verdict(before: Outcome, during: Outcome, after: Outcome) -> Iterator[str]:
    all_three = (before, during, after)
    slowest = percentile(during.latencies, 0.99) / 1000
    again = after.good / max(before.good, 1)
    tries = f"{len(during.tries)} of {POLITE}, after {' '.join(map(str, during.tries))} tries"
    waited = f"{max(during.waits, default=0.0):.1f} s at most"
    yield bar("neither 200 nor 429, or no answer", not any(found.failed for found in all_three), "none")
    yield bar("answers that differ from those alone", not any(found.different for found in all_three), "none")
    yield bar(f"429 without Retry-After: {during.without_time}", not during.without_time, "none")
    yield bar(f"refused: {during.refused}", during.refused > 0, "some, or there was no overload")
    yield bar(
        f"p99 of the answered {slowest:.1f} s",
        slowest <= DEADLINE + SLACK,
        f"at most {DEADLINE + SLACK:.0f} s",
    )
    yield bar(
        f"clients that honour Retry-After and are answered: {tries}, {waited}",
        len(during.tries) == POLITE,
        f"{POLITE}",
    )
    yield bar(
        f"answers a second afterwards / before: {again:.2f}", again >= AS_BEFORE, f"at least {AS_BEFORE}"
    )
