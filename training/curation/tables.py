"""Findings as tables on a terminal: sums first, then the worst of each kind; report.json has all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from training.curation.findings import Aligned, Copies, Face, Findings

SHOWN = 10

Rows = Sequence[Sequence[str]]


def tables(findings: Findings) -> Iterator[Table]:
    """One table a kind of finding that there is."""
    if findings.aligned is not None:
        yield _table("Photos", ("what", "photos"), _aligned_rows(findings.aligned))
    yield _table("Faces", ("what", "number"), _sums(findings))
    yield from _shown(
        "Outliers: unlike the rest of their identity",
        ("photo", "cosine", "others", "resembles"),
        [
            (
                _face(one.face),
                f"{one.cosine:.2f}",
                f"{one.agree:.2f}",
                f"{one.resembles} ({one.resembles_cosine:.2f})" if one.resembles is not None else "",
            )
            for one in sorted(findings.outliers, key=lambda one: one.cosine)
        ],
    )
    yield from _shown(
        "Copies in several identities",
        ("photos", "kind"),
        [(_several(one), one.kind) for one in findings.copies if one.across],
    )
    yield from _shown(
        "Copies within an identity",
        ("photos", "kind"),
        [(_several(one), one.kind) for one in findings.copies if not one.across],
    )
    yield from _shown(
        "Several people in one identity",
        ("identity", "faces", "others, e.g.", "cosine"),
        [
            (
                one.identity,
                " + ".join(str(size) for size in (one.main, *(len(group) for group in one.others))),
                ", ".join(group[0].name for group in one.others),
                f"{one.between:.2f}",
            )
            for one in sorted(findings.merged, key=lambda one: one.between)
        ],
    )
    yield from _shown(
        "One person in two identities",
        ("identity", "is", "cosine", "of strangers"),
        [
            (
                f"{one.keep.identity} ({len(one.keep.records)})",
                f"{one.move.identity} ({len(one.move.records)})",
                f"{one.cosine:.2f}",
                "rarer than was counted" if one.extrapolated else f"1 in {1 / one.rate:,.0f}",
            )
            for one in findings.split
        ],
    )
    yield from _shown(
        "Faces that do not agree; look at them",
        ("identity", "photos"),
        [(one.identity, _names(one.faces)) for one in findings.doubtful],
    )
    yield from _shown(
        "Records that cannot be decoded",
        ("record", "why"),
        [(_face(one.face), one.reason) for one in findings.damaged],
    )


def _sums(findings: Findings) -> Rows:
    looked = findings.looked
    across = sum(one.across for one in findings.copies)
    return [
        ("faces", f"{looked.records:,}"),
        ("identities", f"{looked.identities:,}"),
        ("identities with one face", f"{looked.single:,}"),
        ("photos stored several times in one identity", f"{len(findings.copies) - across:,}"),
        ("photos stored in several identities", f"{across:,}"),
        ("outliers", f"{len(findings.outliers):,}"),
        ("identities that look merged", f"{len(findings.merged):,}"),
        ("pairs of identities that look split", f"{len(findings.split):,}"),
        ("identities in doubt", f"{len(findings.doubtful):,}"),
        ("records that cannot be decoded", f"{len(findings.damaged):,}"),
    ]


def _aligned_rows(aligned: Aligned) -> Rows:
    return [
        ("photos", f"{aligned.photos:,}"),
        ("accepted", f"{aligned.accepted:,}"),
        *((f"rejected: {reason}", f"{count:,}") for reason, count in aligned.rejected.items()),
        ("identities left out, with too few faces", f"{aligned.left_out:,}"),
        ("links not followed", f"{aligned.links:,}"),
    ]


def _several(copies: Copies) -> str:
    return _names(copies.faces)


def _names(faces: Sequence[Face]) -> str:
    more = f" and {len(faces) - 4} more" if len(faces) > 4 else ""
    return ", ".join(_face(face) for face in faces[:4]) + more


def _face(face: Face) -> str:
    return face.name if face.name.startswith(f"{face.identity}/") else f"{face.identity}: {face.name}"


def _shown(title: str, columns: Sequence[str], rows: Rows) -> Iterator[Table]:
    if rows:
        more = f" (the first {SHOWN} of {len(rows):,})" if len(rows) > SHOWN else ""
        yield _table(title + more, columns, rows[:SHOWN])


def _table(title: str, columns: Sequence[str], rows: Rows) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
