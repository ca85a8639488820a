"""The benchmarks of curation plant what they say, and count a finding as found, or as another alarm, rightly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.copies import COSINES, planted, searched
from benchmarks.faults import Fault, People, Planting, is_found, misplaced, other_alarms
from training.curation.findings import Copies, Doubtful, Face, Findings, Looked, Merged, Outlier, Part, Split

LOOKED = Looked("", "", 0, 0, 0, "", "", {}, {}, 0.1, "", False)


def known(people: int) -> People:
    image = bytes(cv2.imencode(".png", np.full((250, 250, 3), 90, np.uint8))[1])
    return {f"p{at:02d}": {f"p{at:02d}_{number}.jpg": image for number in range(4)} for at in range(people)}


def faces(*names: str) -> list[Face]:
    return [Face(at, name, name.split("/")[0]) for at, name in enumerate(names)]


def split(one: str, other: str) -> Split:
    parts = [Part(name, "", [0], True) for name in (one, other)]
    return Split(parts[0], parts[1], 0.8, 1e-6, True)


def test_pairs_are_planted_at_their_cosines_and_all_found_where_every_pair_is_looked_at() -> None:
    rows, places = planted(4000, 50, 64)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    cosines = (rows[places[..., 0]] * rows[places[..., 1]]).sum(axis=2)
    assert cosines == pytest.approx(np.repeat(np.array(COSINES)[:, None], 50, axis=1), abs=1e-5)
    assert len(np.unique(places)) == places.size
    figures = searched(rows, places, len(rows))
    assert [figures[f"found_at_{cosine:.2f}"] for cosine in COSINES] == [1, 1, 1]
    assert figures["not_planted"] == 0


def test_every_fault_has_identities_of_its_own_and_no_photo_is_lost() -> None:
    planting = Planting(known(30), 20, seed=3)
    kinds = (planting.copy, planting.copy_across, planting.merged, planting.split, planting.wrong)
    faults = [plant(number) for plant in kinds for number in range(3)]
    there = {f"{name}/{file}" for name, files in planting.inside.items() for file in files}
    assert all(group and group <= there for fault in faults for group in fault.needs)
    identities = [name for fault in faults for name in fault.identities]
    assert len(identities) == len(set(identities)) == 3 * (1 + 2 + 1 + 2 + 1)
    # A copy, a copy across and a stranger are one photo more each, a merged identity is four.
    assert len(there) == 20 * 4 + 3 * (1 + 1 + 4 + 1)
    assert len(planting.inside) == 20 + 3


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("copy", Findings(LOOKED, copies=[Copies("near", faces("a/1", "a/copy"), 0, False)])),
        ("merged", Findings(LOOKED, merged=[Merged("a", 1, [faces("a/copy")], 0.1)])),
        ("split", Findings(LOOKED, split=[split("b", "a")])),
        ("wrong photo", Findings(LOOKED, outliers=[Outlier(faces("a/copy")[0], 0.1, 0.6)])),
    ],
)
def test_a_finding_of_a_planted_fault_is_no_other_alarm_and_without_the_fault_it_is(
    kind: str, found: Findings
) -> None:
    own, strange = frozenset({"a/1"}), frozenset({"a/copy"})
    fault = Fault(kind, (own, strange), strange, frozenset({"a", "b"}))
    assert is_found(fault, found)
    assert not is_found(fault, Findings(LOOKED))
    assert list(other_alarms(found, [fault])) == []
    assert len(list(other_alarms(found, []))) == 1


def test_a_doubt_is_explained_by_a_fault_in_the_identity_and_by_no_other() -> None:
    doubt = Findings(LOOKED, doubtful=[Doubtful("a", faces("a/1"))])
    fault = Fault("split", (frozenset({"a/1"}), frozenset({"b/1"})), frozenset(), frozenset({"a", "b"}))
    assert not is_found(fault, doubt)
    assert list(other_alarms(doubt, [fault])) == []
    assert list(other_alarms(doubt, [])) == ["in doubt: a"]


def test_faces_are_misplaced_that_stand_with_the_other_person_whichever_of_the_two_is_larger() -> None:
    own, second = (frozenset(f"a/{name}" for name in names) for names in ("123", "789"))
    fault = Fault("merged", (own, second), second, frozenset({"a"}), least=2)
    for parted, wrong in ((("7", "8", "9"), 0), (("1", "2", "3"), 0), (("7", "8"), 1), (("7", "8", "3"), 2)):
        others = faces(*(f"a/{name}" for name in parted))
        found = Findings(LOOKED, merged=[Merged("a", 3, [others], 0.1)])
        assert misplaced(fault, found, own | second) == wrong
    assert misplaced(fault, found, own | {"a/7", "a/8"}) == 1
