"""A form with files, read as it arrives: no file of it waits in memory or on a disk unsealed."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import request
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from api.body import Arriving
from repository.errors import BadRequest

MAX_PARTS = 1_000
MAX_TEXT = 1 << 20  # bytes of one field


@dataclass(frozen=True, slots=True)
class Part:
    """A field or a file of the form; its blocks are to be read before the next part is asked for.

    `filename` None: a field.
    """

    name: str
    filename: str | None
    blocks: Iterator[bytes]

    def text(self) -> str:
        """Return what a field says.

        Raises:
            BadRequest: too long, or not UTF-8.
        """
        found = b""
        for block in self.blocks:
            found += block
            if len(found) > MAX_TEXT:
                raise BadRequest(f"{self.name}: a text has at most {MAX_TEXT} bytes")
        try:
            return found.decode().replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise BadRequest(f"{self.name}: the text is not UTF-8") from error


class Form:
    """The parts of the request's body. `whole`: it came to its end; the line did not break."""

    def __init__(self) -> None:
        """Look at the head of the request alone.

        Raises:
            BadRequest: it brings no such form.
        """
        boundary = request.mimetype_params.get("boundary", "")
        if request.mimetype != "multipart/form-data" or not boundary:
            raise BadRequest("this address takes a form with files (multipart/form-data)")
        self._arriving = Arriving(request.environ)
        self._decoder = MultipartDecoder(boundary.encode(), None, max_parts=MAX_PARTS)
        self.whole = False
        self.part_ended = False  # the part that was read last is all here

    def __iter__(self) -> Iterator[Part]:
        """Yield the parts in their order, as far as they came.

        Raises:
            BadRequest: it is not of the form that it says.
        """
        events = self._events()
        for event in events:
            if isinstance(event, (Field, File)):
                name = event.filename if isinstance(event, File) else None
                self.part_ended = False
                blocks = self._data(events)
                yield Part(event.name or "", name, blocks)
                for _ in blocks:  # what nobody read
                    pass

    def _events(self) -> Iterator[object]:
        blocks = iter(self._arriving)
        try:
            while True:
                event = self._decoder.next_event()
                if isinstance(event, NeedData):
                    block = next(blocks, None)
                    if block is None:
                        return  # the line broke, or the form has no end
                    self._decoder.receive_data(block)
                    continue
                yield event
                if isinstance(event, Epilogue):
                    self.whole = True
                    return
        except ValueError as error:
            raise BadRequest("the form cannot be read; send it again") from error

    def _data(self, events: Iterator[object]) -> Iterator[bytes]:
        for event in events:
            assert isinstance(event, Data)
            if event.data:
                yield bytes(event.data)
            if not event.more_data:
                self.part_ended = True
                return
