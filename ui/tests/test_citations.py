"""What an answer cites, and what only looks as if it did."""

import pytest

from chatkeep_ui.answer_html import answer_html
from chatkeep_ui.answer_stream import Answer
from chatkeep_ui.chat_records import ChatMessage, DocumentUse
from chatkeep_ui.message_html import growing_html, message_html
from chatkeep_ui.page_state import PageState
from chatkeep_ui.sources import Source, read_sources

ONE, TWO = "01a204c9-5576-74dd-a0e5-3ae86741e479", "01a204c9-5576-74dd-a0e5-3ae86741e480"
CITED = [
    {"n": 2, "document_id": TWO, "chunk": 1, "title": "<b>Fish</b>\u202e", "page": None, "score": 0.2},
    {"n": 1, "document_id": ONE, "chunk": 7, "title": "Herons", "page": 4, "score": 0.9},
]
SOURCES = read_sources(CITED)
FIRST, SECOND = f'href="/library/documents/{ONE}/7"', f'href="/library/documents/{TWO}/1"'


def shown(words: str) -> str:
    message = ChatMessage(ONE, None, "assistant", words, "completed", sources=SOURCES)
    return message_html(PageState(), message, settled=True)


def test_a_citation_opens_its_passage_in_another_tab() -> None:
    html = answer_html("Herons eat fish [1].", SOURCES)
    assert FIRST in html
    assert 'aria-label="Source 1: Herons, page 4"' in html
    assert 'target="_blank" rel="noopener"' in html


@pytest.mark.parametrize("written", ["[1][2]", "[1, 2]", "[1-2]", "[1\u20132]", "[ 1; 2 ]"])
def test_several_numbers_are_several_links(written: str) -> None:
    html = answer_html(f"So it is {written}.", SOURCES)
    assert html.index(FIRST) < html.index(SECOND)


@pytest.mark.parametrize(
    "written", ["[3]", "[1, 3]", "[0]", "[2-1]", "[1-999]", "[1234]", "[one]", "[]", "`[1]`", "\\[1]"]
)
def test_what_names_no_passage_is_left_as_it_is(written: str) -> None:
    assert "/library/" not in answer_html(f"So it is {written}.", SOURCES)


def test_code_cites_nothing() -> None:
    assert "/library/" not in answer_html("```\nx = y[1]\n```\n\n    z[1]\n", SOURCES)


def test_without_sources_a_number_is_a_number() -> None:
    assert "<a" not in answer_html("So it is [1].")


@pytest.mark.parametrize(
    "written",
    [
        "It is so [1].\n\n[1]: http://evil.example/?q=secret",
        "It is so [1](http://evil.example/?q=secret).",
        "It is so [1](javascript:alert).",
    ],
)
def test_a_document_that_makes_a_citation_lead_elsewhere(written: str) -> None:
    html = answer_html(written, SOURCES)
    assert FIRST in html
    assert 'href="http' not in html
    assert 'href="javascript' not in html


def test_no_link_stands_within_a_link() -> None:
    html = answer_html("[see [1] there](https://herons.example)", SOURCES)
    assert html.count("<a ") == html.count("</a>")
    assert not html.partition("herons.example")[2].partition("</a>")[0].count("<a ")


def test_titles_are_text_and_cannot_turn_around() -> None:
    page = message_html(
        PageState(), ChatMessage(ONE, None, "assistant", "So [2].", "completed", sources=SOURCES), settled=True
    )
    assert "<b>Fish" not in page
    assert "&lt;b&gt;Fish" in page
    assert "\u202e" not in page


def test_sources_stand_under_the_answer_in_order() -> None:
    page = message_html(
        PageState(), ChatMessage(ONE, None, "assistant", "So.", "completed", sources=SOURCES), settled=True
    )
    assert page.index("So.") < page.index('<ol class="ck-sources"') < page.index(FIRST) < page.index(SECOND)
    assert page.count("p. 4") == 1


@pytest.mark.parametrize("document_id", ["../../sign-out", "//evil.example", '"><script>', ""])
def test_a_source_leads_to_nothing_but_a_document(document_id: str) -> None:
    chip = Source.read({"n": 1, "document_id": document_id, "chunk": 1, "title": "x"}).chip_html()
    assert 'href="/library/documents/-/1"' in chip


def test_an_answer_that_is_from_no_document_says_so() -> None:
    state, answer = PageState(asks_documents=True), ChatMessage(ONE, None, "assistant", "Hm.", "completed")
    assert "This answer is not from your documents." in message_html(state, answer, settled=True)
    assert f'href="/library/answers/{ONE}"' in message_html(state, answer, settled=True)
    assert "documents" not in message_html(PageState(), answer, settled=True)
    assert "not from your documents" not in shown("So [1].")


def test_whoever_names_collections_means_them_to_be_used() -> None:
    assert DocumentUse.read({}) == DocumentUse.read({"use_documents": False, "collection_ids": None})
    assert DocumentUse.read({"collection_ids": [ONE]}) == DocumentUse(on=True, collection_ids=(ONE,))
    assert DocumentUse.read({"use_documents": False, "collection_ids": [ONE]}).body["collection_ids"] is None
    assert DocumentUse(on=True).body == {"use_documents": True, "collection_ids": None}


def test_a_passage_of_several_chunks_is_opened_whole() -> None:
    (source,) = read_sources([CITED[1] | {"last_chunk": 9}])
    assert f'href="/library/documents/{ONE}/7-9"' in source.chip_html()


def test_a_growing_answer_cites_as_soon_as_passages_are_found() -> None:
    answer = Answer().after("retrieval.completed", {"sources": CITED}).after("message.delta", {"text": "So [1]"})
    assert FIRST in growing_html(answer, "")
