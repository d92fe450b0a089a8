"""PDF and office documents of the samples, as ExifTool reads them."""

from collections.abc import Iterator

from tests.benchmarks import exiftool_oracle
from tests.benchmarks.bench_ground_truth import Case

GROUP = "documents"
_KINDS = ("application/pdf", "application/msword", "application/vnd.", "application/epub")


def cases() -> Iterator[Case]:
    """Every PDF and office document of the samples."""
    return exiftool_oracle.cases(
        lambda mime: mime.startswith(_KINDS) and "photoshop" not in mime and "rar" not in mime
    )
