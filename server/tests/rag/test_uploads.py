"""Files on their way in, from people who mean no good."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from chatkeep.index.port import TenantId
from chatkeep.rag.blobs import Blobs
from chatkeep.rag.file_names import clean_filename

FORM = {"content-type": "multipart/form-data; boundary=x"}
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'


def files_in(app: FastAPI) -> list[Path]:
    """All that lies on the disk, arriving or kept."""
    directory: Path = app.state.documents.blobs.path("u:x", "y").parent.parent
    return [path for path in directory.rglob("*") if path.is_file()]


async def nothing_is_left(app: FastAPI, person: Any) -> bool:
    items = (await person.http.get("/documents")).json()["items"]
    return items == [] and files_in(app) == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\plan.pdf", "plan.pdf"),
        ("/absolute", "absolute"),
        ("..", "document"),
        ("", "document"),
        ("a\0b.txt", "ab.txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("gpj.\u202eexe.pdf", "gpj.exe.pdf"),
        ("<script>alert(1)</script>.html", "script_.html"),
        ("${HOME}", "${HOME}"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie_ x=1"),
        ("e\u0301t\u00e9.txt", "\u00e9t\u00e9.txt"),
        (".hidden", "hidden"),
    ],
)
def test_a_hostile_name_is_only_a_name(given: str, shown: str) -> None:
    assert clean_filename(given) == shown


def test_a_name_of_four_kilobytes_keeps_its_ending() -> None:
    name = clean_filename("ä" * 4096 + ".pdf")
    assert name.endswith("ä.pdf")
    assert len(name.encode()) <= 200
    assert len(clean_filename("x." + "y" * 4096)) <= 200


async def test_an_aborted_upload_leaves_nothing(app: FastAPI, ada: Any) -> None:
    begun = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield HEAD + b"z" * 3_000_000
        begun.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(ada.http.post("/documents", content=body(), headers=FORM))
    await begun.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await nothing_is_left(app, ada)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        HEAD + b"breaks off",
        b"--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="collection_id"\r\n\r\n' + b"9" * 1000 + b"\r\n--x--\r\n",
        b"--x\r\n" + b"A: b\r\n" * 1000 + b"\r\n\r\n--x--\r\n",
        b"--x\r\nA: " + b"b" * 100_000 + b"\r\n\r\n\r\n--x--\r\n",
        (HEAD + b"\r\n") * 100 + b"--x--\r\n",
    ],
)
async def test_a_broken_form_is_refused_and_leaves_nothing(app: FastAPI, ada: Any, body: bytes) -> None:
    answer = await ada.http.post("/documents", content=body, headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (422, "upload_invalid")
    assert await nothing_is_left(app, ada)


async def test_what_is_no_form_is_refused(app: FastAPI, ada: Any) -> None:
    for kind in ("", "text/plain", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 999, "\x01"):
        answer = await ada.http.post("/documents", content=b"hello", headers={"content-type": kind})
        assert answer.status_code == 422, kind


async def test_one_file_too_large_takes_the_others_along(serve: Any, make_client: Any) -> None:
    async with serve(upload_megabytes=1) as app:
        ada = await make_client(app)
        answer = await ada.upload(("a.txt", b"small"), ("b.txt", b"z" * (1024 * 1024 + 1)))
        assert answer.status_code == 413
        assert await nothing_is_left(app, ada)


async def test_many_uploads_at_once_do_not_overspend_the_room(serve: Any, make_client: Any) -> None:
    async with serve(documents_megabytes=1) as app:
        ada = await make_client(app)
        answers = await asyncio.gather(*(ada.upload((f"{n}.bin", bytes([n]) * 400_000)) for n in range(6)))
        assert sorted(answer.status_code for answer in answers) == [202, 202, 507, 507, 507, 507]
        assert (await ada.http.get("/documents/storage")).json()["used_bytes"] <= 1024 * 1024
        assert len(files_in(app)) == 2


async def test_reading_anew_is_no_way_around_the_limit_of_uploads(serve: Any, make_client: Any) -> None:
    async with serve(limit_upload="2/hour") as app:
        ada = await make_client(app)
        (document,) = await ada.uploaded(("a.txt", b"MZ\0\0\0\0 no text"))
        await ada.until_ended(document["id"])
        for status in (202, 429):
            answer = await ada.http.post(f"/documents/{document['id']}/retry")
            assert answer.status_code == status, answer.text
            await ada.until_ended(document["id"])


async def test_the_last_file_of_a_folder_is_deleted_while_another_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs, mine, mkdir = Blobs(tmp_path), TenantId("u:ada"), Path.mkdir

    def raced(path: Path, *args: Any, **options: Any) -> None:
        mkdir(path, *args, **options)
        monkeypatch.undo()
        path.rmdir()

    async with blobs.arriving() as arrival:
        await arrival.write(b"hello")
        monkeypatch.setattr(Path, "mkdir", raced)
        await blobs.keep(arrival, mine, "x")
    assert blobs.path(mine, "x").read_bytes() == b"hello"


async def test_a_full_disk_is_said_and_leaves_nothing(app: FastAPI, ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    answer = await ada.upload(("a.txt", b"hello"))
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    monkeypatch.undo()
    assert await nothing_is_left(app, ada)


async def test_a_reader_or_stranger_uploads_nothing(app: FastAPI, ada: Any, ben: Any) -> None:
    collection_id = await ada.new_collection()
    stranger = await ben.upload(("a.txt", b"mine"), collection_id=collection_id)
    nothing = await ben.upload(("a.txt", b"mine"), collection_id="0198c0de-0000-7000-8000-000000000000")
    rubbish = await ben.upload(("a.txt", b"mine"), collection_id="../x")
    for answer in (stranger, nothing, rubbish):
        assert answer.status_code == 404
    await ada.http.put(f"/collections/{collection_id}/members/everyone", json={"role": "editor"})
    reader = await ben.upload(("a.txt", b"mine"), collection_id=collection_id)
    assert (reader.status_code, reader.json()["code"]) == (403, "read_only")
    assert files_in(app) == []


async def test_equal_bytes_of_two_share_neither_access_nor_deletion(app: FastAPI, ada: Any, ben: Any) -> None:
    (hers,), (his,) = await ada.uploaded(("a.txt", b"same")), await ben.uploaded(("b.txt", b"same"))
    (again,) = await ada.uploaded(("c.txt", b"same"))
    assert hers["id"] == again["id"] != his["id"]
    assert len(files_in(app)) == 2
    assert (await ben.http.get(f"/documents/{hers['id']}/content")).status_code == 404
    await ada.http.delete(f"/documents/{hers['id']}")
    await app.state.documents.eraser.work_off()
    assert (await ben.http.get(f"/documents/{his['id']}/content")).content == b"same"


async def test_what_was_uploaded_never_runs_in_a_browser(app: FastAPI, ada: Any) -> None:
    (page,) = await ada.uploaded(("x<y>.html", b"<svg onload=alert(1)>"))
    answer = await ada.http.get(f"/documents/{page['id']}/content")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''x_y_.html"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_adding_by_address_does_not_tell_who_has_an_account(app: FastAPI, ada: Any, ben: Any) -> None:
    path = f"/collections/{await ada.new_collection()}/members"
    answers = [
        await ada.http.post(path, json={"email": email})
        for email in (ben.user.user.email, "nobody@example.com", "no address", ada.user.user.email)
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"")}
    members = (await ada.http.get(path)).json()["items"]
    assert [(member["user_id"], member["role"]) for member in members] == [(ben.user.user.id, "reader")]
    unknown = await ada.http.put(f"{path}/0198c0de-0000-7000-8000-000000000000", json={"role": "editor"})
    assert unknown.status_code == 204
    assert len((await ada.http.get(path)).json()["items"]) == 1


async def test_an_account_that_ends_takes_its_documents_along(app: FastAPI, ada: Any, ben: Any) -> None:
    hers, his = await ada.new_collection(), await ben.new_collection()
    await ben.http.post(f"/collections/{his}/members", json={"email": ada.user.user.email, "role": "editor"})
    await ada.uploaded(("own.txt", b"own"))
    await ada.uploaded(("shared.txt", b"shared"), collection_id=hers)
    (given,) = await ada.uploaded(("given.txt", b"given"), collection_id=his)
    await ada.http.post(f"/collections/{hers}/members", json={"email": ben.user.user.email})
    assert len((await ben.http.get("/documents")).json()["items"]) == 2
    await app.state.auth.deletion.delete_self(ada.user.principal)
    assert [each["id"] for each in (await ben.http.get("/documents")).json()["items"]] == [given["id"]]
    assert (await ben.http.get(f"/collections/{hers}")).status_code == 404
    # What was given counts as his from now on.
    assert (await ben.http.get("/documents/storage")).json()["used_bytes"] > 0
    await app.state.documents.eraser.work_off()
    assert [path.name for path in files_in(app)] == [given["id"]]


@pytest.mark.parametrize("name", ["\ud800", "\0", "", " ", "x" * 201, "a\nb", None, 7, ["x"]])
async def test_a_name_that_is_none_is_refused(ada: Any, name: object) -> None:
    body = json.dumps({"name": name})
    answer = await ada.http.post("/collections", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
