"""The calls to a Milvus that the engine makes, in bounded batches, each with a limit of time; decides nothing.

Collections in Milvus are named by whoever calls. A row is a key, its person and its vector, as float32, which holds
every stored number exactly. One more row of each collection, STATE_KEY, says what the others are.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from index.engine.base import Keys, SearchedRows
from index.engine.milvus_address import MilvusAddress
from index.errors import EngineUnavailable
from index.template import Float32, widened

T = TypeVar("T")
STATE_KEY = -1
"""Key and person of the row that says what a collection holds. The store's own keys are positive."""
CALL_SECONDS = 30.0
CONNECT_SECONDS = 10.0
SEARCH_SECONDS = 20.0
CHECK_SECONDS = 2.0
SEAL_SECONDS = 600.0
SENT_BYTES = 8 << 20
"""Most bytes of vectors in one message, either way; Milvus itself refuses 64 MiB in and 100 MiB out."""
KEYS_AT_ONCE = 2000
PROBES_AT_ONCE = 16
"""It compares the probes of a call one after the other; many in a large collection would take longer than may be."""
MOST_NEIGHBOURS = 16_384
"""Milvus returns no more for one probe."""
NO_COLLECTION = 100
"""Milvus' code for a collection that is not there."""
NOT_LOADED = 101
"""And for one that is not in its memory: it was restarted, or somebody released it."""
NO_ALIAS = 1600
BELOW_NOTHING = -2.0
"""Less than any cosine."""


class NoCollection(EngineUnavailable):
    """Milvus has no such collection (any more)."""


class NotLoaded(EngineUnavailable):
    """Milvus does not have the collection in its memory."""


KINDS = {NO_COLLECTION: NoCollection, NOT_LOADED: NotLoaded}


@dataclass(frozen=True)
class State:
    """What the rows of a collection are: those of the store at `revision`, which carries `token`.

    rows: how many there are. space: a digest of what decides how they are made and compared.
    """

    revision: int
    token: str
    rows: int
    space: str


@dataclass(frozen=True)
class Nearest:
    """Rows nearest to one probe, all (m,) or (m, D). worst: their lowest score; BELOW_NOTHING when no more exist."""

    persons: Keys
    keys: Keys
    vectors: Float32
    worst: float


class MilvusLink:
    """A connection that is made when it is first needed, and made again by itself. Any thread may use it.

    Every method raises EngineUnavailable when Milvus does not answer in time or refuses. `at` is a moment of Milvus'
    clock, from `now`: an answer shows everything that was written before.
    """

    def __init__(self, address: MilvusAddress) -> None:
        """Raises EngineUnavailable where the client library is not installed."""
        try:
            import pymilvus
        except ImportError as error:
            raise EngineUnavailable(
                "engine milvus needs pymilvus; install it with: pip install 'cocircle[milvus]'"
            ) from error
        # It logs every failed call with what was asked, keys of persons among it; the engine says itself what failed.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)
        self._library: Any = pymilvus
        self._address = address
        self._connected: Any = None
        self._connecting = threading.Lock()

    def check(self) -> None:
        """Returns when Milvus answers."""
        self._ask(lambda client: client.get_server_version(timeout=CHECK_SECONDS))

    def now(self) -> int:
        """A moment of Milvus' own clock, after everything that was answered before."""
        # The client has no public way to it; without one every search would wait for the next tick (0.2 s).
        return int(self._ask(lambda client: client._get_connection().alloc_timestamp(timeout=CALL_SECONDS)))

    # Collections

    def create(self, name: str, dimension: int) -> None:
        """An empty collection, loaded, that is searched by comparing every row."""
        types = self._library.DataType

        def create(client: Any) -> None:
            # Dynamic, for the fields that the row of the state has alone.
            schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
            schema.add_field("key", types.INT64, is_primary=True)
            schema.add_field("person", types.INT64)
            schema.add_field("vector", types.FLOAT_VECTOR, dim=dimension)
            indexes = client.prepare_index_params()
            indexes.add_index("vector", index_type="FLAT", metric_type="IP")
            client.create_collection(name, schema=schema, index_params=indexes, timeout=CALL_SECONDS)

        self._ask(create)

    def load(self, name: str) -> None:
        """Returns when Milvus has it in its memory."""
        self._ask(lambda client: client.load_collection(name, timeout=CALL_SECONDS))

    def seal(self, name: str) -> None:
        """Lets Milvus put away what it takes in, rows that are searched four times as slowly as others."""
        self._ask(lambda client: client.flush(name, timeout=SEAL_SECONDS))

    def drop(self, name: str) -> None:
        """Nothing where there is none."""
        self._ask(lambda client: client.drop_collection(name, timeout=CALL_SECONDS))

    def names(self, prefix: str) -> list[str]:
        """Collections whose names begin so."""
        found = self._ask(lambda client: client.list_collections(timeout=CALL_SECONDS))
        return [name for name in found if name.startswith(prefix)]

    def behind(self, alias: str) -> str | None:
        """The collection that an alias stands for."""

        def look(client: Any) -> str | None:
            try:
                return str(client.describe_alias(alias, timeout=CALL_SECONDS)["collection_name"])
            except self._library.MilvusException as error:
                if error.code == NO_ALIAS:
                    return None
                raise

        return self._ask(look)

    def point(self, alias: str, name: str) -> None:
        """Lets an alias stand for a collection, in place of the one before; for everybody at once."""
        new = self.behind(alias) is None
        self._ask(
            lambda client: (client.create_alias if new else client.alter_alias)(
                name, alias, timeout=CALL_SECONDS
            )
        )

    def drop_alias(self, alias: str) -> None:
        """Nothing where there is none."""
        if self.behind(alias) is not None:
            self._ask(lambda client: client.drop_alias(alias, timeout=CALL_SECONDS))

    # Rows

    def upsert(self, name: str, rows: SearchedRows) -> None:
        """Writes rows in place of those of the same keys."""
        at_once = max(1, SENT_BYTES // (4 * rows.vectors.shape[1]))
        for start in range(0, len(rows.keys), at_once):
            part = slice(start, start + at_once)
            self._write(
                name,
                [
                    {"key": key, "person": person, "vector": vector}
                    for key, person, vector in zip(
                        rows.keys[part].tolist(),
                        rows.persons[part].tolist(),
                        widened(rows.vectors[part]),
                        strict=True,
                    )
                ],
            )

    def delete(self, name: str, keys: Keys) -> None:
        """Rows by key; one that is not there is no error."""
        for some in _parts(keys):
            self._ask(_deleting(name, some))

    def present(self, name: str, keys: Keys, at: int) -> list[int]:
        """Those of the keys that have a row, ascending; one that has two stands there twice."""
        return sorted(key for some in _parts(keys) for key in self._keys(name, "key", some, at))

    def keys_of(self, name: str, persons: Keys, at: int) -> Keys:
        """Keys of every row of the persons."""
        found = [key for some in _parts(persons) for key in self._keys(name, "person", some, at)]
        return np.array(found, np.int64)

    def _keys(self, name: str, field: str, values: list[int], at: int) -> list[int]:
        return [row["key"] for row in self._query(name, f"{field} in {values}", ["key"], at)]

    def count(self, name: str, at: int) -> int:
        """Rows without the one of the state."""
        counted = int(self._query(name, "", ["count(*)"], at)[0]["count(*)"])
        return counted - len(self._keys(name, "key", [STATE_KEY], at))

    def state(self, name: str, at: int) -> State | None:
        """None where nobody has said so: the collection is being filled, or was left half-way."""
        fields = list(State.__dataclass_fields__)
        found = self._query(name, f"key in [{STATE_KEY}]", fields, at)
        return State(**{field: found[0][field] for field in fields}) if found else None

    def put_state(self, name: str, state: State, dimension: int) -> None:
        """Says what the rows are; done last."""
        nothing = np.zeros(dimension, np.float32)
        self._write(name, [{"key": STATE_KEY, "person": STATE_KEY, "vector": nothing, **asdict(state)}])

    def nearest(
        self, name: str, probes: Float32, k: int, at: int, without: Sequence[int] = ()
    ) -> Iterator[Nearest]:
        """For each unit probe of (n, D) its k nearest rows, but for those of the persons `without`."""
        k = min(k, most_neighbours(probes.shape[1]))
        at_once = max(1, min(PROBES_AT_ONCE, SENT_BYTES // (4 * probes.shape[1] * (k + 1))))
        only = f"person not in {list(without)}" if without else ""
        for start in range(0, len(probes), at_once):
            asked: dict[str, Any] = {
                "data": list(probes[start : start + at_once]),
                "filter": only,
                "limit": k + 1,  # the state's row may be among them
                "output_fields": ["person", "vector"],
            }
            answers = self._ask(_searching(name, asked, at))
            for found in answers:
                yield _nearest(found, k, probes.shape[1])

    def close(self) -> None:
        """Gives the connection back."""
        with self._connecting:
            if self._connected is not None:
                self._connected.close()
                self._connected = None

    def _query(self, name: str, only: str, fields: list[str], at: int) -> list[dict[str, Any]]:
        return list(
            self._ask(
                lambda client: client.query(
                    name, filter=only, output_fields=fields, timeout=CALL_SECONDS, **_showing(at)
                )
            )
        )

    def _write(self, name: str, rows: list[dict[str, Any]]) -> None:
        self._ask(lambda client: client.upsert(name, rows, timeout=CALL_SECONDS))

    def _ask(self, work: Callable[[Any], T]) -> T:
        try:
            return work(self._client())
        except EngineUnavailable:
            raise
        except Exception as error:
            # The library raises its own errors, those of gRPC and, of an answer it does not expect, any other.
            code = getattr(error, "code", None)
            kind = KINDS.get(code, EngineUnavailable) if isinstance(code, int) else EngineUnavailable
            raise kind(f"Milvus at {self._address.uri} does not answer: {_why(error)}") from None

    def _client(self) -> Any:
        with self._connecting:
            if self._connected is None:
                self._connected = self._library.MilvusClient(
                    uri=self._address.uri,
                    token=self._address.token,
                    db_name=self._address.database,
                    timeout=CONNECT_SECONDS,
                    dedicated=True,
                )
            return self._connected


def most_neighbours(dimension: int) -> int:
    """Most rows of one answer: what Milvus gives, and what fits into a message."""
    return max(1, min(MOST_NEIGHBOURS - 1, SENT_BYTES // (4 * dimension)))


def _nearest(found: Any, k: int, dimension: int) -> Nearest:
    rows = [hit for hit in found if hit["entity"]["person"] != STATE_KEY]
    whole = len(found) <= k
    rows = rows[:k]
    return Nearest(
        persons=np.array([hit["entity"]["person"] for hit in rows], np.int64),
        keys=np.array([hit["id"] for hit in rows], np.int64),
        vectors=np.array([hit["entity"]["vector"] for hit in rows], np.float32).reshape(-1, dimension),
        worst=BELOW_NOTHING if whole or not rows else float(rows[-1]["distance"]),
    )


def _deleting(name: str, keys: list[int]) -> Callable[[Any], object]:
    return lambda client: client.delete(name, ids=keys, timeout=CALL_SECONDS)


def _searching(name: str, asked: dict[str, Any], at: int) -> Callable[[Any], Any]:
    return lambda client: client.search(name, **asked, **_showing(at), timeout=SEARCH_SECONDS)


def _showing(at: int) -> dict[str, Any]:
    return {"consistency_level": "Customized", "guarantee_timestamp": at}


def _parts(keys: Keys) -> Iterator[list[int]]:
    for start in range(0, len(keys), KEYS_AT_ONCE):
        yield keys[start : start + KEYS_AT_ONCE].tolist()


def _why(error: Exception) -> str:
    """What may be told: without the keys that were asked for."""
    words = (
        getattr(error, "message", None) or getattr(error, "details", lambda: None)() or type(error).__name__
    )
    return re.sub(r"\[[-\d, ]*\]?", "[…]", " ".join(str(words).split()))[:200]
