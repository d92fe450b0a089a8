"""Films and sound of the samples, as ExifTool reads them."""

from collections.abc import Iterator

from tests.benchmarks import exiftool_oracle
from tests.benchmarks.bench_ground_truth import Case

GROUP = "films"


def cases() -> Iterator[Case]:
    """Every film and sound of the samples."""
    return exiftool_oracle.cases(lambda mime: mime.startswith(("video/", "audio/")))
