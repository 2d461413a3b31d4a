"""The pages of documents, as a browser without JavaScript sees them."""

import re
from typing import Any

import pytest

from chatkeep_ui.account.notices import NOTICES
from chatkeep_ui.library import LIBRARY_PAGES
from chatkeep_ui.library.documents import UPLOAD
from chatkeep_ui.wording import spoken_bytes, visible
from ui.tests.api_stand_in import problem
from ui.tests.library_stand_in import TEXTS
from ui.tests.site import Browser, Site

SOME_ID = "01a204c9-5576-74dd-a0e5-3ae86741e479"
PATHS = {re.sub(r"\{\w+\}", SOME_ID, page.path.replace("{place}", "1")): page for page in LIBRARY_PAGES}
HOSTILE = "<img src=x onerror=alert(1)>\u202efdp.exe"


def user(site: Site, email: str = "ada@example.org") -> dict[str, Any]:
    found: dict[str, Any] = site.api.users[email]
    return found


def make_collection(browser: Browser, name: str = "Birds") -> str:
    made = browser.submit("/library/collections", do="create", name=name, description="All of them")
    return made.headers["location"].partition("?")[0]


@pytest.mark.parametrize("path", [*PATHS, f"/library/originals/{SOME_ID}"])
def test_nobody_looks_at_documents_without_a_sign_in(ada: Browser, site: Site, path: str) -> None:
    answer = site.browser().get(path)
    assert answer.status_code == 303
    assert f"then={path}" in answer.headers["location"].replace("%2F", "/")


@pytest.mark.parametrize("path", PATHS)
def test_another_site_cannot_send_the_forms_of_documents(ada: Browser, site: Site, path: str) -> None:
    for do in PATHS[path].actions:
        for header in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            files = {"file": ("a.txt", b"a")} if PATHS[path] is UPLOAD else None
            answer = ada.http.post(path, data={"do": do, "document": SOME_ID}, files=files, headers=header)
            assert answer.status_code == 403
    assert site.api.done == []


def test_a_file_is_added_and_shown_as_far_as_it_is(ada: Browser, site: Site) -> None:
    assert "Nothing here yet" in ada.get("/library").text
    site.api.library.arriving = {"status": "running", "stage": "embedding", "done": 12, "total": 80}
    sent = ada.http.post("/library/upload", files={"file": ("herons.pdf", b"%PDF")})
    assert sent.headers["location"] == "/library?done=uploaded"
    page = ada.get("/library?done=uploaded").text
    assert NOTICES["uploaded"] in page
    assert "herons.pdf" in page
    assert "12 of 80" in page
    assert 'max="80" value="12"' in page
    assert "Cancel" in page
    assert "Your documents take 3 kB of 10 GB." in page


def test_a_server_without_documents_says_so(ada: Browser, site: Site) -> None:
    site.api.refusals["GET /documents"] = problem(404, "not_found", "There is nothing here that you can see.")
    assert "not set up for documents" in ada.get("/library").text


def test_why_a_file_was_not_taken_is_said_on_the_same_page(ada: Browser, site: Site) -> None:
    site.api.library.add(user(site), "herons.pdf")
    for refusal in (
        problem(507, "storage_full", "Delete some first."),
        problem(429, "x", "Slow down", {"Retry-After": "9"}),
    ):
        site.api.refusals["POST /documents"] = refusal
        answer = ada.http.post("/library/upload", files={"file": ("a.pdf", b"%PDF")})
        assert answer.status_code == refusal.status_code
        assert 'role="alert"' in answer.text
        assert "herons.pdf" in answer.text
    assert "larger than what may be uploaded" in ada.get("/library?error=document_too_large").text


def test_what_failed_says_why_and_is_tried_again(ada: Browser, site: Site) -> None:
    error = {"code": "encrypted", "message": "It is encrypted. Save it without a password, and upload that."}
    document = site.api.library.add(user(site), "secret.pdf", status="failed", error=error, chunks=0)
    page = ada.get("/library").text
    assert error["message"] in page
    assert ada.submit("/library", do="retry", document=document["id"]).headers["location"].endswith("document-retried")
    assert site.api.done == [("POST", f"/documents/{document['id']}/retry", {})]


def test_notices_are_shown_with_a_document_that_is_ready(ada: Browser, site: Site) -> None:
    site.api.library.add(user(site), "scan.pdf", notices=["Pages 3 to 7 are pictures without text."])
    assert "Pages 3 to 7 are pictures without text." in ada.get("/library").text


def test_a_document_is_deleted_and_saved(ada: Browser, site: Site) -> None:
    document = site.api.library.add(user(site), "herons.pdf")
    file = ada.get(f"/library/originals/{document['id']}")
    assert file.content == b"%PDF-1.7"
    assert file.headers["content-disposition"].startswith("attachment")
    ada.submit("/library", do="delete", document=document["id"])
    assert site.api.library.documents == {}


def test_an_original_is_never_shown_in_our_name(ada: Browser, site: Site) -> None:
    document = site.api.library.add(user(site), "page.html")
    file = ada.get(f"/library/originals/{document['id']}")
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in file.headers["content-security-policy"]


@pytest.mark.parametrize("document", ["../../admin/users/1", "a/b?c=d#e", "", "%2e%2e%2fme", "everyone"])
def test_an_id_from_a_form_leads_to_no_other_path(ada: Browser, site: Site, document: str) -> None:
    for do in ("delete", "retry", "cancel"):
        assert ada.submit("/library", do=do, document=document).status_code == 404
    assert site.api.done == []


@pytest.mark.parametrize("at", ["title", "filename"])
def test_names_made_of_markup_or_turned_around_are_text(ada: Browser, site: Site, at: str) -> None:
    document = site.api.library.add(user(site), **{"filename": "a.pdf", at: HOSTILE})
    for path in ("/library", f"/library/documents/{document['id']}/2", "/library/search?q=fish"):
        page = ada.get(path).text
        assert "<img src=x" not in page
        assert "&lt;img src=x" in page
        assert "\u202e" not in page


def test_a_passage_stands_marked_between_its_neighbours(ada: Browser, site: Site) -> None:
    document = site.api.library.add(user(site), "herons.pdf", title="On herons")
    page = ada.get(f"/library/documents/{document['id']}/2").text
    assert "<mark>They eat fish. &lt;b&gt;Not&lt;/b&gt; bread.</mark>" in page
    assert page.index(TEXTS[0]) < page.index("<mark>") < page.index(TEXTS[2])
    assert "Page 2" in page
    assert "Birds" in page
    assert "connect-src" not in ada.get(f"/library/documents/{document['id']}/2").headers["content-security-policy"]


def test_what_two_passages_share_is_shown_once(ada: Browser, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    overlapping = ("One. Two.", "Two. Three.", "Three. Four.")
    monkeypatch.setattr("ui.tests.library_stand_in.TEXTS", overlapping)
    document = site.api.library.add(user(site), "counting.txt", chunks=3)
    page = ada.get(f"/library/documents/{document['id']}/2").text
    passages = page.partition('<div class="passages">')[2].partition("</nav>")[0]
    assert [passages.count(word) for word in ("One.", "Two.", "Three.", "Four.")] == [1, 1, 1, 1]
    assert "<mark>One. Two. Three. Four.</mark>" in ada.get(f"/library/documents/{document['id']}/1-3").text


def test_a_passage_of_several_chunks_is_marked_as_one(ada: Browser, site: Site) -> None:
    document = site.api.library.add(user(site), "herons.pdf")
    page = ada.get(f"/library/documents/{document['id']}/1-2").text
    marked = page.partition("<mark>")[2].partition("</mark>")[0]
    assert TEXTS[0] in marked
    assert "They eat fish." in marked
    assert TEXTS[2] not in marked
    assert TEXTS[2] in page
    assert "Page 1 to 2" in page


@pytest.mark.parametrize("n", ["0", "4", "9" * 20, "-1", "x", "2-1", "1-9", "0-1", "1-2-3", "1-", "٣"])
def test_a_passage_that_is_not_there(ada: Browser, site: Site, n: str) -> None:
    document = site.api.library.add(user(site), "herons.pdf")
    assert ada.get(f"/library/documents/{document['id']}/{n}").status_code == 404


def test_a_citation_of_what_was_deleted_says_so(ada: Browser) -> None:
    page = ada.get(f"/library/documents/{SOME_ID}/1")
    assert page.status_code == 404
    assert "not there any more" in page.text


def test_a_collection_is_shared_and_no_longer(ada: Browser, site: Site) -> None:
    collection = make_collection(ada)
    bob = site.signed_in("bob@example.org")
    assert bob.get(collection).status_code == 404
    ada.http.post(
        f"/library/upload?collection={collection.rpartition('/')[2]}",
        data={"collection_id": collection.rpartition("/")[2]},
        files={"file": ("herons.pdf", b"%PDF")},
    )
    ada.submit(collection, do="share", email=" bob@example.org ", role="reader")
    page = bob.get(collection).text
    assert "herons.pdf" in page
    assert "Upload" not in page
    assert "Delete" not in page
    assert "bob@example.org" in ada.get(collection).text
    ada.submit(collection, do="unshare", member=user(site, "bob@example.org")["id"])
    assert bob.get(collection).status_code == 404


def test_nobody_learns_from_sharing_who_has_an_account(ada: Browser, site: Site) -> None:
    collection = make_collection(ada)
    site.signed_in("bob@example.org")
    known = ada.submit(collection, do="share", email="bob@example.org")
    unknown = ada.submit(collection, do="share", email="eve@example.org")
    assert known.headers["location"] == unknown.headers["location"]


def test_everyone_is_let_in_and_somebody_leaves(ada: Browser, site: Site) -> None:
    collection = make_collection(ada)
    bob = site.signed_in("bob@example.org")
    ada.submit(collection, do="share-with-everyone")
    assert "Birds" in bob.get("/library/collections").text
    assert "Share with everyone" not in ada.get(collection).text
    assert bob.submit(collection, do="leave").headers["location"] == "/library/collections?done=left"
    assert (
        "DELETE",
        f"/collections/{collection.rpartition('/')[2]}/members/{user(site, 'bob@example.org')['id']}",
        {},
    ) in site.api.done


def test_a_collection_is_renamed_and_deleted(ada: Browser, site: Site) -> None:
    collection = make_collection(ada)
    ada.submit(collection, do="change", name="Waders <b>", description="")
    assert "Waders &lt;b&gt;" in ada.get(collection).text
    ada.submit(collection, do="delete-collection")
    assert site.api.library.collections == {}


def test_a_collection_without_a_name_says_so_beside_the_field(ada: Browser) -> None:
    answer = ada.submit("/library/collections", do="create", name="", description="")
    assert answer.status_code == 422
    assert 'id="name-says">Give it a name.' in answer.text


def test_documents_are_searched_everywhere_or_in_one_collection(ada: Browser, site: Site) -> None:
    document = site.api.library.add(user(site), "herons.pdf")
    page = ada.get("/library/search?q=fish").text
    assert f'href="/library/documents/{document["id"]}/2"' in page
    assert "Page 2" in page
    collection = make_collection(ada).rpartition("/")[2]
    assert "Nothing of this is in your documents" in ada.get(f"/library/search?q=fish&in={collection}").text
    assert site.api.library.asked[-1]["collection_ids"] == [collection]
    ada.get("/library/search?q=fish&in=../../x")
    assert "collection_ids" not in site.api.library.asked[-1]


def test_the_trace_of_an_answer_says_what_became_of_each_passage(ada: Browser, site: Site) -> None:
    known = site.api.library.add(user(site), "herons.pdf")["id"]
    found = {"chunk": 2, "score": 0.9, "ranks": {"dense": 1, "bm25": 3}, "shown_as": 1, "left_out": None}
    gone = {"chunk": 9, "score": 0.1, "ranks": {"bm25": 1}, "shown_as": None, "left_out": "duplicate"}
    site.api.library.traces[SOME_ID] = {
        "searched_for": "what <b>herons</b> eat",
        "meaning": "embedder_slow",
        "tenants": 2,
        "milliseconds": {"rights": 0.4, "index": 1.25},
        "hits": [found | {"document_id": known}, gone | {"document_id": SOME_ID}],
        "left_out": {"duplicate": 1, "not_readable": 3},
    }
    page = ada.get(f"/library/answers/{SOME_ID}").text
    for words in (
        "what &lt;b&gt;herons&lt;/b&gt; eat", "did not answer in time", f'href="/library/documents/{known}/2"',
        "meaning 1., words 3.", "shown as 1",
        "says the same as another", "not there any more", "3 more were", "1.25 ms",
    ):  # fmt: skip
        assert words in page


def test_an_answer_without_a_trace_says_so(ada: Browser) -> None:
    page = ada.get(f"/library/answers/{SOME_ID}")
    assert page.status_code == 404
    assert "No documents were searched for this answer" in page.text


def test_only_the_pages_that_follow_progress_may_connect(ada: Browser) -> None:
    for path, page in PATHS.items():
        policy = ada.get(path).headers["content-security-policy"]
        assert ("connect-src" in policy) == (page.connects and "{" not in page.path)
        assert "connect-src 'self'" in policy or "connect-src" not in policy


def test_a_name_keeps_what_people_write() -> None:
    kept = "Ünï 日本語 नम\u200dस्ते 👩\u200d🚀.pdf"
    assert visible(kept) == kept
    assert visible("a\u202eb\x00c\u2066\n") == "a\ufffdb\ufffdc\ufffd\ufffd"


def test_sizes_are_spoken() -> None:
    assert [spoken_bytes(size) for size in (0, 999, 1_000, 14_499, 3_400_000, 12_000_000, 2_100_000_000)] == [
        "0 bytes", "999 bytes", "1 kB", "14 kB", "3.4 MB", "12 MB", "2.1 GB",
    ]  # fmt: skip


def test_the_parts_that_are_refreshed_have_names_that_stay(ada: Browser, site: Site) -> None:
    document = site.api.library.add(user(site), "herons.pdf", status="queued")
    row = re.search(
        rf'<li id="document-{document["id"]}" data-version="([^"]+)"[^>]*data-unfinished', ada.get("/library").text
    )
    assert row is not None
    document["status"] = "ready"
    assert row[1] not in ada.get("/library").text
    assert "data-unfinished" not in ada.get("/library").text
