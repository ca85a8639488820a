"""Every kind of job there is, by name."""

from __future__ import annotations

from collections.abc import Mapping

from serving.jobs.kind import Kind
from serving.jobs.kinds.calibrate import CALIBRATE
from serving.jobs.kinds.cluster import CLUSTER
from serving.jobs.kinds.dedup import DEDUP
from serving.jobs.kinds.discard import DISCARD
from serving.jobs.kinds.enroll import ENROLL
from serving.jobs.kinds.export import EXPORT
from serving.jobs.kinds.import_ import IMPORT
from serving.jobs.kinds.purge import PURGE
from serving.jobs.kinds.rebuild import REBUILD
from serving.jobs.kinds.reembed import REEMBED
from serving.jobs.kinds.rollback import ROLLBACK

ALL: tuple[Kind, ...] = (
    ENROLL,
    DEDUP,
    CLUSTER,
    EXPORT,
    IMPORT,
    PURGE,
    REBUILD,
    CALIBRATE,
    REEMBED,
    ROLLBACK,
    DISCARD,
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in ALL}
