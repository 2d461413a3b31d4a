"""The pieces of which both adapters are made."""

import math

import msgspec
import pytest

from chatkeep.index.edge_wire import Ping, Request, take_frames
from chatkeep.index.fusion import Found, candidates, fuse
from chatkeep.index.naming import description, index_name, read_description
from chatkeep.index.port import IndexSpec, TenantId
from chatkeep.index.scope import Scope, point_id, scope
from chatkeep.index.words import BM25, WordWeights
from chatkeep.processes.frames import frame

ALICE = TenantId("u:alice")


def test_reciprocal_ranks_are_those_of_the_paper() -> None:
    a, b, c = (Found(ALICE, "d", n) for n in (1, 2, 3))
    hits = fuse({"dense": [a, b], "bm25": [b, c]}, 9)
    assert [(hit.n, hit.ranks) for hit in hits] == [
        (2, {"dense": 2, "bm25": 1}),
        (1, {"dense": 1}),
        (3, {"bm25": 2}),
    ]
    assert math.isclose(hits[0].score, 1 / 62 + 1 / 61)
    assert fuse({}, 9) == []


def test_equals_have_one_order() -> None:
    passages = [Found(ALICE, document, n) for document in "ba" for n in (2, 1)]
    for way in (passages, passages[::-1]):
        hits = fuse({"dense": [way[0]], "bm25": [way[1]]}, 9)
        assert [(hit.document_id, hit.n) for hit in hits] == sorted((hit.document_id, hit.n) for hit in hits)


def test_each_way_is_asked_for_more_than_is_wanted() -> None:
    assert (candidates(1), candidates(100)) == (50, 200)


def test_a_scope_without_a_tenant_cannot_be_made_nor_read() -> None:
    with pytest.raises(TypeError):
        scope()  # type: ignore[call-arg]  # that is the point
    for tenants in ((), ("",), ("u:a", "")):
        with pytest.raises(ValueError, match="tenants"):
            Scope(tenants)  # type: ignore[arg-type]  # what a caller without types could do
        with pytest.raises(msgspec.ValidationError, match="tenants"):
            msgspec.msgpack.decode(msgspec.msgpack.encode({"tenants": tenants}), type=Scope)
    assert scope(ALICE, TenantId("c:1"), document_id="d") == Scope((ALICE, TenantId("c:1")), "d")


def test_no_two_passages_have_one_id() -> None:
    names = [
        ("a", "b", 1),
        ("a", "b", 11),
        ("a", "b1", 1),
        ("ab", "", 1),
        ("", "ab", 1),
        ('a","b', "", 1),
        ("b", "a", 1),
    ]
    assert len({point_id(TenantId(tenant), document, n) for tenant, document, n in names}) == len(names)
    # For ever: another id would leave the old point behind.
    assert point_id(ALICE, "d", 1) == "205f4e19-d483-5736-8cc0-f320f0624f64"


def test_an_index_is_named_after_its_model_and_is_another_for_every_other_spec() -> None:
    specs = [
        IndexSpec("sentence-transformers/all-MiniLM-L6-v2@sha", 384),
        IndexSpec("sentence-transformers/all-MiniLM-L6-v2@sha", 384, None),
        IndexSpec("sentence-transformers/all-MiniLM-L6-v2@sha", 768),
        IndexSpec("sentence-transformers/all-minilm-l6-v2@sha", 384),
        IndexSpec("../../etc/passwd\x00" + "m" * 999, 384),
        IndexSpec("模型", 384),
    ]
    names = [index_name(spec) for spec in specs]
    assert len(set(names)) == len(names)
    assert names[0].startswith("sentence-transformers-all-minilm-l6-v2-s-384-")
    assert all(name.replace("-", "").isalnum() and name.isascii() and len(name) < 80 for name in names)


@pytest.mark.parametrize("stored", [None, {}, [], {"spec": {}, "bm25": BM25}, {"spec": 1, "bm25": BM25}])
def test_what_is_not_ours_is_no_index(stored: object) -> None:
    assert read_description(stored) is None


def test_a_description_is_read_back() -> None:
    spec = IndexSpec("m", 4, None)
    assert read_description(msgspec.json.decode(msgspec.json.encode(description(spec)))) == spec
    # Words weighed in another way are another index's.
    assert read_description(description(spec) | {"bm25": BM25 | {"k": 2.0}}) is None


def test_stems_are_those_of_the_language() -> None:
    def same(language: str | None, one: str, other: str) -> bool:
        weights = WordWeights(language)
        return weights.of_query(one) == weights.of_query(other)

    assert same("english", "running", "run")
    assert same("german", "Häuser", "Häusern")
    assert not same(None, "running", "run")
    assert WordWeights(None).of_query("the") != ([], [])
    assert WordWeights("english").of_query("the") == ([], [])
    with pytest.raises(ValueError, match="klingon"):
        WordWeights("klingon")


def test_frames_are_taken_as_they_come() -> None:
    requests = [Request(n, None, Ping()) for n in (1, 2, 3)]
    stream = b"".join(map(frame, requests))
    buffer, taken = bytearray(), []
    for byte in stream:
        buffer.append(byte)
        taken += list(take_frames(buffer))
    assert [msgspec.msgpack.decode(body, type=Request) for body in taken] == requests
    assert not buffer
    with pytest.raises(ValueError, match="too long"):
        list(take_frames(bytearray(b"\xff" * 8)))
