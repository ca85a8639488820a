"""Clients in a process of their own, so that none of their work is done in the service's. Judges no figures.

Run as `python -m benchmarks.load.clients`, with a Plan as JSON on stdin, it prints an Outcome as JSON. Three kinds:
closed-loop clients, which send the next photo when the last is answered, or, refused, when Retry-After says so;
arrivals at a rate, which wait for nobody; and, beside those, polite clients that come again until they are answered.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from itertools import cycle
from time import perf_counter
from typing import Any

import httpx

from benchmarks.load.probes import COLLECTION, person_id, probes
from benchmarks.load.wire import FAILURES, Answer, Post, fresh, kept
from evaluation.datasets.att import PEOPLE

PATH = f"/v1/collections/{COLLECTION}/identify"
WARMING = 0.2
"""Share of the measured time that clients run before it."""
UNKNOWN = ""

Expected = dict[str, tuple[str, float]]
"""Of each probe, by its path: the person named when it is asked alone, and the cosine."""


@dataclass(frozen=True)
class Plan:
    """people: whose photos are sent, and expected: what each is answered alone. clients: in a closed loop.

    rate: arrivals a second, in place of those. polite: clients beside the arrivals.
    """

    url: str
    people: int
    expected: Expected
    seconds: float = 0.0
    clients: int = 0
    rate: float = 0.0
    polite: int = 0


@dataclass
class Outcome:
    """answered: by status. latencies: milliseconds of those with 200. refused: those with 429.

    Of a closed loop they are the requests answered in the measured seconds, of arrivals all. different: answers with
    200 that do not say what the same photo alone was answered. without_time: 429 that do not say when to come again.
    unanswered: requests without an answer, by error. tries, waits: of each polite client, and its seconds until 200.
    """

    seconds: float = 0.0
    answered: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    different: int = 0
    without_time: int = 0
    unanswered: dict[str, int] = field(default_factory=dict)
    tries: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    @property
    def good(self) -> int:
        """Answers with 200."""
        return self.answered.get("200", 0)

    @property
    def refused(self) -> int:
        """Answers with 429."""
        return self.answered.get("429", 0)

    @property
    def failures(self) -> dict[str, int]:
        """Answers that are neither, by status, and requests without one, by error."""
        others = {status: count for status, count in self.answered.items() if status not in ("200", "429")}
        return others | self.unanswered

    @property
    def failed(self) -> int:
        """How many those are."""
        return sum(self.failures.values())


class Clients:
    """Send the probes in turn and keep count of the answers."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._photos = cycle((str(photo.path), photo.path.read_bytes()) for photo in probes(plan.people))
        self._answered: Counter[str] = Counter()
        self._unanswered: Counter[str] = Counter()
        self.outcome = Outcome()

    async def closed(self, posts: Sequence[Post]) -> Outcome:
        """One of each of `posts`, for the measured seconds and some before."""
        begun = perf_counter() + WARMING * self._plan.seconds
        end = begun + self._plan.seconds
        self.outcome.seconds = self._plan.seconds
        await asyncio.gather(*(self._client(post, begun, end) for post in posts))
        return self._counted()

    async def arrivals(self, post: Post) -> Outcome:
        """`rate` a second, whatever becomes of those before; returns when all are answered."""
        begun = perf_counter()
        sent: list[asyncio.Task[Any]] = []
        count = int(self._plan.rate * self._plan.seconds)
        for number in range(count):
            if number == count // 2:
                # By now there is a crowd.
                sent += [asyncio.create_task(self._come_again(post)) for _ in range(self._plan.polite)]
            late = begun + number / self._plan.rate - perf_counter()
            await asyncio.sleep(max(0.0, late))
            sent.append(asyncio.create_task(self._ask_and_count(post)))
        self.outcome.seconds = perf_counter() - begun
        await asyncio.gather(*sent)
        return self._counted()

    async def alone(self, post: Post) -> Expected:
        """What each probe is answered when it is asked alone."""
        expected: Expected = {}
        for path, data in self._once():
            answer = await post(data)
            if answer.status != 200:
                raise RuntimeError(
                    f"a photo asked alone was answered {answer.status}: {answer.body.decode()}"
                )
            expected[path] = _named(answer)
        return expected

    def _once(self) -> Iterator[tuple[str, bytes]]:
        return (next(self._photos) for _ in probes(self._plan.people))

    async def _client(self, post: Post, begun: float, end: float) -> None:
        while perf_counter() < end:
            again = await self._ask_and_count(post, begun, end)
            await asyncio.sleep(min(again, max(0.0, end - perf_counter())))

    async def _come_again(self, post: Post) -> None:
        begun, tries = perf_counter(), 1
        while (answer := await self._ask(post))[0] == "429":
            tries += 1
            await asyncio.sleep(answer[1])
        if answer[0] == "200":
            self.outcome.tries.append(tries)
            self.outcome.waits.append(perf_counter() - begun)
        else:
            self._unanswered[f"polite: {answer[0]}"] += 1

    async def _ask_and_count(self, post: Post, begun: float = 0.0, end: float = float("inf")) -> float:
        """Seconds until the next request: none, unless this one was refused."""
        sent = perf_counter()
        status, again = await self._ask(post)
        now = perf_counter()
        if status.isdigit() and begun <= now < end:
            self._answered[status] += 1
            if status == "200":
                self.outcome.latencies.append((now - sent) * 1000)
        return again

    async def _ask(self, post: Post) -> tuple[str, float]:
        """The status of one answer, or the error's name; and when to come again, in seconds."""
        path, data = next(self._photos)
        try:
            answer = await post(data)
        except FAILURES as error:
            self._unanswered[type(error).__name__] += 1
            return type(error).__name__, 0.0
        if answer.status == 200:
            person, cosine = _named(answer)
            named, before = self._plan.expected[path]
            self.outcome.different += person != named or abs(cosine - before) > 1e-4
        elif answer.status == 429 and not answer.again.isdigit():
            self.outcome.without_time += 1
        return str(answer.status), float(answer.again) if answer.again.isdigit() else 0.0

    def _counted(self) -> Outcome:
        self.outcome.answered = dict(self._answered)
        self.outcome.unanswered = dict(self._unanswered)
        return self.outcome


def _named(answer: Answer) -> tuple[str, float]:
    candidates = answer.json()["faces"][0]["candidates"]
    return (candidates[0]["person_id"], candidates[0]["cosine"]) if candidates else (UNKNOWN, 0.0)


def measured(plan: Plan) -> Outcome:
    """Runs the plan in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load.clients"]
    done = subprocess.run(command, input=json.dumps(asdict(plan)), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the clients failed:\n{done.stderr}")
    return Outcome(**json.loads(done.stdout))


def asked_alone(url: str, people: int) -> Expected:
    """Asks each probe of so many people once, with nobody beside."""

    async def ask() -> Expected:
        async with httpx.AsyncClient(base_url=url) as http:
            return await Clients(Plan(url, people, {})).alone(kept(http, PATH))

    return asyncio.run(ask())


def right_and_unknown(expected: Expected) -> tuple[int, int, int]:
    """Of the probes: the right person is named, nobody is, somebody else is."""
    shown = {str(photo.path): person_id(photo.person) for photo in probes(PEOPLE)}
    right = sum(person == shown[path] for path, (person, _) in expected.items())
    unknown = sum(person == UNKNOWN for person, _ in expected.values())
    return right, unknown, len(expected) - right - unknown


async def _run(plan: Plan) -> Outcome:
    if plan.rate:
        return await Clients(plan).arrivals(fresh(plan.url, PATH))
    trusted = ssl.create_default_context()
    async with AsyncExitStack() as stack:
        # A pool looks at all its connections for each request: one pool a client, each with one connection.
        clients = [httpx.AsyncClient(base_url=plan.url, verify=trusted) for _ in range(plan.clients)]
        posts = [kept(await stack.enter_async_context(client), PATH) for client in clients]
        return await Clients(plan).closed(posts)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_run(Plan(**json.load(sys.stdin)))))))
