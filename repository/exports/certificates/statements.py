"""The statements: what each law asks, and what of it a bundle's entries can fill in.

What only a person can say is a blank. Nothing here says that a record is accurate, complete or
fit for a court: the person who signs says what they know. The texts of the laws are for orientation
and are to be compared with those in force.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from repository.exports.certificates.facts import Facts, known_errors

LISTED = 200  # exhibits printed one by one; of more, the bundle's manifest has them
BLANK = "_" * 44


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph (`text`, `quote`), a named fact (`fact`), or a named blank (`blank`)."""

    kind: str
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its blocks."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of a kind, ready to be set: title, sections, and what is still open."""

    kind: str
    title: str
    sections: tuple[Section, ...]
    unresolved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Law:
    title: str
    source: str
    quotes: tuple[str, ...]
    opening: str
    declaration: str
    blanks: tuple[str, ...]
    body: Callable[[Facts], Iterator[Section]]


def statement(kind: str, facts: Facts) -> Statement:
    """Return a statement, filled in as far as the entries of a bundle go."""
    law = LAWS[kind]
    sections = [
        Section(
            "What this answers to",
            (Block("fact", "Source", law.source), *(Block("quote", one) for one in law.quotes)),
        ),
        Section("Who makes this statement", tuple(Block("blank", one) for one in law.blanks)),
        Section(
            "What it is about",
            (
                Block("text", law.opening),
                Block("fact", "Custody report", facts.report),
                Block("fact", "Tag manifest of the bundle", facts.manifest),
                Block("fact", "Checkpoint of the ledger", facts.root_line),
                Block("fact", "Entries from, to", " – ".join(facts.span)),
                *_exhibits(facts),
            ),
        ),
        *law.body(facts),
        Section(
            "Declaration",
            (
                Block("text", law.declaration),
                *(Block("blank", one) for one in ("Place", "Date", "Signature")),
                Block(
                    "text",
                    "An electronic signature of this file, if it has one, is that of the "
                    "certificate it names. It does not stand for the signature above.",
                ),
            ),
        ),
    ]
    return Statement(kind, law.title, tuple(sections), tuple(_unresolved(facts, law)))


def _exhibits(facts: Facts) -> Iterator[Block]:
    yield Block("fact", "Exhibits", str(len(facts.exhibits)))
    for number, digest, size in facts.exhibits[:LISTED]:
        yield Block("fact", number, f"{digest}, {size} bytes")
    if len(facts.exhibits) > LISTED:
        rest = len(facts.exhibits) - LISTED
        yield Block("text", f"{rest} more exhibits stand in the bundle's manifest-sha256.txt.")


def _system(facts: Facts) -> Iterator[Section]:
    yield Section(
        "The system, as its ledger names it",
        (
            *(Block("fact", "Program", program) for program in facts.programs),
            *(
                Block("fact", f"{type_} by {program}", str(count))
                for (program, type_), count in sorted(facts.acts.items())
            ),
            *(
                Block("fact", f"Clock: {source}", f"{count} entries")
                for source, count in sorted(facts.clocks.items())
            ),
            *(
                Block(
                    "fact",
                    "SHA-256 of the program as installed",
                    f"{digest}: {program}, when it was started (entry {index})",
                )
                for program, digest, index in facts.installed
            ),
            *(
                Block("blank", f"SHA-256 of the program as installed, {program}")
                for program in facts.undigested
            ),
            Block("blank", "Results of that release's tests, and where they are kept"),
        ),
    )
    yield Section(
        "What failed, and what is known to limit the records",
        (
            *(
                Block("fact", f"{type_}, {outcome}", f"{count} entries")
                for (type_, outcome), count in sorted(facts.failures.items())
            ),
            *(
                ()
                if facts.failures
                else (Block("text", "No entry of these exhibits has the outcome fail, error or "
                            "aborted."),)
            ),
            *(Block("text", one) for one in known_errors()),
            Block("blank", "Further errors or outages known to the person who signs"),
        ),
    )  # fmt: skip


def _hashing(facts: Facts) -> Iterator[Section]:
    yield Section(
        "The process of digital identification, as its ledger records it",
        (
            Block(
                "text",
                "At intake each file was read once; its digests were calculated over its bytes "
                "while they were stored, and recorded with its number in the entry registration. "
                "Each later reading calculates them anew and compares.",
            ),
            *(
                Block("fact", f"Digests registered, {name}", f"{count} files")
                for name, count in sorted(facts.algorithms.items())
            ),
            *(
                Block("fact", f"{type_}, {outcome}", f"{count} entries")
                for (type_, outcome), count in sorted(facts.compared.items())
            ),
            Block("blank", "How and by whom the data were copied from the source"),
            Block("blank", "Digest of the source at copying, if one was taken"),
        ),
    )


def _both(facts: Facts) -> Iterator[Section]:
    yield from _hashing(facts)
    yield from _system(facts)


def _unresolved(facts: Facts, law: _Law) -> Iterator[str]:
    yield from law.blanks
    yield from ("Place", "Date", "Signature")
    for program in facts.undigested:
        yield f"SHA-256 of the program as installed, {program}"
    yield "The results of that release's tests"
    yield "The text of the law is to be compared with the one in force before signing"


_TOLD = "I make this statement about the files and records below, kept in a repository of evidence."
LAWS: Mapping[str, _Law] = {
    "fre-902-13": _Law(
        "Certification of records generated by an electronic process or system",
        "United States, Federal Rules of Evidence, Rule 902(13); 28 U.S.C. § 1746",
        (
            ("(13) Certified Records Generated by an Electronic Process or System. A record "
            "generated by an electronic process or system that produces an accurate result, as "
            "shown by a certification of a qualified person that complies with the certification "
            "requirements of Rule 902(11) or (12). The proponent must also meet the notice "
            "requirements of Rule 902(11)."),
        ),
        "The records are the custody entries of the exhibits below, generated by the system named "
        "here. Whether the system produces an accurate result is for the person who signs to say, "
        "from the facts below and their own knowledge.",
        "I declare under penalty of perjury [outside the United States: under the laws of the "
        "United States of America] that the foregoing is true and correct. (28 U.S.C. § 1746; "
        "strike out what does not apply.)",
        ("Full name", "Position and employer", ("Qualification: training and experience with "
         "this system"), "Address"),
        _system,
    ),
    "fre-902-14": _Law(
        "Certification of data copied from an electronic device, storage medium or file",
        "United States, Federal Rules of Evidence, Rule 902(14); 28 U.S.C. § 1746",
        (
            ("(14) Certified Data Copied from an Electronic Device, Storage Medium, or File. Data "
            "copied from an electronic device, storage medium, or file, if authenticated by a "
            "process of digital identification, as shown by a certification of a qualified person "
            "that complies with the certification requirements of Rule 902(11) or (12). The "
            "proponent also must meet the notice requirements of Rule 902(11)."),
        ),
        "The data are the exhibits below, with the digests that were registered at intake.",
        "I declare under penalty of perjury [outside the United States: under the laws of the "
        "United States of America] that the foregoing is true and correct. (28 U.S.C. § 1746; "
        "strike out what does not apply.)",
        ("Full name", "Position and employer", ("Qualification: training and experience with "
         "copying and digests"), "Address"),
        _both,
    ),
    "uk-section-9": _Law(
        "Witness statement",
        "England and Wales, Criminal Justice Act 1967, section 9(2)(a) and (b), (3)(a)",
        (
            "(2)(a) the statement purports to be signed by the person who made it;",
            ("(2)(b) the statement contains a declaration by that person to the effect that it is "
            "true to the best of his knowledge and belief and that he made the statement knowing "
            "that, if it were tendered in evidence, he would be liable to prosecution if he "
            "wilfully stated in it anything which he knew to be false or did not believe to be "
            "true;"),
        ),
        _TOLD,
        "This statement (consisting of ____ pages each signed by me) is true to the best of my "
        "knowledge and belief and I make it knowing that, if it is tendered in evidence, I shall "
        "be liable to prosecution if I have wilfully stated in it anything which I know to be "
        "false, or do not believe to be true.",
        ("Statement of (full name)", "Age if under 18 (if over 18 write \u201cover 18\u201d)",
         "Occupation", "Signature witnessed by"),
        _both,
    ),
    "icc-custodian": _Law(
        "Statement of a custodian of evidence",
        "International Criminal Court, Rome Statute, article 70(1)(a); Rules of Procedure and "
        "Evidence, rule 66(1)",
        (
            ("Article 70(1)(a): Giving false testimony when under an obligation pursuant to "
            "article 69, paragraph 1, to tell the truth."),
            ("Rule 66(1): \u201cI solemnly declare that I will speak the truth, the whole truth "
            "and nothing but the truth.\u201d"),
        ),
        _TOLD,
        "I have read this statement, and it is true to the best of my knowledge and "
        "recollection. I have given it voluntarily, and I know that it may be used in proceedings "
        "before the International Criminal Court and that I may be called to give evidence.",
        ("Family name, first name", "Position and institution", ("Since when custodian of these "
         "exhibits"), "Languages spoken and written", "Interpreter, if any"),
        _both,
    ),
}  # fmt: skip
