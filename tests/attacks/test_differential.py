"""Three verifiers that share no code accept no changed proof, receipt or checkpoint."""

from tests.attacks.differential import run


def test_no_mutation_is_accepted_and_nobody_disagrees():
    counts, wrong = run(1_500, seed=7)
    assert sum(counts.values()) == 1_500
    assert len(counts) == 8
    assert wrong == []
