"""Exchanges between real processes, and their cost in bytes."""

from __future__ import annotations

import torch

from tests.training.gloo import Gloo
from training.ranks import Ranks, gather_with_gradient


def gathered(group, rows):
    ranks = Ranks(group)
    mine = torch.full((rows, 3), float(ranks.rank))
    return ranks.gather(mine).tolist(), ranks.sent


def test_a_gathered_batch_holds_every_ranks_rows_in_order(gloo: Gloo) -> None:
    for whole, sent in gloo.ask(gathered, 2):
        assert whole == [[float(rank)] * 3 for rank in range(4) for _ in range(2)]
        assert sent == 3 * 2 * 3 * 4


def shared(group):
    ranks = Ranks(group)
    rows = torch.arange(6, dtype=torch.float64).view(6, 1) * (ranks.rank + 1)
    return ranks.sum_shares(rows).flatten().tolist()


def test_each_rank_gets_its_share_of_a_sum(gloo: Gloo) -> None:
    assert gloo.ask(shared, ranks=3) == [[0.0, 6.0], [12.0, 18.0], [24.0, 30.0]]


def exchanged(group):
    ranks = Ranks(group)
    outgoing = [torch.full((other, 2), float(10 * ranks.rank + other)) for other in range(ranks.size)]
    incoming = [torch.empty(ranks.rank, 2) for _ in range(ranks.size)]
    ranks.exchange(outgoing, incoming)
    return [part[:, 0].tolist() for part in incoming]


def test_an_exchange_brings_each_part_to_its_rank_also_empty_ones(gloo: Gloo) -> None:
    answers = gloo.ask(exchanged)
    assert answers == [[[float(10 * sender + me)] * me for sender in range(4)] for me in range(4)]


def words(group):
    ranks = Ranks(group)
    return ranks.words(ranks.rank, 2**60), ranks.objects({"rank": ranks.rank})


def test_every_rank_hears_every_ranks_words(gloo: Gloo) -> None:
    for said, objects in gloo.ask(words, ranks=2):
        assert said == [(0, 2**60), (1, 2**60)]
        assert objects == [{"rank": 0}, {"rank": 1}]


def gradient_of_gathered(group):
    ranks = Ranks(group)
    rows = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    whole = gather_with_gradient(rows, ranks)
    (whole.sum(1) * torch.arange(2 * ranks.size) * (ranks.rank + 1)).sum().backward()
    return rows.grad.tolist()


def test_a_gathered_rows_gradient_is_the_sum_over_all_ranks(gloo: Gloo) -> None:
    answers = gloo.ask(gradient_of_gathered, ranks=3)
    assert answers == [[[6.0 * (2 * rank + row)] * 2 for row in range(2)] for rank in range(3)]


def test_one_process_alone_sends_nothing() -> None:
    ranks = Ranks()
    rows = torch.ones(2, 3)
    assert ranks.gather(rows) is rows
    assert ranks.words(4, 5) == [(4, 5)]
    ranks.exchange([rows], [received := torch.empty(2, 3)])
    assert (ranks.rank, ranks.size, ranks.sent, received.sum()) == (0, 1, 0, 6)
