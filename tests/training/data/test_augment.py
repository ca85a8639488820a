"""Augmentation: always a crop, always the same for the same record and epoch, and only what was asked for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data.crops import picture
from training.data.augment import Augmentation, augmented, chance

KINDS = ("resolution", "crop", "photometric", "occlusion")
probability = st.floats(0, 1)
augmentations = st.builds(
    Augmentation,
    flip=st.booleans(),
    **dict.fromkeys(KINDS, probability),  # type: ignore[arg-type]
)
OTHERS = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (2**64 - 1, 1, 0), (2**64 - 2, 1, 0)]
whole = st.integers(0, 2**64 - 1)


@settings(deadline=None)
@given(augmentations, whole, st.integers(0, 1000), whole)
def test_a_crop_stays_a_crop_and_depends_on_seed_epoch_and_record_alone(
    augmentation: Augmentation, seed: int, epoch: int, record: int
) -> None:
    image = picture(3)
    first = augmented(image, augmentation, chance(seed, epoch, record))
    assert first.shape == (112, 112, 3)
    assert first.dtype == np.uint8
    assert (image == picture(3)).all()
    assert (first == augmented(image, augmentation, chance(seed, epoch, record))).all()


def test_by_default_half_of_the_images_are_mirrored_and_nothing_else() -> None:
    image = picture(1)
    mirrored = 0
    for record in range(400):
        changed = augmented(image, Augmentation(), chance(0, 0, record))
        is_mirrored = bool((changed == cv2.flip(image, 1)).all())
        assert is_mirrored or (changed == image).all()
        mirrored += is_mirrored
    assert 160 < mirrored < 240


def test_without_any_augmentation_nothing_changes() -> None:
    nothing = Augmentation(flip=False)
    assert nothing.none
    assert not Augmentation().none
    assert (augmented(picture(0), nothing, chance(0, 0, 0)) == picture(0)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_about_as_many_images_as_asked(kind: str) -> None:
    augmentation = Augmentation(flip=False, **{kind: 0.5})  # type: ignore[arg-type]
    changed = sum(
        bool((augmented(picture(1), augmentation, chance(0, 0, record)) != picture(1)).any())
        for record in range(200)
    )
    assert 70 < changed < 130


def test_which_images_are_mirrored_does_not_depend_on_the_other_kinds() -> None:
    plain = Augmentation()
    crops = Augmentation(crop=1.0)
    unflipped = Augmentation(flip=False, crop=1.0)
    for record in range(50):
        mirrored = bool((augmented(picture(1), plain, chance(0, 0, record)) != picture(1)).any())
        one = augmented(picture(1), crops, chance(0, 0, record))
        other = augmented(picture(1), unflipped, chance(0, 0, record))
        assert (one == (cv2.flip(other, 1) if mirrored else other)).all()


def test_epochs_seeds_and_records_draw_differently() -> None:
    draws = {tuple(chance(*of).random(3)) for of in OTHERS}
    assert len(draws) == len(OTHERS)


def test_an_occlusion_covers_one_rectangle_of_one_colour() -> None:
    for record in range(30):
        changed = augmented(picture(1), Augmentation(flip=False, occlusion=1.0), chance(0, 0, record))
        rows, columns = np.nonzero((changed != picture(1)).any(axis=2))
        inside = changed[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].reshape(-1, 3)
        assert (inside == inside[0]).all()
        assert 0.01 < len(inside) / 112**2 < 0.3


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_probability_outside_0_to_1_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"Augmentation\.crop is a probability, 0\.\.1; it is"):
        Augmentation(crop=value)
