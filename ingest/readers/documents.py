"""What reads PDF files by programs has in common: a sample, and which pages have no text."""

FEW = 25  # signs but spaces: scanners' programs stamp their names on pages that are pictures


def without_text(printed: bytes) -> list[int]:
    """Return the pages with next to no text, from what pdftotext prints: a form feed ends each.

    >>> without_text(b"a page with more than twenty-five signs\\fScanned by X\\f\\f")
    [2, 3]
    """
    pages = printed.decode("utf-8", "replace").split("\f")[:-1]
    return [n for n, page in enumerate(pages, 1) if len("".join(page.split())) < FEW]


def drawn() -> bytes:
    """Return a PDF of our own: one page with one word on it."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 144 144]/Contents 4 0 R/Resources 6 0 R>>",
        b"<</Length 37>>stream\nBT /F 12 Tf 20 100 Td (bridge) Tj ET\n\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Font<</F 5 0 R>>>>",
    )
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 7\n0000000000 65535 f \n" + table
    return bytes(out) + b"trailer\n<</Size 7/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start
