"""The commands as a person types them, on a set with every fault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.training.curation.conftest import AlignedSet
from tests.training.curation.planted import faulty
from training.cli.data import data_app
from training.curation.origin import Origins
from training.data.source import open_records

PROJECT = Path(__file__).parents[3]


def cocircle(*words: object) -> Result:
    return CliRunner().invoke(data_app, [str(word) for word in words])


def held(out: Path) -> dict[str, list[str]]:
    """Photos by identity."""
    records = open_records(out)
    origins = Origins(out, records)
    found: dict[str, list[str]] = {}
    for record in range(len(records)):
        found.setdefault(records.class_names[int(records.labels[record])], []).append(origins[record])
    return found


def put_right(found: dict[str, list[str]]) -> None:
    assert found["p01"] == [f"p01/01-0{number}.pgm" for number in range(1, 5)], "the copy is gone"
    assert found["p02"] == [f"p02/02-0{number}.pgm" for number in range(1, 5)]
    assert found["p03"] == [f"p03/03-0{number}.pgm" for number in range(1, 5)]
    assert "p04/taken.jpg" not in found["p04"]
    assert [name[:6] for name in found["p05"]] == ["p05/05"] * 4
    assert [name[:6] for name in found["p05~2"]] == ["p05/20"] * 3
    assert len(found["p06"]) == 8
    assert "p06-again" not in found
    assert found["p07"] == [f"p07/07-0{number}.pgm" for number in range(1, 5)]


def test_a_folder_of_photos_becomes_shards_a_report_and_a_corrected_set(tmp_path: Path) -> None:
    photos, out = faulty(tmp_path / "photos"), tmp_path / "out"
    first = cocircle("align", photos, out, "--per-shard", 25)
    assert first.exit_code == 0, first.output
    for words in ("p07/30-01.pgm", "rejected: unsupported_type", "p06-again", "biometric data"):
        assert words in first.output
    again = cocircle("align", photos, out, "--per-shard", 25, "--no-embeddings")
    assert again.exit_code == 0, again.output
    assert not list((out / ".work").glob("part-*"))
    flags = ("--drop-outliers", "--drop-duplicates", "--merge-split", "--split-merged")
    before = {path.name: path.read_bytes() for path in out.glob("*.tar")}
    done = cocircle("relabel", out, tmp_path / "right", "--report", out / "report.json", *flags)
    assert done.exit_code == 0, done.output
    assert "dropped p07/30-01.pgm" in done.output
    assert "4 faces dropped, 7 moved" in done.output
    put_right(held(tmp_path / "right"))
    assert {path.name: path.read_bytes() for path in out.glob("*.tar")} == before


def test_proposed_changes_can_be_edited_and_applied(aligned_set: AlignedSet, tmp_path: Path) -> None:
    changes = tmp_path / "changes.csv"
    report = tmp_path / "report.json"
    done = cocircle("inspect", aligned_set.out, "--report", report, "--changes", changes)
    assert done.exit_code == 0, done.output
    said, whole = json.loads(report.read_text()), json.loads((aligned_set.out / "report.json").read_text())
    assert said == whole
    text = changes.read_text()
    assert "# p07/30-01.pgm: cosine" in text
    assert cocircle("relabel", aligned_set.out, tmp_path / "right", "--changes", changes).exit_code == 0
    put_right(held(tmp_path / "right"))
    changes.write_text(text.replace(",drop,", ",move,somebody"))
    assert cocircle("relabel", aligned_set.out, tmp_path / "other", "--changes", changes).exit_code == 0
    assert len(held(tmp_path / "other")["somebody"]) == 4


def test_two_sets_are_merged(aligned_set: AlignedSet, tmp_path: Path) -> None:
    assert (
        cocircle("relabel", aligned_set.out, tmp_path / "copy", "--changes", _nothing(tmp_path)).exit_code
        == 0
    )
    done = cocircle("merge", tmp_path / "both", aligned_set.out, tmp_path / "copy", "--by", "distinct")
    assert done.exit_code == 0, done.output
    assert len(held(tmp_path / "both")) == 2 * len(held(aligned_set.out))


def _nothing(folder: Path) -> Path:
    path = folder / "nothing.csv"
    path.write_text("record,action,identity\n")
    return path


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("align", "{tmp}/nowhere", "{tmp}/out"), "no folder of photos at"),
        (("align", "{photos}", "{photos}/out"), "lie inside one another"),
        (("align", "{photos}", "{out}", "--quality", "80"), "was begun with quality 95, now it is 80"),
        (("align", "{photos}", "{out}", "--pack", "none"), "no model pack is called 'none'"),
        (("inspect", "{tmp}/nowhere"), "no faces at"),
        (("inspect", "{out}", "--tolerated", "0"), "must be more than 0; they are 0.0"),
        (("merge", "{tmp}/m", "{out}"), "a merge takes two sets or more"),
        (("merge", "{out}", "{out}", "{tmp}/x"), "no faces at"),
        (("relabel", "{out}", "{tmp}/r"), "give either --report with what to act on, or --changes"),
        (("relabel", "{out}", "{tmp}/r", "--report", "{out}/report.json"), "say what to act on"),
        (
            ("relabel", "{out}", "{tmp}/r", "--report", "{out}/shards.json", "--drop-outliers"),
            "is no report of format",
        ),
        (("relabel", "{out}", "{tmp}/r", "--report", "{tmp}/none", "--drop-outliers"), "no report at"),
        (("relabel", "{out}", "{tmp}/r", "--changes", "{tmp}/none"), "No such file"),
        (
            ("relabel", "{out}", "{out}", "--report", "{out}/report.json", "--drop-outliers"),
            "is or holds the input",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    aligned_set: AlignedSet, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    places = {"tmp": tmp_path, "photos": aligned_set.photos, "out": aligned_set.out}
    done = cocircle(*(word.format(**places) for word in words))
    assert done.exit_code == 2
    assert done.output.startswith("error: ")
    assert complaint in done.output
    assert len(done.output.splitlines()) == 1


def test_a_report_of_another_set_is_refused(aligned_set: AlignedSet, tmp_path: Path) -> None:
    assert (
        cocircle("relabel", aligned_set.out, tmp_path / "copy", "--changes", _nothing(tmp_path)).exit_code
        == 0
    )
    report = aligned_set.out / "report.json"
    done = cocircle("relabel", tmp_path / "copy", tmp_path / "r", "--report", report, "--drop-outliers")
    assert done.exit_code == 2
    assert "inspect it again" in done.output


def test_photos_without_any_face_leave_a_sentence_and_no_set(tmp_path: Path) -> None:
    (tmp_path / "photos/a").mkdir(parents=True)
    (tmp_path / "photos/a/1.jpg").write_text("no picture")
    done = cocircle("align", tmp_path / "photos", tmp_path / "out")
    assert done.exit_code == 2
    assert "no face was taken from" in done.output


def loaded_after(code: str) -> set[str]:
    """The modules that a fresh process has after `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_curation_needs_no_torch() -> None:
    names = sorted(path.stem for path in (PROJECT / "training/curation").glob("*.py"))
    imports = [f"import training.curation.{name}" for name in names if name != "__init__"]
    loaded = loaded_after("\n".join(["import training.cli.data", *imports]))
    assert {"training.curation.copies", "training.curation.session"} <= loaded
    assert not loaded & {"torch", "serving"}


def test_the_start_of_cocircle_loads_neither_curation_nor_torch() -> None:
    loaded = loaded_after("import serving.cli")
    assert "training.cli.data" in loaded, "the command is not installed: pip install -e ."
    assert "torch" not in loaded
    # Steps says what a progress bar is, to every command that shows one.
    assert {name for name in loaded if name.startswith("training.curation.")} <= {"training.curation.steps"}
