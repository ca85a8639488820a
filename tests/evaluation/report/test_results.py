"""Results of protocols: kept in a folder, shown side by side on one page, and never as numbers JSON cannot hold."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from evaluation.datasets.images import DatasetError
from evaluation.report.page import page, side_by_side
from evaluation.report.protocol_result import Plot, ProtocolResult, Table, finite
from evaluation.report.results_folder import keep, kept
from evaluation.report.svg import Axis, Curve
from serving.cli.evaluate import evaluate_app


def result(subject: str = "default", accuracy: str = "99.5", protocol: str = "cfp-fp") -> ProtocolResult:
    return ProtocolResult(
        protocol=protocol,
        title="CFP, frontal-profile <pairs>",
        subject=subject,
        contract_id=f"{subject}-0123",
        notes=("Ten folds.",),
        tables=(Table.of("7,000 pairs", [["", subject], ["accuracy, %", accuracy]]),),
        figures={"accuracy": float(accuracy) / 100, "interval": (0.1, 0.2), "folds": [1, 2]},
        data={"images": "7,000, SHA-256 abc"},
        versions={"numpy": "2.0"},
        plots=(
            Plot(
                "ROC", Axis("FAR", 1e-3, 1, True), Axis("TAR", 0, 1), (Curve(subject, [(0.1, 0.5), (1, 1)]),)
            ),
        ),
    )


def test_what_was_kept_comes_back_and_gives_the_same_page(tmp_path: Path) -> None:
    made = [result(), result("other", "98.0"), result(protocol="ytf")]
    keep(made, tmp_path / "results")
    found = kept(tmp_path / "results")
    assert sorted(one.protocol for one in found) == ["cfp-fp", "cfp-fp", "ytf"]
    assert page(found) == page(kept(tmp_path / "results"))
    keep([result(accuracy="97.0")], tmp_path / "results")
    again = kept(tmp_path / "results")
    assert len(again) == 3
    assert {one.tables[0].rows[1][1] for one in again} == {"97.0", "98.0", "99.5"}


def test_packs_stand_side_by_side_where_their_tables_name_the_same_rows() -> None:
    other = result("other", "98.0")
    (joined,) = side_by_side([result(), other])
    assert joined.rows == (("", "default", "other"), ("accuracy, %", "99.5", "98.0"))
    apart = replace(other, tables=(Table.of("7,000 pairs", [["", "other"], ["EER, %", "1"]]),))
    assert len(side_by_side([result(), apart])) == 2
    assert len(side_by_side([result(), replace(other, protocol="ytf")])) == 2


def test_plots_of_one_title_are_drawn_over_each_other_in_other_colours() -> None:
    text = page([result(), result("other")])
    assert text.count("<svg") == 1
    start, stop = text.index("<svg"), text.index("</svg>") + len("</svg>")
    root = ET.fromstring(text[start:stop])
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len({line.get("stroke") for line in lines}) == len(lines) == 2


def test_a_page_loads_nothing_and_escapes_what_it_was_told() -> None:
    text = page([result("<script>alert(1)</script>")])
    assert "<script" not in text
    assert "CFP, frontal-profile &lt;pairs&gt;" in text
    assert "http://www.w3.org/2000/svg" in text
    assert text.count("http") == text.count("http://www.w3.org/2000/svg")


def test_a_page_without_results_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        page([])


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "Invalid JSON"), (b"[]", "no result"), (b'{"protocol": "lfw"}', "title: Field required")],
)
def test_a_damaged_result_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "cfp.json").write_bytes(content)
    with pytest.raises(DatasetError, match=words) as caught:
        kept(tmp_path)
    assert "cfp.json" in str(caught.value)


def test_no_results_are_told_in_one_line(tmp_path: Path) -> None:
    told = CliRunner().invoke(evaluate_app, ["report", str(tmp_path), "--to", str(tmp_path / "page.html")])
    assert told.exit_code == 2
    assert "holds no results" in told.stderr
    assert not (tmp_path / "page.html").exists()


def test_brackets_in_a_name_are_told_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "[bold]mine[/bold]"
    told = CliRunner().invoke(evaluate_app, ["report", str(folder), "--to", str(tmp_path / "page.html")])
    assert told.exit_code == 2
    assert "[bold]mine[/bold]" in told.stderr.replace("\n", "")


def test_a_page_is_written_from_a_folder_of_results(tmp_path: Path) -> None:
    keep([result()], tmp_path / "results")
    told = CliRunner().invoke(
        evaluate_app, ["report", str(tmp_path / "results"), "--to", str(tmp_path / "page.html")]
    )
    assert told.exit_code == 0, told.stderr
    assert (tmp_path / "page.html").read_text() == page([result()])


def test_plots_are_written_one_by_one_when_asked_for(tmp_path: Path) -> None:
    keep([result(), result("other")], tmp_path / "results")
    told = CliRunner().invoke(
        evaluate_app,
        [
            "report",
            str(tmp_path / "results"),
            "--to",
            str(tmp_path / "page.html"),
            "--plots",
            str(tmp_path / "svg"),
        ],
    )
    assert told.exit_code == 0, told.stderr
    (plot,) = (tmp_path / "svg").iterdir()
    assert plot.name == "cfp-fp-roc.svg"
    assert plot.read_text() in (tmp_path / "page.html").read_text()


def test_json_holds_no_number_that_json_has_not() -> None:
    odd = {
        "a": float("nan"),
        "b": (float("inf"), 1.0),
        "c": np.array([1, 2]),
        "d": np.float32(0.5),
        3: result().tables[0],
    }
    text = json.dumps(finite(odd), allow_nan=False)
    assert json.loads(text)["b"] == [None, 1.0]
    assert json.loads(text)["c"] == [1, 2]
    assert json.loads(text)["3"]["title"] == "7,000 pairs"
    assert json.loads(json.dumps(result().record(), allow_nan=False))["pack"] == "default"
