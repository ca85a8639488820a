"""The Triton kernels: Chunked's numbers in Triton's interpreter, and machine code for an H100 that fits and uses it.

A GPU is not needed. The interpreter is switched on in a process of its own, since Triton reads the switch when it is
imported; a second process, without it, compiles.
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing as mp
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from training.head.fused import Background, Chunked, Classes, Targets, targets_among
from training.head.pass_two_sgd import PassTwoSGD
from training.head.precision import precision
from training.head.reference import dense_loss
from training.head.sharded import ShardedClassifier
from training.losses.logit_maps import MAPS, ArcFace, LogitMap, logit_map

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="Triton is not installed: pip install 'cocircle[triton]'",
)

# Of a sum over classes, relative to its length. In float32 beside float64: the digits of z, which Circle takes to 250.
# In half beside the plain backend, one rounding: sums of another order round single weights and directions to the
# other side, and Triton takes what a push has along its direction from rounded weights. Measured: 2.6e-4 and 2.3e-3.
BARS = {"fp32": 2e-5, "fp16": 5e-4, "bf16": 4e-3}


class Worker:
    """A process with Triton's interpreter on or off; `ask` runs a function of this module there."""

    def __init__(self, interpreted: bool, cache: Path) -> None:
        context = mp.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("TRITON_INTERPRET", "1" if interpreted else "0")
            environment.setenv("TRITON_CACHE_DIR", str(cache))
            self._process.start()
        theirs.close()

    def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self._ours.send((function, arguments))
        assert self._ours.poll(120), f"{function.__name__} hangs"
        answer = self._ours.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        self._ours.close()
        self._process.join(10)
        assert self._process.exitcode == 0


def _serve(asked: Connection) -> None:
    torch.set_num_threads(1)
    while True:
        try:
            function, arguments = asked.recv()
        except EOFError:
            return
        try:
            answer = function(*arguments)
        except Exception as error:
            error.add_note(traceback.format_exc())
            answer = error
        asked.send(answer)


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(True, tmp_path_factory.mktemp("interpreter"))
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(False, tmp_path_factory.mktemp("compiler"))
    yield worker
    worker.close()


@dataclass(frozen=True)
class Case:
    """labels: `any`, some of them of other ranks; `one` for all rows; `elsewhere`, no row's class is here."""

    loss: str = "arcface"
    operands: str = "fp32"
    rows: int = 37
    classes: int = 211
    dimension: int = 20
    chunk: int = 97
    labels: str = "any"
    share: float | None = None

    @property
    def of(self) -> LogitMap:
        return logit_map(self.loss, **({"scale": 30.0} if self.loss in ("coco", "normface") else {}))

    def problem(self) -> tuple[Tensor, Classes, Targets]:
        generator = torch.Generator().manual_seed(7)
        batch = functional.normalize(torch.randn(self.rows, self.dimension, generator=generator))
        weight = torch.randn(self.classes, self.dimension, generator=generator)
        labels = {
            "any": torch.randint(-20, self.classes + 20, (self.rows,), generator=generator),
            "one": torch.full((self.rows,), self.classes // 2),
            "elsewhere": torch.full((self.rows,), self.classes),
        }[self.labels]
        chosen = None
        if self.share is not None:
            drawn = torch.rand(self.classes, generator=generator)
            drawn[labels[(labels >= 0) & (labels < self.classes)]] = 0.0
            chosen = torch.nonzero(drawn <= self.share).squeeze(1)
        return batch, Classes(weight, chosen), targets_among(labels, 0, self.classes, chosen)


@dataclass(frozen=True)
class Sums:
    """What both passes yield, as far as it does not depend on where a backend puts its largest logit."""

    log_sum: Tensor
    pull: Tensor
    push: Tensor
    along: Tensor

    def error(self, right: Sums) -> float:
        """The largest: of a log-sum as it is, it is a relative one already; of the others over their length."""
        log_sums = (self.log_sum - right.log_sum).abs().nan_to_num(0.0).max().item()
        pairs = ((self.pull, right.pull), (self.push, right.push), (self.along, right.along))
        lengths = [((mine - other).norm() / other.norm().clamp_min(1e-30)).item() for mine, other in pairs]
        return max(log_sums, *lengths)


def sums(backend: Any, batch: Tensor, classes: Classes, targets: Targets, log_sum: Tensor) -> Sums:
    """Pass one, and pass two under a normaliser that is the same for all backends."""
    background: Background = backend.pass_one(batch, classes, targets, True)
    assert background.pull is not None
    pull = background.pull * torch.exp(background.largest - log_sum)[:, None]
    begins = targets.starts(backend.chunk, len(classes))
    pushes, alongs = [], []
    for number, chunk in enumerate(classes.chunks(backend.chunk)):
        own = targets.part(begins[number], begins[number + 1], chunk.start)
        push, along = backend.pass_two(batch, chunk, own, log_sum)
        assert push.shape == chunk.unit.shape
        assert along.shape == chunk.inverse.shape
        pushes.append(push)
        alongs.append(along)
    return Sums(*(part.double() for part in (background.log_sum, pull, torch.cat(pushes), torch.cat(alongs))))


def distances(case: Case) -> tuple[float, float, float]:
    """Triton from float64, the plain backend from float64, and the two from each other."""
    from training.head.triton import TritonPasses

    batch, classes, targets = case.problem()
    exact_classes = Classes(classes.weight.double(), classes.chosen)
    exact = Chunked(case.of, precision("fp32"), case.chunk)
    log_sum = exact.pass_one(batch.double(), exact_classes, targets, False).log_sum
    log_sum = torch.where(log_sum.isfinite(), log_sum, 0.0)
    truth = sums(exact, batch.double(), exact_classes, targets, log_sum)
    plain, fused = (
        sums(kind(case.of, precision(case.operands), case.chunk), batch, classes, targets, log_sum.float())
        for kind in (Chunked, TritonPasses)
    )
    return fused.error(truth), plain.error(truth), fused.error(plain)


def assert_equal_sums(interpreter: Worker, case: Case) -> None:
    fused, plain, between = interpreter.ask(distances, case)
    if case.operands == "fp32":
        assert fused < max(BARS["fp32"], 2 * plain)
    else:
        assert between < BARS[case.operands]
        assert fused < 1.2 * plain + BARS["fp32"]


@needs_triton
@pytest.mark.parametrize("operands", BARS)
@pytest.mark.parametrize("loss", MAPS)
def test_both_passes_give_the_plain_backends_sums_for_every_loss(
    interpreter: Worker, loss: str, operands: str
) -> None:
    assert_equal_sums(interpreter, Case(loss, operands))
    assert_equal_sums(interpreter, Case(loss, operands, dimension=72, chunk=211))


@needs_triton
@pytest.mark.parametrize("operands", BARS)
@pytest.mark.parametrize(
    "case",
    [
        Case(labels="one"),
        Case(labels="elsewhere"),
        Case("circle", rows=1, classes=5, chunk=64),
        Case("circle", rows=3, classes=1, chunk=8, labels="one"),  # every row's only class is its own
        Case(rows=150, classes=70, dimension=33, chunk=16),  # two blocks of rows, chunks below a block
        Case(rows=70, classes=90, dimension=300, chunk=64),  # wider than what one block of 128 rows may be
        Case("circle", rows=9, classes=40, dimension=600, chunk=33),  # cut in parts
        Case(share=0.3),
        Case("circle", labels="one", share=0.1),
    ],
    ids=str,
)
def test_hard_sizes_and_labels_change_nothing(interpreter: Worker, case: Case, operands: str) -> None:
    assert_equal_sums(interpreter, replace(case, operands=operands))


def backgrounds(case: Case) -> tuple[Background, Background]:
    from training.head.triton import TritonPasses

    backend = TritonPasses(case.of, precision(case.operands), case.chunk)
    with_pull, without = (
        backend.pass_one(*case.problem(), with_pull=with_pull) for with_pull in (True, False)
    )
    return with_pull, without


@needs_triton
@pytest.mark.parametrize("case", [Case(), Case(operands="fp16", dimension=600, classes=40)], ids=str)
def test_without_gradient_there_is_no_pull_and_the_log_sums_are_the_same(
    interpreter: Worker, case: Case
) -> None:
    with_pull, without = interpreter.ask(backgrounds, case)
    assert without.pull is None
    assert with_pull.pull.shape == (case.rows, case.dimension)
    assert with_pull.pull.is_contiguous()
    assert torch.equal(with_pull.log_sum, without.log_sum)


@needs_triton
def test_a_rank_without_any_class_adds_nothing(interpreter: Worker) -> None:
    background, _ = interpreter.ask(backgrounds, Case(classes=0))
    assert torch.equal(background.log_sum, torch.full((37,), -torch.inf))
    assert not background.pull.any()


def spoilt() -> Tensor:
    from training.head.triton import TritonPasses

    batch, classes, targets = Case().problem()
    batch[5, 3] = torch.nan
    return TritonPasses(Case().of, precision("fp32"), 97).pass_one(batch, classes, targets, True).log_sum


@needs_triton
def test_an_embedding_that_is_not_finite_shows_in_its_own_log_sum_alone(interpreter: Worker) -> None:
    finite = interpreter.ask(spoilt).isfinite()
    assert (~finite).nonzero().tolist() == [[5]]


@dataclass(frozen=True)
class Step:
    loss: float
    by_embedding: Tensor
    by_weight: Tensor


def step(case: Case, backend: str) -> Step:
    """A head's loss and gradients; `dense` in float64, from the same float32 rows."""
    dtype = torch.float64 if backend == "dense" else torch.float32
    head = ShardedClassifier(
        case.classes,
        case.dimension,
        case.of,
        seed=3,
        operands="fp32" if backend == "dense" else case.operands,
        backend="chunked" if backend == "dense" else backend,
        chunk=case.chunk,
        sample=case.share if backend != "dense" else None,
    )
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(case.rows, case.dimension, generator=generator).to(dtype).requires_grad_()
    labels = torch.randint(0, case.classes, (case.rows,), generator=generator)
    if backend == "dense":
        weight = head.weight.detach().double().requires_grad_()
        loss = dense_loss(x, weight, labels, case.of)
    else:
        weight, loss = head.weight, head(x, labels)
    loss.backward()
    assert x.grad is not None
    assert weight.grad is not None
    return Step(loss.item(), x.grad.double(), weight.grad.double())


def step_errors(case: Case, backend: str, reference: str) -> list[float]:
    """Of loss, dX and dW, relative."""
    mine, other = step(case, backend), step(case, reference)
    pairs = ((mine.by_embedding, other.by_embedding), (mine.by_weight, other.by_weight))
    lengths = [((left - right).norm() / right.norm()).item() for left, right in pairs]
    return [abs(mine.loss - other.loss) / other.loss, *lengths]


@needs_triton
@pytest.mark.parametrize("loss", MAPS)
def test_a_heads_loss_and_gradients_equal_the_dense_ones(interpreter: Worker, loss: str) -> None:
    assert max(interpreter.ask(step_errors, Case(loss), "triton", "dense")) < 1e-5


@needs_triton
@pytest.mark.parametrize("loss", ["coco", "circle"])
@pytest.mark.parametrize("operands", ["fp16", "bf16"])
def test_half_operands_cost_a_head_no_more_than_in_the_plain_backend(
    interpreter: Worker, loss: str, operands: str
) -> None:
    case = Case(loss, operands, dimension=72)
    for fused, plain in zip(
        *(interpreter.ask(step_errors, case, backend, "dense") for backend in ("triton", "chunked")),
        strict=True,
    ):
        assert fused < 1.1 * plain + 1e-6


@needs_triton
def test_a_sampled_head_equals_the_plain_one(interpreter: Worker) -> None:
    assert max(interpreter.ask(step_errors, Case(share=0.3), "triton", "chunked")) < 1e-5


def trained(backend: str) -> Tensor:
    """Rows after three steps of SGD: in pass two by Triton, of the kept gradient by the dense form."""
    case = Case("arcface", rows=12, classes=131)
    head = ShardedClassifier(case.classes, case.dimension, case.of, seed=3, backend=backend, chunk=50)
    kind = PassTwoSGD if backend == "triton" else torch.optim.SGD
    settings: Any = {"momentum": 0.9, "weight_decay": 5e-4}
    optimizer = kind([head.weight] if backend == "dense" else head, 0.01, **settings)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(2)
    for _ in range(3):
        x = torch.randn(case.rows, case.dimension, generator=generator)
        labels = torch.randint(0, case.classes, (case.rows,), generator=generator)
        optimizer.zero_grad()
        head(x, labels).backward()
        optimizer.step()
    return head.weight.detach()


@needs_triton
def test_sgd_in_pass_two_equals_torch_sgd(interpreter: Worker) -> None:
    fused, dense = interpreter.ask(trained, "triton"), interpreter.ask(trained, "dense")
    start = ShardedClassifier(131, 20, Case().of, seed=3).weight.detach()
    assert (dense - start).norm() > 1e-3 * start.norm()
    assert (fused - dense).norm() < 1e-5 * (dense - start).norm()


def splits_of(programs: int, tiles: int) -> int:
    from training.head import triton

    return triton._splits(programs, tiles, torch.device("cpu"))


@needs_triton
@pytest.mark.parametrize(
    ("programs", "tiles", "splits"),
    [(1, 9, 4), (1, 3, 3), (3, 9, 4), (4, 9, 1), (5, 9, 3), (1000, 9, 1), (1, 0, 1)],
)
def test_classes_are_split_until_nine_tenths_of_four_multiprocessors_work(
    interpreter: Worker, programs: int, tiles: int, splits: int
) -> None:
    assert interpreter.ask(splits_of, programs, tiles) == splits


def backend_of(case: Case, of: LogitMap | None = None, dtype: torch.dtype = torch.float32) -> None:
    head = ShardedClassifier(case.classes, case.dimension, of or case.of, backend="triton", dtype=dtype)
    head(torch.randn(3, case.dimension), torch.zeros(3, dtype=torch.int64)).backward()


@needs_triton
def test_on_a_cpu_the_error_names_the_interpreter_and_the_plain_backend(compiler: Worker) -> None:
    with pytest.raises(RuntimeError, match=r"needs a GPU.*on cpu.*backend='chunked'.*TRITON_INTERPRET=1"):
        compiler.ask(backend_of, Case())


def check_on_a_gpu() -> None:
    from training.head import triton

    triton._check(SimpleNamespace(is_cuda=True, device="cuda:0", dtype=torch.float32))  # type: ignore[arg-type]


@needs_triton
def test_the_interpreter_is_refused_on_a_gpu(interpreter: Worker, compiler: Worker) -> None:
    compiler.ask(check_on_a_gpu)
    with pytest.raises(RuntimeError, match=r"TRITON_INTERPRET=1 is set, and the batch is on cuda:0"):
        interpreter.ask(check_on_a_gpu)


@needs_triton
def test_float64_rows_are_refused(interpreter: Worker) -> None:
    with pytest.raises(TypeError, match=r"takes float32 rows, not torch.float64: take backend='chunked'"):
        interpreter.ask(backend_of, Case(), None, torch.float64)


class Steeper(ArcFace):
    """A loss of a user's own, which may have changed any function of its parent's."""


@needs_triton
def test_a_loss_without_a_kernel_is_named(interpreter: Worker) -> None:
    with pytest.raises(
        TypeError, match="no Triton kernel of Steeper, only of ArcFace, Circle, CosFace, ScaledC"
    ):
        interpreter.ask(backend_of, Case(), Steeper())


def test_where_triton_is_missing_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "training.head.triton", raising=False)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'cocircle\[triton\]'"):
        ShardedClassifier(10, 4, logit_map("arcface"), backend="triton")


@dataclass(frozen=True)
class Machine:
    """What a kernel became for compute capability 9.0. spilled: bytes a thread; products: tensor core instructions,
    waits: times that a warp waits for them; warps: how a tile is shared out, by product.
    """

    shared: int
    spilled: int
    products: int
    waits: int
    warps: list[list[int]]


FLOATS = ("largest", "total", "pull", "pushes", "along", "log_sum")
NUMBERS = {
    "scale": "fp32",
    "margin": "fp32",
    "lift": "fp32",
    "first": "i32",
    "count": "i32",
    "classes": "i32",
}


def machine(kernel: str, loss: str, operands: str, dimension: int) -> Machine:
    """Compiled by Triton's own tools, with the sizes that TritonPasses takes."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from training.head import triton as passes
    from training.head import triton_kernels

    size, kind = passes.blocks(dimension, precision(operands)), precision(operands).operand
    of = Case(loss).of
    held, streamed = ("ROWS", "CLASSES") if kernel == "background" else ("CLASSES", "ROWS")
    constants = {"MAP": passes.MAPS[type(of)], "ROUND": passes.ROUNDS[kind], "D": dimension}
    constants |= {"WIDE": size.wide, "STEP": size.step, held: size.held, streamed: size.streamed}
    if kernel == "background":
        constants["PULL"] = True
    types = (
        dict.fromkeys(("batch", "unit"), f"*{operands}")
        | dict.fromkeys(FLOATS, "*fp32")
        | NUMBERS
        | {"own": "*i32"}
    )
    function = getattr(triton_kernels, kernel)
    signature = {name: types.get(name, "constexpr") for name in function.arg_names}
    aligned = {
        (place,): [["tt.divisibility", 16]]
        for place, name in enumerate(function.arg_names)
        if signature[name][0] == "*"
    }
    compiled = triton.compile(
        ASTSource(function, signature, constants, aligned),
        target=GPUTarget("cuda", 90, 32),
        options={"num_warps": size.warps, "num_stages": size.stages},
    )
    tools = Path(triton.__file__).parent / "backends/nvidia/bin"
    with NamedTemporaryFile(suffix=".cubin") as code:
        code.write(compiled.asm["cubin"])
        code.flush()
        usage, listing = (
            subprocess.run(
                [tools / tool, option, code.name], capture_output=True, text=True, check=True
            ).stdout
            for tool, option in (("cuobjdump", "-res-usage"), ("nvdisasm", "-c"))
        )
    warps = re.findall(r"nvidia_mma<\{.*?warpsPerCTA = \[(\d+), (\d+)\]", compiled.asm["ttgir"])
    return Machine(
        compiled.metadata.shared,
        int(re.findall(r"STACK:(\d+)", usage)[0]),
        len(re.findall(r"\bHGMMA\b", listing)),
        listing.count("WARPGROUP.DEPBAR"),
        [[int(rows), int(columns)] for rows, columns in warps],
    )


SHARED = 227 * 1024
"""Bytes of an H100's shared memory that one block of threads may take."""


@needs_triton
@pytest.mark.parametrize("kernel", ["background", "push"])
@pytest.mark.parametrize(
    ("loss", "operands", "dimension"),
    [("arcface", "fp16", 128), ("arcface", "fp16", 256), ("arcface", "fp16", 512), ("circle", "bf16", 512)],
)
def test_on_an_h100_half_operands_run_on_tensor_cores_without_waiting_for_each_product(
    compiler: Worker, kernel: str, loss: str, operands: str, dimension: int
) -> None:
    code = compiler.ask(machine, kernel, loss, operands, dimension)
    assert code.shared <= SHARED
    assert code.spilled <= 160  # of 1,020; around the loop, not in it
    assert code.products >= 12
    assert code.waits <= 3
    # 128 rows for 8 warps, 16 each; 64 rows for 4, and the columns halved: no cosine is made by two warps.
    assert code.warps == ([[4, 2]] if dimension == 512 else [[8, 1]]) * 2


@pytest.mark.slow
@needs_triton
@pytest.mark.parametrize("kernel", ["background", "push"])
@pytest.mark.parametrize("dimension", [512, 600])
def test_on_an_h100_float32_and_cut_dimensions_fit_too(compiler: Worker, kernel: str, dimension: int) -> None:
    for operands in ("fp32", "fp16"):
        code = compiler.ask(machine, kernel, "arcface", operands, dimension)
        assert code.shared <= SHARED
        assert code.spilled <= 160
