"""EPUB 2 and 3: chapters in the order of the spine, each a web page."""

import posixpath
from typing import BinaryIO
from urllib.parse import unquote

from chatkeep.parsing.archive import Archive
from chatkeep.parsing.html_text import add_html
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.office_package import read_title
from chatkeep.parsing.refusals import damaged, encrypted
from chatkeep.parsing.transcript import Transcript
from chatkeep.parsing.xml_events import xml_events

_CONTAINER = "META-INF/container.xml"
_PAGES = {"application/xhtml+xml", "text/html"}


def read_epub(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    archive = Archive(file, limits)
    if archive.has("META-INF/rights.xml"):
        raise encrypted()
    package = _package(archive)
    read_title(archive, transcript, package)
    for chapter in _spine(archive, package):
        add_html(archive.read(chapter), transcript, limits)


def _package(archive: Archive) -> str:
    for kind, name, attributes in xml_events(archive.pieces(_CONTAINER)):
        if kind == "start" and name == "ocf:rootfile" and archive.has(attributes.get("full-path", "")):
            return attributes["full-path"]
    raise damaged("its list of contents is missing")


def _spine(archive: Archive, package: str) -> list[str]:
    folder = posixpath.dirname(package)
    pages: dict[str, str] = {}
    order: list[str] = []
    for kind, name, attributes in xml_events(archive.pieces(package)):
        if kind == "start" and name == "opf:item" and attributes.get("media-type") in _PAGES:
            path = posixpath.normpath(posixpath.join(folder, unquote(attributes.get("href", ""))))
            if archive.has(path):
                pages[attributes.get("id", "")] = path
        elif kind == "start" and name == "opf:itemref":
            order.append(attributes.get("idref", ""))
    # Each once: a chapter that the spine names ten thousand times is a bomb.
    return list(dict.fromkeys(pages[name] for name in order if name in pages))
