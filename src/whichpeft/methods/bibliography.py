"""The papers of methods, as BibTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from whichpeft.errors import StudyError
from whichpeft.methods.catalogue import read_method
from whichpeft.methods.composition import Composition
from whichpeft.methods.info import MethodInfo

_PAPER = re.compile(r"(?P<authors>.+?) (?P<year>(?:19|20)\d\d), (?P<place>.+)")


def bibliography(methods: Iterable[str]) -> str:
    """Return one BibTeX entry per paper of the methods of a study.

    Each entry has the first author or both, the title, the year and the address of the paper. A method
    without a paper, or of a plug-in that is not installed, becomes a comment.

    Parameters
    ----------
    methods
        The methods as written in a study, such as ``lora:r=8``.

    Returns
    -------
    str
        The text of a ``.bib`` file. The key of LoRA's entry is ``hu2021lora``.
    """
    infos: dict[str, MethodInfo] = {}
    comments = []
    for text in methods:
        try:
            method = read_method(text)
        except StudyError:
            comments.append(f"% {' '.join(text.split())}: this method is not installed")
            continue
        parts = method.parts if isinstance(method, Composition) else (method,)
        infos |= {part.info.name: part.info for part in parts}
    entries = []
    for info in infos.values():
        entry = _entry(info)
        if entry is None:
            comments.append(f"% {info.name}: no paper{f'; {info.paper}' if info.paper else ''}")
        else:
            entries.append(entry)
    return "\n".join([*entries, *(f"{comment}\n" for comment in comments)])


def citation_key(info: MethodInfo) -> str | None:
    """Return the key of a method's entry, such as ``hu2021lora``; None without a paper."""
    found = _PAPER.fullmatch(info.paper)
    if found is None or not info.paper_title:
        return None
    first = re.split(r" et al\.| and |, ", found["authors"])[0]
    plain = unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]", "", plain) + found["year"] + re.sub(r"[^a-z0-9]", "", info.name)


def _entry(info: MethodInfo) -> str | None:
    """Return the entry of a method's paper; None if the title or the place is unknown."""
    key, found = citation_key(info), _PAPER.fullmatch(info.paper)
    if key is None or found is None:
        return None
    # The inner braces keep the capitals of the title.
    fields = {
        "title": f"{{{_escaped(info.paper_title)}}}",
        "author": _escaped(_authors(found["authors"])),
        "year": found["year"],
        **_place(found["place"]),
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{key},\n{lines}\n}}\n"


def _authors(text: str) -> str:
    """Write authors as BibTeX does: ``Hu and others``; a family name of two words stays one."""
    names = text.removesuffix(" et al.").split(" and ")
    written = " and ".join(f"{{{name}}}" if " " in name else name for name in names)
    return f"{written} and others" if text.endswith(" et al.") else written


def _place(text: str) -> dict[str, str]:
    kind, _, value = text.partition(" ")
    if kind == "arXiv":
        return {
            "howpublished": f"arXiv:{value}",
            "eprint": value,
            "archivePrefix": "arXiv",
            "url": f"https://arxiv.org/abs/{value}",
        }
    if kind == "doi":
        return {"doi": value, "url": f"https://doi.org/{value}"}
    if text.startswith("openreview.net/"):
        return {"url": f"https://{text}"}
    return {"howpublished": _escaped(text)}


def _escaped(text: str) -> str:
    return re.sub(r"([&%$#_])", r"\\\1", text)
