"""What can be asked of an enrolment by job. Reads nothing."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from serving.enrolment import QualityGate
from serving.jobs.kind import Options
from serving.jobs.sources.folder import Folder
from serving.jobs.sources.manifest import Manifest
from serving.jobs.sources.tar import Tar
from serving.jobs.sources.templates import Templates
from serving.jobs.sources.uploads import Uploads
from serving.routes.photos import One

AnySource = Annotated[Folder | Tar | Manifest | Templates | Uploads, Field(discriminator="kind")]


class EnrollOptions(Options):
    """What is enrolled, from where, and what of it is refused."""

    source: AnySource = Field(default=Uploads(), description="Where the photos or templates are.")
    quality: QualityGate = Field(
        default=QualityGate.AUTO, description="auto refuses unfit faces with reasons; none takes all."
    )
    faces: One = Field(
        default=One.ONE, description="one refuses photos of several people; largest takes the largest."
    )
    contract: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="Model contract of templates, where their file does not say it.",
    )

    @model_validator(mode="after")
    def _contract_of_templates(self) -> Self:
        if self.contract is not None and not isinstance(self.source, Templates):
            raise ValueError(
                "contract is for templates; photos are enrolled under the contract of the served pack"
            )
        return self
