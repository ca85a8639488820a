"""The run itself, from a checked configuration to a folder with checkpoints; read `Run.go` first.

A run repeats bit for bit, and goes on bit for bit after an interruption, on the same machine with as many ranks
and threads: every step seeds its own random numbers, and every image's augmentation follows from its number and epoch.
"""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.backbones.images import normalised
from training.backbones.memory import keep_freed_memory
from training.backbones.synchronised import synchronise
from training.checkpoint import Checkpoints, best_score, load_tensors
from training.config import RunConfig
from training.data.augment import Augmentation
from training.data.loader import Batches, BatchLoader
from training.data.names import as_lines
from training.data.records import FaceRecords
from training.data.source import open_records
from training.device import on_gpu, take_own_gpu
from training.journal import Journal
from training.objective import Objective
from training.outlook import outlook
from training.pair_set import open_pair_set
from training.plan import batches_of, plan_of
from training.ranks import Ranks
from training.run_record import check_same_run, record_of
from training.run_state import adopt_counters, run_tensors, share_statistics
from training.schedule import rate_factor
from training.start import start_from
from training.trained import CHECKPOINTS, CLASS_NAMES, network_of
from training.updates import Taken, Updates
from training.watch import Stepped, Watch

AMP = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Run:
    """One run in one folder, ready to go. Collective: every rank makes one and calls `go`."""

    def __init__(self, config: RunConfig, folder: Path, ranks: Ranks, watch: Watch | None = None) -> None:
        """Opens the data, makes the network and the head, and loads the last checkpoint where there is one.

        ConfigError, BadData, DatasetError, PackError and CheckpointError say what does not fit.
        """
        self.config, self.folder, self.ranks = config, folder, ranks
        self.watch = watch if watch is not None and ranks.rank == 0 else Watch()
        self.device = device_of(config)
        self.amp = AMP[config.optimisation.amp]
        self.records = open_records(config.data.records, damaged=config.data.damaged)
        batches = batches_of(config, self.records, ranks)
        self.loader = loader_of(config, self.records, batches)
        self.plan = plan_of(config, self.records, len(batches), ranks.size)
        self.network = network_of(config).to(self.device)
        if config.model.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = Objective(config, self.plan, ranks, self.device)
        self.pair_sets = {name: open_pair_set(path, ranks) for name, path in config.validation.pairs.items()}
        saving = config.saving
        self.checkpoints = Checkpoints(
            folder / CHECKPOINTS, ranks, keep=saving.keep, asynchronous=saving.asynchronous
        )
        self.record = record_of(config, self.records, ranks)
        self.best, self.skipped, self.first_step = -math.inf, 0, 0
        self._begin()

    def _begin(self) -> None:
        """First values: of a checkpoint, of an earlier run, or drawn ones."""
        saved = self.checkpoints.latest()
        head = self.objective.head
        if saved is None and self.config.model.start is not None:
            self.watch.said(start_from(self.config, self.network, head, self.records.class_names))
        self.updates = Updates(self.network, head, self.config, self.device)
        self.forward = distributed(self.network, self.ranks, self.config)
        if saved is None:
            self._introduce()
            return
        check_same_run(saved.run, self.record, self.folder)
        tensors = run_tensors(self.network, self.objective, self.updates)
        load_tensors(saved, tensors, self.ranks)
        adopt_counters(self.objective, tensors)
        self.updates.scaler.load_state_dict(saved.run["scaler"])
        self.loader.load_state_dict(saved.run["batches"])
        self.first_step, self.skipped = saved.step, saved.run["skipped"]
        self.best = best_score(self.checkpoints.folder)
        self.watch.said(f"Going on from step {saved.step} in {self.folder}.")

    def _introduce(self) -> None:
        if self.ranks.rank == 0:
            (self.folder / CLASS_NAMES).write_bytes(as_lines(self.records.class_names))
        if self.plan.logit_map is not None and self.plan.classes > 1:
            hope = outlook(self.plan.logit_map, self.plan.classes, self.config.model.dimension)
            if not hope.feasible:
                self.watch.said(f"Warning: {hope.explain()}")

    def go(self) -> None:
        """Train to the last step, then save and validate. Interrupted by a signal: save, and KeyboardInterrupt."""
        plan, chosen = self.plan, self.config.optimisation
        with self.loader, self._journal() as journal, _interruptions() as interrupted:
            self.watch.began(plan, self.first_step)
            batches = endless(self.loader)
            for step in range(self.first_step, plan.steps):
                began = perf_counter()
                factor = rate_factor(step, plan.steps, warmup=chosen.warmup, kind=chosen.schedule)
                loss, taken = self._step(step, batches, factor)
                self._note(journal, step, loss, taken, perf_counter() - began)
                # A signal may reach one rank a step before another: they stop together.
                stop = any(map(any, self.ranks.words(int(interrupted.is_set()), what="the end of a step")))
                self._after(journal, step, stop)
                if stop:
                    raise KeyboardInterrupt
        if skipped := self.loader.skipped:
            first = next(iter(skipped.values()))
            self.watch.said(f"{len(skipped)} images could not be read and were replaced, as {first}")
        self.watch.ended()

    def _step(
        self, step: int, batches: Iterator[tuple[Tensor, Tensor]], factor: float
    ) -> tuple[float, Taken]:
        """Forward and backward over the parts of one batch, then one step; the mean loss over all parts and ranks."""
        torch.manual_seed(seed_of(self.config.seed, step, self.ranks.rank))
        parts = self.config.optimisation.accumulate
        total = torch.zeros((), device=self.device)
        self.updates.begin()
        for part in range(parts):
            crops, labels = (tensor.to(self.device, non_blocking=True) for tensor in next(batches))
            with self._summing(part == parts - 1):
                with torch.autocast(self.device.type, self.amp, enabled=self.amp != torch.float32):
                    embeddings = self.forward(normalised(crops))
                loss = self.objective(embeddings, crops, labels)
                self.updates.backward(loss / parts)
            total += self.objective.value() / parts
        return float(total), self.updates.take(factor)

    def _summing(self, last: bool) -> AbstractContextManager[None]:
        """Gradients are summed over ranks once a step."""
        if last or not isinstance(self.forward, DistributedDataParallel):
            return nullcontext()
        return self.forward.no_sync()

    def _note(self, journal: Journal | None, step: int, loss: float, taken: Taken, seconds: float) -> None:
        self.skipped += not taken.finite
        speed = self.plan.batch / seconds
        self.watch.stepped(Stepped(step, loss, taken.rate, speed, self.skipped))
        if journal is not None:
            parts = {name: float(part) for name, part in self.objective.parts.items()}
            extra = parts if len(parts) > 1 else {}
            figures = {"loss": loss, "rate": taken.rate, "norm": taken.norm, "images_per_second": speed}
            journal.write(step, **figures, **extra, skipped=float(self.skipped))

    def _after(self, journal: Journal | None, step: int, stop: bool) -> None:
        """Validate and save where it is time."""
        done, last = step + 1, step + 1 == self.plan.steps
        every, validate = self.config.saving.every, self.config.validation.every
        validating = bool(self.pair_sets) and not stop and (last or (validate and done % validate == 0))
        saving = last or stop or (every and done % every == 0)
        if validating or saving:
            share_statistics(self.network, self.ranks)
        improved = validating and self._validate(journal, step)
        if improved or saving:
            self._save(done)
        if improved:
            self.checkpoints.mark_best(done, self.best)
        if last or stop:
            self.checkpoints.finish()

    def _validate(self, journal: Journal | None, step: int) -> bool:
        """Whether the first pair set has never been judged better."""
        network = self.updates.average or self.network
        found = {
            name: pairs.accuracy(network, self.ranks, self.device, self.amp).mean
            for name, pairs in self.pair_sets.items()
        }
        for name, accuracy in found.items():
            self.watch.validated(step, name, accuracy)
            if journal is not None:
                journal.write(step, **{name: accuracy})
        score = next(iter(found.values()))
        improved, self.best = score > self.best, max(score, self.best)
        return improved

    def _save(self, done: int) -> None:
        said = {
            **self.record,
            "batches": self.loader.state_dict(),
            "scaler": self.updates.scaler.state_dict(),
            "skipped": self.skipped,
        }
        self.checkpoints.save(done, run_tensors(self.network, self.objective, self.updates), said)

    def _journal(self) -> AbstractContextManager[Journal | None]:
        return Journal(self.folder, self.first_step) if self.ranks.rank == 0 else nullcontext()


def loader_of(config: RunConfig, records: FaceRecords, batches: Batches) -> BatchLoader:
    """The images of a run."""
    data = config.data
    augmentation = Augmentation(data.flip, data.resolution, data.crop, data.photometric, data.occlusion)
    return BatchLoader(
        records, batches, augmentation, seed=config.seed, threads=data.threads, on_bad=data.on_bad
    )


def endless(loader: BatchLoader) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch after another."""
    while True:
        yield from loader


def device_of(config: RunConfig) -> torch.device:
    """Where this process computes; on a CPU its threads and its memory are set up for training."""
    if on_gpu(config):
        take_own_gpu()
        return torch.device("cuda", torch.cuda.current_device())
    if config.threads:
        torch.set_num_threads(config.threads)
    keep_freed_memory()
    return torch.device("cpu")


def distributed(network: nn.Module, ranks: Ranks, config: RunConfig) -> nn.Module:
    """The network as the loop calls it: compiled where asked for, its gradients averaged over ranks."""
    if config.model.synchronised:
        synchronise(network, ranks)
    called: nn.Module = torch.compile(network) if config.model.compiled else network  # type: ignore[assignment]
    if ranks.size == 1:
        return called
    return DistributedDataParallel(called, process_group=ranks.group, forward_sync_buffers=False)


def seed_of(seed: int, step: int, rank: int) -> int:
    """0..2^63-1, of what one step draws on one rank."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def _interruptions() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM, whose handlers are put back at the end; only the main thread may have them."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {
        number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
