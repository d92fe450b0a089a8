"""The body of a request as it arrives: what came is kept, and a line that hangs gives way."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from threading import Event
from typing import Any

BLOCK = 1 << 20  # most bytes given out at a time
PAUSE = 1.0  # seconds between two looks at whether the line should give way
IDLE = 60.0  # seconds without a byte after which a line is taken for broken

stopping = Event()  # set when this process is told to stop; whoever reads a body then ends early


class Arriving:
    """Iterate over it for the blocks of a request's body, as far as they come.

    It ends when the body does, when the connection breaks or says nothing for `IDLE` seconds, when
    `give_way` answers true, or when the process stops; whatever had arrived until then is given
    out first. Only afterwards does `whole` say whether that was all of the body.

    A body of known length may pause as long as `IDLE`; a chunked one, which gunicorn cannot go on
    reading after a pause, for `PAUSE` × 4.
    """

    def __init__(
        self, environ: Mapping[str, Any], give_way: Callable[[], bool] = lambda: False
    ) -> None:
        """Read nothing yet.

        Args:
            environ: of the WSGI request, whose body nobody else reads.
            give_way: asked about once a second, also while nothing arrives.
        """
        self._piece, self.length = _pieces(environ)
        self._line: socket.socket | None = environ.get("gunicorn.socket")
        self._body = environ["wsgi.input"]
        self._give_way = give_way
        self.whole = self.length == 0
        self.received = 0
        self._given = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield blocks of up to `BLOCK` bytes, at least one a second while anything comes."""
        if self.whole:
            return
        before = None if self._line is None else self._line.gettimeout()
        if self._line is not None:
            self._line.settimeout(PAUSE if self.length is not None else 4 * PAUSE)
        try:
            yield from self._blocks()
        finally:
            if self._line is not None:
                self._line.settimeout(before)
            if not self.whole:
                self._abandon()

    def _abandon(self) -> None:
        # gunicorn's own mark: no further request is looked for on this connection.
        if hasattr(self._body, "failed"):
            self._body.failed = True

    def _wanted(self) -> int:
        """Return how much to gather: a server's plain file waits for what lies beyond the body."""
        left = BLOCK if self.length is None else self.length - self._given
        return min(BLOCK, left)

    def _blocks(self) -> Iterator[bytes]:
        held = bytearray()
        heard = looked = time.monotonic()
        while not self.whole:
            piece = b""
            try:
                piece = self._piece(self._wanted() - len(held))
            except TimeoutError:
                if self.length is None or time.monotonic() - heard >= IDLE:
                    break
            except OSError:
                break  # reset, or chunks that are none
            else:
                self.received += len(piece)
                self.whole = self.received == self.length if piece else self.length is None
                if not piece:
                    break
                heard = time.monotonic()
            held += piece
            late = time.monotonic() - looked >= PAUSE
            if held and (late or len(held) >= BLOCK):
                self._given += len(held)
                yield bytes(held)
                held.clear()
            if late:
                looked = time.monotonic()
                if stopping.is_set() or self._give_way():
                    break
        if held:
            yield bytes(held)


def _pieces(environ: Mapping[str, Any]) -> tuple[Callable[[int], bytes], int | None]:
    """Return a function that waits for the next piece of a body, and the body's length if known.

    gunicorn's own `read` waits until all it was asked for is there, however slowly it drips, and
    keeps it when the line breaks meanwhile; the readers below it give what one look at the socket
    brought. Elsewhere (tests) the body is a file.
    """
    body = environ["wsgi.input"]
    chunked = bool(environ.get("HTTP_TRANSFER_ENCODING"))
    length = None if chunked else int(environ.get("CONTENT_LENGTH") or 0)
    reader = getattr(body, "reader", None)
    if reader is None:
        return body.read, length
    return (_chunk if chunked else _part)(reader), length


def _part(reader: Any) -> Callable[[int], bytes]:
    def piece(most: int) -> bytes:
        found: bytes = reader.unreader.read(None, read_ahead=min(most, reader.length))
        wanted = min(most, reader.length)
        if len(found) > wanted:  # read before with the head: the rest, or the next request
            reader.unreader.unread(found[wanted:])
            found = found[:wanted]
        reader.length -= len(found)
        return found

    return piece


def _chunk(reader: Any) -> Callable[[int], bytes]:
    def piece(_most: int) -> bytes:
        try:
            for found in reader.parser:
                if found:  # it gives an empty one where a chunk's size came alone
                    return bytes(found)
        except OSError:
            raise
        except Exception as error:  # gunicorn's own, of what is no chunk
            raise ConnectionError(str(error)) from error
        return b""

    return piece
