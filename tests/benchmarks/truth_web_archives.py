"""Web archives of the samples, as warcio reads them."""

from collections.abc import Iterator
from hashlib import sha256

from warcio.archiveiterator import ArchiveIterator

from tests.benchmarks.bench_ground_truth import Case
from tests.shared import SHARED

GROUP = "web_archives"
SAMPLES = SHARED / "samples" / "web-archives"


def cases() -> Iterator[Case]:
    """Every WARC: number of records by kind, their addresses and payloads, and the digests."""
    for path in sorted(SAMPLES.rglob("*.warc*")):
        kinds: dict[str, int] = {}
        members: dict[str, tuple[int, str | None]] = {}
        passed = failed = 0
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests=True, no_record_parse=False):
                kinds[record.rec_type] = kinds.get(record.rec_type, 0) + 1
                uri = record.rec_headers.get_header("WARC-Target-URI")
                payload = record.raw_stream.read()
                if uri:
                    digest = f"sha256:{sha256(payload).hexdigest()}"
                    members[f"record={sum(kinds.values())} {uri}"] = (len(payload), digest)
                passed += record.digest_checker.passed is True
                failed += record.digest_checker.passed is False
        facts = {"WARC:Records": {f"{kind} {count}" for kind, count in kinds.items()}}
        verdict = "broken" if failed else "valid" if passed else "absent"
        yield Case((path,), facts, {"WARC digests": verdict}, members)
