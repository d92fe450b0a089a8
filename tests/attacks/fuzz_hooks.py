"""What schemathesis is told before it runs: how bodies of our own media types are written."""

from typing import Any

import schemathesis


@schemathesis.serializer(
    "application/offset+octet-stream", "application/x-ndjson", "application/x-tar"
)
def raw(_context: Any, value: Any) -> bytes:
    """Return a body as it is."""
    return value if isinstance(value, bytes) else str(value).encode()
