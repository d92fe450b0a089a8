"""The custody once more, for machines: CASE/UCO, PREMIS, a load file, CSV; from entries alone."""

from collections.abc import Callable, Iterator, Mapping

from repository.exports.gathered import Gathered
from repository.exports.twins import case_uco, premis, tables

Document = Callable[[Gathered], Iterator[bytes]]

KINDS: Mapping[str, Mapping[str, Document]] = {
    "case": {"twins/case.jsonld": case_uco.document},
    "premis": {"twins/premis.xml": premis.document},
    "load-file": {
        "twins/load-file/exhibits.dat": tables.load_file,
        "twins/load-file/exhibits.opt": tables.pages,
    },
    "csv": {
        "twins/entries.csv": tables.entries,
        "twins/exhibits.csv": tables.exhibit_rows,
        "twins/files.csv": tables.files,
    },
}


def twins(found: Gathered) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the twins that were chosen."""
    chosen = found.job.twins
    for kind, made in KINDS.items():
        if kind in chosen:
            yield from ((path, document(found)) for path, document in made.items())
