"""Token buckets: how much a bucket gives, what it tells, and that it holds no more memory than it may."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.limits import Buckets, Limits


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_two_seconds_worth_may_come_at_once_and_then_one_each_time_it_is_earned() -> None:
    clock = Clock()
    limits = Limits(keys=Buckets(clock=clock))
    assert [limits.of_key("k", 2.0).allowed for _ in range(5)] == [True] * 4 + [False]
    refused = limits.of_key("k", 2.0)
    assert refused.headers == {
        "RateLimit-Limit": "4",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "1",
        "Retry-After": "1",
    }
    clock.now = 0.5
    assert [limits.of_key("k", 2.0).allowed for _ in range(2)] == [True, False]
    assert limits.of_key("other", 2.0).allowed


def test_a_rate_below_one_a_second_lets_one_through_and_says_how_long_to_wait() -> None:
    clock = Clock()
    limits = Limits(keys=Buckets(clock=clock))
    assert limits.of_key("k", 0.1).allowed
    refused = limits.of_key("k", 0.1)
    assert not refused.allowed
    assert refused.headers["Retry-After"] == "10"
    clock.now = 10.0
    assert limits.of_key("k", 0.1).allowed


@given(st.lists(st.floats(0, 5), max_size=60), st.floats(0.1, 50), st.floats(1, 100))
def test_no_span_of_time_gives_more_than_the_burst_and_what_was_earned_in_it(
    pauses: list[float], rate: float, burst: float
) -> None:
    clock = Clock()
    buckets = Buckets(clock=clock)
    moments = []
    for pause in pauses:
        clock.now += pause
        if buckets.take("k", rate, burst).allowed:
            moments.append(clock.now)
    for first in range(len(moments)):
        for last in range(first, len(moments)):
            assert last - first + 1 <= burst + (moments[last] - moments[first]) * rate + 1e-6


def test_a_million_addresses_take_no_more_room_than_was_said() -> None:
    buckets = Buckets(most=100)
    for number in range(10_000):
        buckets.take(str(number), 1.0, 20.0)
    assert len(buckets) == 100
