"""Signature fields that a tagged document may have (ISO 14289-1 §7.18, ISO 19005-3 §6.3).

An invisible field is a widget without extent on the first page: PDF/A wants it printable and not
hidden, PDF/UA then wants it in the structure tree as a `Form` with words for it. Both fields are
made in the revision that is signed, so that the time-stamp later changes nothing but its own.
"""

from collections.abc import Mapping

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field, enumerate_sig_fields

SIGNATURE = "Signature"
TIME_STAMP = "Time-stamp"
WORDS = {
    SIGNATURE: "Electronic signature of the custodian",
    TIME_STAMP: "Time-stamp over the signed document",
}


def add_fields(writer: IncrementalPdfFileWriter, names: list[str]) -> None:
    """Add empty signature fields to a document, each in its structure tree if it has one."""
    for name in names:
        append_signature_field(writer, SigFieldSpec(name, readable_field_name=WORDS[name]))
        found = next(enumerate_sig_fields(writer, with_name=name))
        _tag(writer, found[2], name)


def _tag(writer: IncrementalPdfFileWriter, widget: generic.IndirectObject, name: str) -> None:
    if "/StructTreeRoot" not in writer.root:
        return
    tree = writer.root["/StructTreeRoot"]
    field = widget.get_object()
    key = int(tree["/ParentTreeNextKey"])
    page = field.raw_get("/P")
    top = tree.raw_get("/K")
    top = top.raw_get(0) if isinstance(top, generic.ArrayObject) else top
    content = {"/Type": generic.pdf_name("/OBJR"), "/Obj": widget, "/Pg": page}
    element = writer.add_object(
        _dictionary(
            {
                "/Type": generic.pdf_name("/StructElem"),
                "/S": generic.pdf_name("/Form"),
                "/P": top,
                "/Pg": page,
                "/Alt": generic.pdf_string(WORDS[name]),
                "/K": _dictionary(content),
            }
        )
    )
    kids = top.get_object()["/K"]
    kids.append(element)
    writer.update_container(kids)
    numbers = tree["/ParentTree"]["/Nums"]
    numbers.append(generic.NumberObject(key))
    numbers.append(element)
    writer.update_container(numbers)
    tree[generic.pdf_name("/ParentTreeNextKey")] = generic.NumberObject(key + 1)
    writer.update_container(tree)
    field[generic.pdf_name("/StructParent")] = generic.NumberObject(key)
    field[generic.pdf_name("/Contents")] = generic.pdf_string(WORDS[name])
    writer.mark_update(widget)


def _dictionary(values: Mapping[str, generic.PdfObject]) -> generic.DictionaryObject:
    return generic.DictionaryObject(
        {generic.pdf_name(name): value for name, value in values.items()}
    )
