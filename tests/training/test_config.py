"""What a run is told: every fault by key and value, changes laid over a file, and the ready configurations."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.backbones import backbone
from training.config import ConfigError, RunConfig, as_tree, checked, read_config
from training.configs import FOLDER, names, ready
from training.plan import logit_map_of

DATA: dict[str, Any] = {"data": {"records": "photos"}}
FILE = """
[data]
records = "photos"

[model]
dimension = 256

[optimisation]
lr = 0.05
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(FILE, "utf-8")
    return path


def test_a_file_of_nothing_but_the_data_is_a_whole_run() -> None:
    config = checked(DATA)
    assert config.data.records == Path("photos")
    assert config == checked({**DATA, "loss": {"name": "arcface"}, "optimisation": {"batch": 128, "lr": 0.1}})


def test_a_wrong_key_is_named_with_its_value() -> None:
    with pytest.raises(ConfigError) as caught:
        checked({**DATA, "optimisation": {"learning_rate": 0.25}}, "run.toml")
    first, fault = str(caught.value).splitlines()
    assert first == "run.toml cannot be used:"
    assert fault == "  optimisation.learning_rate: Extra inputs are not permitted (it is 0.25)"


def test_every_fault_has_a_line_of_its_own_with_its_key_and_value() -> None:
    tree = {
        "data": {"records": "photos", "threads": 0, "on_bad": "weep"},
        "model": {"dimension": 1.5},
        "optimisation": {"lr": -1, "schedule": "linear", "momentum": 1.0},
        "sead": 7,
    }
    with pytest.raises(ConfigError) as caught:
        checked(tree)
    faults = str(caught.value).splitlines()[1:]
    expected = {
        "data.threads": "0",
        "data.on_bad": "'weep'",
        "model.dimension": "1.5",
        "optimisation.lr": "-1",
        "optimisation.schedule": "'linear'",
        "optimisation.momentum": "1.0",
        "sead": "7",
    }
    assert len(faults) == len(expected)
    for fault in faults:
        key, _, rest = fault.strip().partition(": ")
        assert rest.endswith(f"(it is {expected.pop(key)})")
    assert not expected


def test_missing_data_is_said_by_key() -> None:
    with pytest.raises(ConfigError, match=r"\n  data: Field required$"):
        checked({})
    with pytest.raises(ConfigError, match=r"\n  data\.records: Field required$"):
        checked({"data": {}})


@pytest.mark.parametrize("key", ["lr", "epochs", "weight_decay"])
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_number_that_is_none_is_refused(file: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"optimisation\.{key}: .*finite.*\(it is {value}\)"):
        read_config(file, [f"optimisation.{key}={value}"])


def test_clipping_is_turned_off_by_an_infinite_norm(file: Path) -> None:
    config = read_config(file, ["optimisation.clip=inf"])
    assert config.optimisation.clip == float("inf")
    assert checked(json.loads(json.dumps(as_tree(config)))) == config


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"loss": {"teacher": "default"}}, "  loss: distillation needs both a weight above 0 and a teacher"),
        ({"loss": {"distillation": 0.5}}, "  loss: distillation needs both a weight above 0 and a teacher"),
        ({"loss": {"name": "none"}}, '  loss: with name = "none" there must be pairs or a teacher'),
        ({"loss": {"name": "softmax", "scale": 64.0}}, "  loss: softmax has neither scale nor margin"),
        ({"loss": {"name": "softmax", "margin": 0.0}}, "  loss: softmax has neither scale nor margin"),
        ({"loss": {"pairs": "circle"}}, "  loss.pairs needs data.images_per_identity (4, say)"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_with_a_reason(
    tables: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        checked({**DATA, **tables})
    (fault,) = str(caught.value).splitlines()[1:]
    assert fault.startswith(says)


def test_a_teacher_with_a_weight_and_pairs_with_images_are_taken() -> None:
    config = checked(
        {
            "data": {"records": "photos", "images_per_identity": 4},
            "loss": {"name": "none", "pairs": "triplet", "teacher": "default", "distillation": 0.5},
        }
    )
    assert (config.loss.pairs, config.loss.teacher) == ("triplet", "default")


def test_a_checked_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        checked(DATA).optimisation.lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "table", "key", "value"),
    [
        ("optimisation.lr=0.2", "optimisation", "lr", 0.2),
        ("optimisation.lr = 2e-1", "optimisation", "lr", 0.2),
        ("model.channels_last=false", "model", "channels_last", False),
        ("model.settings={ width = 0.5 }", "model", "settings", {"width": 0.5}),
        ("model.settings.width=0.5", "model", "settings", {"width": 0.5}),
        ("model.backbone='vit-t'", "model", "backbone", "vit-t"),
        ("model.backbone=vit-t", "model", "backbone", "vit-t"),
        ("data.records=/mnt/a=b/shards", "data", "records", Path("/mnt/a=b/shards")),
        ("data.records = shards ", "data", "records", Path("shards")),
        ("loss.name=coco", "loss", "name", "coco"),
        ("validation.pairs.lfw=sets/lfw", "validation", "pairs", {"lfw": Path("sets/lfw")}),
    ],
)
def test_a_change_is_a_toml_value_or_a_bare_word(
    file: Path, change: str, table: str, key: str, value: object
) -> None:
    config = read_config(file, [change])
    assert getattr(getattr(config, table), key) == value
    assert config.model.dimension == 256, "the rest of the file stays"


def test_changes_lie_over_the_file_in_order_and_add_to_its_tables(file: Path) -> None:
    config = read_config(
        file,
        [
            "seed=3",
            "optimisation.lr=1",
            "optimisation.lr=0.3",
            "validation.pairs.b=two",
            "validation.pairs.a=one",
        ],
    )
    assert (config.seed, config.optimisation.lr) == (3, 0.3)
    assert list(config.validation.pairs) == ["b", "a"], "the first one given decides which is the best"


@pytest.mark.parametrize("change", ["optimisation.lr", "=3", "  =3", ""])
def test_a_change_without_a_key_and_an_equals_sign_is_refused(file: Path, change: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(file, [change])
    assert str(caught.value) == f"--set takes table.key=value; it was given {change!r}"


def test_a_change_below_something_that_is_no_table_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set data\.records\.folder=x: records is not a table"):
        read_config(file, ["data.records.folder=x"])


def test_a_change_of_a_key_that_there_is_not_is_named_with_the_file(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(file, ["optimisation.rate=0.1", "model.dimension=many"])
    said = str(caught.value)
    assert said.startswith(f"{file} cannot be used:")
    assert "optimisation.rate: Extra inputs are not permitted (it is 0.1)" in said
    assert "model.dimension:" in said
    assert "(it is 'many')" in said


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        read_config(tmp_path)
    (tmp_path / "torn.toml").write_text("[data\n")
    with pytest.raises(ConfigError, match=r"torn\.toml is not valid TOML: .*line 1"):
        read_config(tmp_path / "torn.toml")
    (tmp_path / "latin.toml").write_bytes(b'[data]\nrecords = "caf\xe9"\n')
    with pytest.raises(ConfigError, match=r"latin\.toml is not valid TOML: .*utf-8"):
        read_config(tmp_path / "latin.toml")


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
SHARES = st.floats(0, 1)
ABOVE = st.floats(1e-6, 1e6)


def some(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A table with any of these keys."""
    return st.fixed_dictionaries({}, optional=values)


TREES = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {"records": WORDS, "images_per_identity": st.integers(2, 9)},
            optional={"threads": st.integers(1, 256), "flip": st.booleans(), "occlusion": SHARES},
        )
    },
    optional={
        "model": some(
            dimension=st.integers(2, 8192),
            settings=st.dictionaries(
                WORDS,
                st.integers() | st.booleans() | WORDS | st.floats(allow_nan=False, allow_infinity=False),
            ),
            start=st.none() | WORDS,
        ),
        "loss": some(
            name=st.sampled_from(["coco", "arcface", "circle"]),
            scale=st.none() | ABOVE,
            margin=st.none() | SHARES,
            pairs=st.none() | st.sampled_from(["unified", "triplet"]),
        ),
        "head": some(sample=st.none() | st.floats(1e-3, 1), chunk=st.none() | st.integers(1, 10**6)),
        "optimisation": some(
            lr=ABOVE, steps=st.none() | st.integers(1), clip=st.none() | ABOVE, epochs=ABOVE
        ),
        "validation": some(pairs=st.dictionaries(WORDS, WORDS), every=st.integers(0)),
        "seed": st.integers(0, 2**63 - 1),
        "device": st.sampled_from(["auto", "cpu", "cuda"]),
    },
)


@given(TREES)
def test_a_configuration_written_as_json_is_read_back_as_it_was(tree: dict[str, Any]) -> None:
    config = checked(tree)
    again = checked(json.loads(json.dumps(as_tree(config))))
    assert again == config
    assert as_tree(again) == as_tree(config)
    settings = [(type(value), value) for value in config.model.settings.values()]
    assert settings == [(type(value), value) for value in again.model.settings.values()]


def test_there_are_ready_configurations_and_each_says_what_it_is_for() -> None:
    assert {"smoke", "one-gpu", "eight-gpus", "ten-million", "pairs"} <= set(names())
    for name in names():
        first, second, *_ = ready(Path(name)).read_text("utf-8").splitlines()
        assert first.startswith("# ")
        assert name in second, "the command to start it"


@pytest.mark.parametrize("name", names())
def test_every_ready_configuration_is_a_run_whose_loss_and_network_there_are(name: str) -> None:
    config = read_config(ready(Path(name)))
    assert isinstance(config, RunConfig)
    shrunk = (
        {"width": 0.125} if config.model.backbone == "mobilefacenet" else {"width": 16, "depths": (1,) * 4}
    )
    backbone(config.model.backbone, config.model.dimension, **(config.model.settings | shrunk))
    of = logit_map_of(config.loss, 1000, config.model.dimension)
    assert (of is None) == (config.loss.name == "none")
    together = config.optimisation.batch // config.optimisation.accumulate
    assert together % (config.data.images_per_identity or 1) == 0


def test_every_ready_configuration_spells_out_what_a_parsed_one_holds() -> None:
    for name in names():
        tree = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
        held = as_tree(read_config(ready(Path(name))))
        for table, values in tree.items():
            assert values.items() <= held[table].items()


def test_a_file_is_taken_as_it_is_and_a_name_by_the_ready_ones(file: Path) -> None:
    assert ready(file) == file
    assert ready(Path("smoke")) == FOLDER / "smoke.toml"


def test_an_unknown_name_lists_the_ready_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        ready(Path("smok"))
    assert str(caught.value).startswith("there is no file smok, and no ready configuration of that name: ")
    assert str(caught.value).endswith(", ".join(names()))
