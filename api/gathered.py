"""The operations and refusals that each resource describes beside its own views, gathered."""

from typing import Any

from api.annotations_schema import ANNOTATION_OPERATIONS, ANNOTATION_REFUSALS
from api.citations_schema import CITATION_OPERATIONS, CITATION_REFUSALS
from api.derivatives_schema import DERIVATIVE_OPERATIONS, DERIVATIVE_REFUSALS
from api.exports_schema import EXPORT_OPERATIONS, EXPORT_REFUSALS
from api.matches_schema import MATCH_OPERATIONS, MATCH_REFUSALS
from api.numbers_schema import NUMBER_OPERATIONS, NUMBER_REFUSALS
from api.rules_schema import RULE_OPERATIONS, RULE_REFUSALS
from api.saved_searches_schema import SAVED_OPERATIONS, SAVED_REFUSALS
from api.search_schema import SEARCH_OPERATIONS, SEARCH_REFUSALS
from api.session_schema import SESSION_OPERATIONS, SESSION_REFUSALS
from api.transfers_schema import TRANSFER_OPERATIONS, TRANSFER_REFUSALS

# (method, path, summary, answers, parameters, request model or media type)
Operation = tuple[str, str, str, dict[int, Any], list[dict[str, Any]], Any]

OPERATIONS: tuple[Operation, ...] = (
    *RULE_OPERATIONS,
    *SESSION_OPERATIONS,
    *EXPORT_OPERATIONS,
    *TRANSFER_OPERATIONS,
    *MATCH_OPERATIONS,
    *SEARCH_OPERATIONS,
    *SAVED_OPERATIONS,
    *CITATION_OPERATIONS,
    *DERIVATIVE_OPERATIONS,
    *ANNOTATION_OPERATIONS,
    *NUMBER_OPERATIONS,
)

REFUSALS: dict[tuple[str, str], tuple[str, ...]] = {
    **RULE_REFUSALS,
    **SESSION_REFUSALS,
    **EXPORT_REFUSALS,
    **TRANSFER_REFUSALS,
    **MATCH_REFUSALS,
    **SEARCH_REFUSALS,
    **SAVED_REFUSALS,
    **CITATION_REFUSALS,
    **DERIVATIVE_REFUSALS,
    **ANNOTATION_REFUSALS,
    **NUMBER_REFUSALS,
}
