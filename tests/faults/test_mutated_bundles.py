"""No change of a bundle passes its verifier or an import; the full count: docs/measurements.md."""

from tests.faults.mutated_bundles import BYTES, COVERED, FILES, benched, run


def test_no_mutation_of_a_bundle_passes_and_the_claim_is_named(tmp_path):
    with benched(tmp_path) as bench:
        found = run(bench, 200, seed=20261127)
    assert found.passed == []
    assert sum(found.refused.values()) == 200
    struck = {kind for kind, _ in found.refused}
    assert struck == {one.__name__ for one in (*BYTES, *FILES, *COVERED)}
    assert {claim for _, claim in found.refused} >= {"bag", "digests", "closing", "exhibit.seq"}
