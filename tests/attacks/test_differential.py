"""Three verifiers that share no code accept no changed proof, receipt or checkpoint."""

from tests.attacks.differential import LENIENT, run


def test_no_mutation_is_accepted_and_nobody_disagrees():
    counts, wrong = run(3_000, seed=7)
    assert wrong == []
    lenient = counts.pop(LENIENT, 0)
    assert sum(counts.values()) == 3_000
    assert len(counts) == 8
    assert lenient < 10
