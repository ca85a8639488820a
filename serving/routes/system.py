"""Routes about the service itself: alive, ready, metrics, models, settings that clients need."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from anyio.to_thread import run_sync
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from faces.pack import ModelPack
from index.errors import EngineUnavailable, StoreUnavailable
from serving.access import Overseer, Reader, ServiceDep
from serving.docs import ERRORS
from serving.schemas import (
    CalibrationOut,
    CollectionReadiness,
    ErrorOut,
    Health,
    ModelOut,
    ModelsOut,
    ReadyOut,
    SystemOut,
)
from serving.service import Service

router = APIRouter(tags=["system"])

LIBRARIES = (
    "cocircle",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "opencv-python-headless",
    "faiss-cpu",
    "faiss-gpu",
    "pymilvus",
    "fastapi",
    "sqlalchemy",
)


@router.get("/livez")
async def livez() -> Health:
    """The process answers; says nothing of store or models."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": ReadyOut | ErrorOut}})
async def readyz(service: ServiceDep, response: Response) -> ReadyOut:
    """Models are warm and every acknowledged write is searchable; else 503 with what lags."""
    states = await run_sync(service.gallery.readiness)
    lagging = [
        CollectionReadiness(
            collection=state.collection,
            store_revision=state.store_revision,
            engine_revision=state.engine_revision,
        )
        for state in states
        if not state.ready
    ]
    if lagging:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return ReadyOut(ready=not lagging, models_warm=True, lagging=lagging)


@router.get("/metrics", response_class=Response, responses=ERRORS | {200: {"content": {"text/plain": {}}}})
async def metrics(service: ServiceDep, _: Overseer) -> Response:
    """Prometheus' text format."""
    await run_sync(_measure_gallery, service)
    return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/models", responses=ERRORS)
async def models(service: ServiceDep, _: Reader) -> ModelsOut:
    """The served model packs, the main one first, each with its contract, licence and calibration."""
    return ModelsOut(items=[_model(one.pack) for one in service.packs])


def _model(pack: ModelPack) -> ModelOut:
    calibration = pack.calibration
    found = None
    if calibration is not None:
        found = CalibrationOut(
            data=calibration.data, impostor_pairs=calibration.pairs, floor=calibration.floor
        )
    return ModelOut(
        name=pack.name,
        version=pack.manifest.version,
        contract_id=pack.contract_id,
        dimension=pack.dimension,
        licence=pack.manifest.licence,
        origin=pack.embedder.model.origin,
        calibration=found,
    )


@router.get("/v1/system", responses=ERRORS)
async def system(service: ServiceDep, _: Reader) -> SystemOut:
    """Versions, engine and the limits that a client should know."""
    settings = service.settings
    return SystemOut(
        version=version("cocircle"),
        engine=settings.engine,
        provider=settings.provider,
        keys_required=settings.keys_required,
        versions=_versions(),
        verify_max_fmr=settings.verify_max_fmr,
        identify_max_fmr=settings.identify_max_fmr,
        max_image_bytes=settings.max_image_bytes,
        max_pixels=settings.max_pixels,
        max_images=settings.max_images,
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        # A GPU build stands in place of the CPU build of the same library, under another name.
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _measure_gallery(service: Service) -> None:
    service.metrics.waiting.set(service.pipeline.admission.admitted)
    service.metrics.templates.clear()
    service.metrics.lag.clear()
    service.metrics.jobs.clear()
    service.metrics.job_items.clear()
    service.metrics.job_items_settled.clear()
    try:
        _measure_collections(service)
    except StoreUnavailable:
        service.metrics.store_up.set(0)
    else:
        service.metrics.store_up.set(1)


def _measure_collections(service: Service) -> None:
    after: str | None = None
    while page := service.gallery.collections(after, 1000):
        for collection in page:
            service.metrics.templates.labels(collection.id).set(collection.faces)
        after = page[-1].id
    with suppress(EngineUnavailable):  # what lags is not known then, and /readyz says so
        for state in service.gallery.readiness():
            service.metrics.lag.labels(state.collection).set(state.store_revision - state.engine_revision)
    for going in service.gallery.jobs.unsettled():
        service.metrics.jobs.labels(going.kind, going.state).set(going.jobs)
        service.metrics.job_items.labels(going.kind, going.state).set(going.waiting)
        service.metrics.job_items_settled.labels(going.kind, going.state).set(going.settled)
