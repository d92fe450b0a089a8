"""Pictures of the samples, as ExifTool reads them (maker notes are not claimed)."""

from collections.abc import Iterator

from tests.benchmarks import exiftool_oracle
from tests.benchmarks.bench_ground_truth import Case

GROUP = "photographs"


def cases() -> Iterator[Case]:
    """Every picture of the samples."""
    return exiftool_oracle.cases(lambda mime: mime.startswith("image/"))
