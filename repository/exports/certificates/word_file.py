"""A statement as a DOCX file that a clerk can edit; the one home of python-docx."""

import io
from datetime import datetime

import docx
from docx.enum.style import WD_STYLE_TYPE

from repository.exports.certificates.statements import BLANK, Statement
from repository.naming import shown


def word_file(statement: Statement, at: datetime) -> bytes:
    """Return the statement as DOCX: headings, paragraphs, and a table of two columns each."""
    made = docx.Document()
    made.core_properties.title = statement.title
    made.core_properties.author = ""
    made.core_properties.created = made.core_properties.modified = at
    made.core_properties.comments = ""
    quote = made.styles.get_by_id("IntenseQuote", WD_STYLE_TYPE.PARAGRAPH)
    made.add_heading(statement.title, level=0)
    for section in statement.sections:
        made.add_heading(section.title, level=1)
        for block in section.blocks:
            if block.kind == "text":
                made.add_paragraph(shown(block.name))
            elif block.kind == "quote":
                made.add_paragraph(block.name, style=quote)
            else:
                said = made.add_paragraph()
                said.add_run(f"{shown(block.name)}: ").bold = True
                lines = [BLANK] if block.kind == "blank" else block.value.split("\n")
                said.add_run("\n".join(shown(line) for line in lines))
    made.add_heading("Still open", level=1)
    for one in statement.unresolved:
        made.add_paragraph(one, style="List Bullet")
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()
