"""Photos of a claim: read, looked up, analysed behind the requests of clients, judged. Writes nothing."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import islice

from faces.analyzer import Analysis, EmbedWhat
from faces.batching.pipeline import Pipeline
from faces.image import ImageError
from index.job_records import Claim, Item, ItemState, Outcome
from index.records import NewPerson
from serving.enrolment import judge
from serving.jobs.enrolling.options import EnrollOptions
from serving.jobs.enrolling.samples import (
    Ready,
    Sample,
    enrolled,
    failed,
    invalid,
    person_of,
    rejection_of,
)
from serving.jobs.sources.source import PhotoSource, Trouble, Unfit
from serving.service import Service

TOGETHER = 8
"""Photos that are read before they are handed on: so many may be in memory as files, for each claim under way."""


@dataclass(frozen=True)
class Photo:
    """A photo that was read. source: sha256 of its bytes."""

    item: Item
    person: NewPerson
    data: bytes
    source: str


@dataclass(frozen=True)
class _Begun:
    photo: Photo
    analysis: Future[Analysis]


def prepare(
    service: Service, pipeline: Pipeline, claim: Claim, source: PhotoSource, options: EnrollOptions
) -> Ready:
    """Every item of the claim as a sample or an outcome. Raises Closed where the service stops.

    pipeline: of the pack of the collection's contract. Photos enrolled before are not analysed again. While some are
    analysed the next are read.
    """
    assert claim.job.collection is not None
    judging = _Judging(service, options, service.gallery.collection(claim.job.collection).keep_crops)
    outcomes: list[Outcome] = []
    waiting: deque[_Begun] = deque()
    for group in _groups(claim.items):
        read = [_read(service, item, source) for item in group]
        outcomes += [one for one in read if isinstance(one, Outcome)]
        photos = [one for one in read if isinstance(one, Photo)]
        known = service.gallery.known_sources(
            claim.job.collection, [(photo.person.id, photo.source) for photo in photos]
        )
        fresh = []
        for photo in photos:
            face = known.get((photo.person.id, photo.source))
            if face is None:
                fresh.append(photo)
            else:
                outcomes.append(enrolled(photo.item, photo.person.id, face, already=True))
        if fresh:
            waiting.extend(_begin(pipeline, fresh))
        # Judged as soon as they are analysed: an analysis holds the crops of all faces of its photo.
        while waiting and waiting[0].analysis.done():
            judging.judge(waiting.popleft())
    while waiting:
        judging.judge(waiting.popleft())
    return Ready(judging.samples, [*outcomes, *judging.outcomes])


class _Judging:
    """Collects samples and outcomes of one claim."""

    def __init__(self, service: Service, options: EnrollOptions, keep_crops: bool) -> None:
        self._service = service
        self._options = options
        self._keep_crops = keep_crops
        self.samples: list[Sample] = []
        self.outcomes: list[Outcome] = []

    def judge(self, begun: _Begun) -> None:
        """Waits for the photo's analysis, if it must."""
        photo, item = begun.photo, begun.photo.item
        judgement = judge(
            self._service,
            [begun.analysis],
            self._options.faces,
            self._options.quality,
            keep_crops=self._keep_crops,
        )
        for one in judgement.rejected:
            self.outcomes.append(Outcome(item.key, ItemState.REJECTED, tuple(one.reasons), one.message))
        for accepted in judgement.accepted:
            detail = {**accepted.new.detail, "item": item.item}
            face = replace(accepted.new, detail=detail, source=photo.source)
            self.samples.append(Sample(item, photo.person, face))


def _read(service: Service, item: Item, source: PhotoSource) -> Photo | Outcome:
    rejected = rejection_of(item)
    if rejected is not None:
        return rejected
    try:
        data = item.upload
        if data is None:
            data = source.read(item.payload, service.settings.max_image_bytes)
    except Trouble as trouble:
        return failed(item, trouble.reason, str(trouble))
    except Unfit as error:
        return invalid(item, error)
    except ImageError as error:
        service.metrics.rejections.labels(error.reason.value).inc()
        return Outcome(item.key, ItemState.REJECTED, (error.reason.value,), str(error))
    return Photo(item, person_of(item), data, hashlib.sha256(data).hexdigest())


def _begin(pipeline: Pipeline, photos: Sequence[Photo]) -> list[_Begun]:
    analyses = pipeline.submit_all(
        [photo.data for photo in photos], EmbedWhat.LARGEST, background=True, wait=True
    )
    # The pipeline keeps a photo's bytes for as long as it needs them; the claim must not.
    return [
        _Begun(replace(photo, data=b""), analysis) for photo, analysis in zip(photos, analyses, strict=True)
    ]


def _groups(items: Sequence[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while group := list(islice(left, TOGETHER)):
        yield group
