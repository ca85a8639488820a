"""One self-contained page of any protocols and packs: the same results give the same bytes; measures nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape

from evaluation.report.html import STYLE, html_table
from evaluation.report.protocol_result import Plot, ProtocolResult, Table


def page(results: Sequence[ProtocolResult]) -> str:
    """The page as text: a part for each protocol, its packs side by side. It holds no time and no duration, so that two
    pages can be compared line by line. ValueError without results.
    """
    if not results:
        raise ValueError("a report needs at least one evaluation")
    protocols = _by_protocol(results)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>Evaluation</title>",
        f"<style>{STYLE}</style></head><body>",
        "<h1>Evaluation</h1>",
    ]
    if len(protocols) > 1:
        links = (
            f'<li><a href="#{escape(same[0].protocol)}">{escape(same[0].title)}</a></li>'
            for same in protocols
        )
        parts.append(f"<ul>{''.join(links)}</ul>")
    for same in protocols:
        parts += _protocol(same)
    parts.append("</body></html>")
    return "\n".join(parts) + "\n"


def pictures(results: Sequence[ProtocolResult]) -> dict[str, str]:
    """The page's plots as SVG documents, by a name made of protocol and title."""
    found = {}
    for same in _by_protocol(results):
        for plot in overlaid(same):
            words = re.sub(r"[^a-z0-9]+", "-", plot.title.lower()).strip("-")
            found[f"{same[0].protocol}-{words.removeprefix(f'{same[0].protocol}-')}"] = plot.svg()
    return found


def side_by_side(results: Sequence[ProtocolResult]) -> list[Table]:
    """All tables in order; those of one title that name the same rows become one, with a column for each pack."""
    groups: dict[tuple[str, tuple[str, ...]], list[Table]] = {}
    for result in results:
        for table in result.tables:
            names = tuple(row[0] for row in table.rows)
            groups.setdefault((f"{result.protocol} {table.title}", names), []).append(table)
    return [_joined(tables) for tables in groups.values()]


def _joined(tables: Sequence[Table]) -> Table:
    first, *others = tables
    rows = [list(row) for row in first.rows]
    for table in others:
        for row, more in zip(rows, table.rows, strict=True):
            row += more[1:]
    return Table.of(first.title, rows)


def _by_protocol(results: Iterable[ProtocolResult]) -> list[list[ProtocolResult]]:
    groups: dict[str, list[ProtocolResult]] = {}
    for result in results:
        groups.setdefault(result.protocol, []).append(result)
    return list(groups.values())


def _protocol(results: Sequence[ProtocolResult]) -> list[str]:
    first = results[0]
    parts = [f'<h2 id="{escape(first.protocol)}">{escape(first.title)}</h2>']
    notes = dict.fromkeys(note for result in results for note in result.notes)
    parts += [f"<p>{escape(note)}</p>" for note in notes]
    for table in side_by_side(results):
        parts += [f"<h3>{escape(table.title)}</h3>", html_table(table.rows)]
    parts += [plot.svg() for plot in overlaid(results)]
    return [*parts, "<h3>Made with</h3>", html_table(_provenance(results))]


def overlaid(results: Sequence[ProtocolResult]) -> list[Plot]:
    """Plots of one title drawn over each other, each pack in a colour of its own where it has one curve a plot."""
    plots: dict[str, Plot] = {}
    for result in results:
        for plot in result.plots:
            before = plots.get(plot.title)
            plots[plot.title] = plot if before is None else _over(before, plot)
    return list(plots.values())


def _over(one: Plot, other: Plot) -> Plot:
    taken = max((curve.colour for curve in one.curves), default=-1) + 1
    moved = tuple(replace(curve, colour=curve.colour + taken) for curve in other.curves)
    across = replace(
        one.across, low=min(one.across.low, other.across.low), high=max(one.across.high, other.across.high)
    )
    up = replace(one.up, low=min(one.up.low, other.up.low), high=max(one.up.high, other.up.high))
    return replace(one, across=across, up=up, curves=(*one.curves, *moved))


def _provenance(results: Sequence[ProtocolResult]) -> list[list[str]]:
    rows = [["", ""]]
    rows += [[f"contract of {result.subject}", result.contract_id] for result in results]
    facts: dict[tuple[str, str], None] = {}
    for result in results:
        facts |= dict.fromkeys([*result.data.items(), *result.versions.items()])
    return rows + [list(fact) for fact in facts]
