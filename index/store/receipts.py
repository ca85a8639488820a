"""Idempotency receipts: one write a key, and what its caller was told, in the transaction of that write."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from index.errors import IdempotencyConflict, ReplayedReceipt
from index.record_rules import check_receipt, storable
from index.records import Receipt, StoredReceipt
from index.store import clock
from index.store.schema import receipts

ERASED = b"erased"
"""The answer of a write that named somebody who was deleted since. Its key stays taken."""


def find(connection: Connection, scope: str, key: str) -> StoredReceipt | None:
    """What is stored under a key, if anything. Raises IdempotencyConflict where its answer was erased."""
    if not storable(scope) or not storable(key):
        return None
    row = connection.execute(
        select(receipts.c.digest, receipts.c.answer).where(receipts.c.scope == scope, receipts.c.key == key)
    ).one_or_none()
    if row is not None and row.answer == ERASED:
        raise IdempotencyConflict(
            f"idempotency key {key[:80]!r} was used for a write about somebody who was deleted since; nothing was "
            "written now; choose a new key"
        )
    return None if row is None else StoredReceipt(digest=row.digest, answer=row.answer)


def claim(connection: Connection, receipt: Receipt) -> None:
    """Returns when the key is new. Raises ReplayedReceipt (same request), IdempotencyConflict (another),
    InvalidRecord.
    """
    check_receipt(receipt.scope, receipt.key, receipt.digest)
    known = find(connection, receipt.scope, receipt.key)
    if known is None:
        return
    if known.digest == receipt.digest:
        raise ReplayedReceipt(known.answer)
    raise IdempotencyConflict(
        f"idempotency key {receipt.key[:80]!r} was used before with another request; choose a new key"
    )


def keep(connection: Connection, receipt: Receipt, written: Any) -> None:
    """Stores the answer beside the write it tells of."""
    connection.execute(
        insert(receipts).values(
            scope=receipt.scope,
            key=receipt.key,
            digest=receipt.digest,
            answer=receipt.answer(written),
            created_at=clock.now(),
        )
    )


def forget_before(connection: Connection, microseconds: int) -> int:
    """Removes older receipts; the number removed. Their keys may be used again."""
    return connection.execute(delete(receipts).where(receipts.c.created_at < microseconds)).rowcount
