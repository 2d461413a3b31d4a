"""How the parts of an Office Open XML file refer to each other (ECMA-376, part 2)."""

import posixpath
from typing import NamedTuple

from chatkeep.parsing.archive import Archive
from chatkeep.parsing.refusals import damaged
from chatkeep.parsing.transcript import Transcript
from chatkeep.parsing.xml_events import xml_events

_CORE = "docProps/core.xml"


class Related(NamedTuple):
    """`kind` is the last word of the relationship's type: `slide`, `styles`."""

    kind: str
    part: str


def main_part(archive: Archive) -> str:
    """That which the others belong to.

    Raises:
        Unreadable: there is none.
    """
    for related in related_parts(archive, "").values():
        if related.kind == "officeDocument":
            return related.part
    raise damaged("its main part is missing")


def related_parts(archive: Archive, part: str) -> dict[str, Related]:
    """By their ids, those that are in the archive; whatever is elsewhere is not followed.

    Raises:
        Unreadable
    """
    folder, name = posixpath.split(part)
    rels = posixpath.join(folder, "_rels", f"{name}.rels")
    if not archive.has(rels):
        return {}
    found = {}
    for kind, element, attributes in xml_events(archive.pieces(rels)):
        if kind == "start" and element == "rels:Relationship" and attributes.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", ""))).lstrip("/")
            if archive.has(target):
                found[attributes.get("Id", "")] = Related(attributes.get("Type", "").rsplit("/", 1)[-1], target)
    return found


def parts_of_kind(archive: Archive, part: str, kind: str) -> list[str]:
    """Those that `part` refers to as `kind`.

    Raises:
        Unreadable
    """
    return [related.part for related in related_parts(archive, part).values() if related.kind == kind]


def read_title(archive: Archive, transcript: Transcript, part: str = _CORE) -> None:
    """From Dublin Core's `title`, in whatever part it is; without effect where there is none.

    Raises:
        Unreadable
    """
    if not archive.has(part):
        return
    title: list[str] = []
    within = False
    for kind, name, _ in xml_events(archive.pieces(part)):
        if name == "dc:title" and kind != "text":
            within = kind == "start" and not title
        elif within and kind == "text":
            title.append(name)
    transcript.title = "".join(title)
