"""Requests made to cost the server much and their sender little; each test is named after the attack."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from chatkeep.completions.accounting import Account
from chatkeep.completions.errors import RequestInvalid
from chatkeep.completions.requests import plain_options, read_request
from chatkeep.completions.routes import _claim
from chatkeep.completions.tally import Tally
from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.limits.quotas import Claim, Payer, Quotas
from chatkeep.limits.tables import usage_records
from chatkeep.llm.local import LocalChatModel
from chatkeep.llm.model import TunableModel
from chatkeep.llm.scripted import ScriptedChatModel
from chatkeep.llm.testing import eventually
from chatkeep.row_security import EVERYBODY
from server.tests.completions.conftest import Door

HELLO = '[{"role":"user","content":"hello"}]'
CONTENT = '[{"role":"user","content":[?]}]'
WORDS = "word " * 10_000


def request(more: str, messages: str = HELLO) -> bytes:
    return f'{{"model":"m","messages":{messages}{more}}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        request("", CONTENT.replace("?", ",".join(["{}"] * 400_000))),
        request("", CONTENT.replace("?", "[" + ",".join(["[]"] * 400_000) + "]")),
        request("", "[" + ",".join(['{"role":"u"}'] * 200_000) + "]"),
        request("".join(f',"{number}":1' for number in range(400_000))),
    ],
    ids=["parts", "nested", "messages", "members"],
)
def test_millions_of_little_pieces_are_not_taken_apart(body: bytes) -> None:
    with pytest.raises(RequestInvalid):
        read_request(body)


def test_figures_beyond_any_column_hold_what_a_column_can() -> None:
    parts = CONTENT.replace("?", ",".join(['{"type":"image_url"}'] * 100_000))
    claim = _claim(read_request(request(',"n":128,"max_tokens":100000000', parts)), "m")
    assert claim.prompt_tokens + claim.at_most_completion < 2**31


@pytest.mark.parametrize("member", ["functions", "response_format", "prediction"])
def test_a_prompt_that_hides_in_another_member_is_counted(member: str) -> None:
    hidden = f'{{"description":"{WORDS}"}}'
    assert read_request(request(f',"{member}":{hidden}')).prompt_tokens > 10_000


@pytest.mark.parametrize("member", ["name", "function_call", "reasoning_content"])
def test_a_prompt_that_hides_beside_a_messages_content_is_counted(member: str) -> None:
    message = f'[{{"role":"assistant","{member}":"{WORDS}"}}]'
    assert read_request(request("", message)).prompt_tokens > 10_000


@pytest.mark.parametrize("member", ["models", "fallbacks", "context_window_fallbacks"])
def test_a_dearer_model_does_not_answer_in_the_name_of_a_cheap_one(member: str) -> None:
    with pytest.raises(RequestInvalid, match="name one model") as refused:
        read_request(request(f',"{member}":["dear"]'))
    assert refused.value.param == member


@pytest.mark.parametrize("tier", ["priority", "scale", "performance", "on_demand"])
def test_a_dearer_service_is_not_had_at_the_ordinary_price(tier: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        read_request(request(f',"service_tier":"{tier}"'))
    assert refused.value.param == "service_tier"
    for ordinary in ('"auto"', '"default"', '"flex"', "null"):
        read_request(request(f',"service_tier":{ordinary}'))


@pytest.mark.parametrize(
    "wish",
    ['"temperature":1e9', '"top_p":"x"', '"seed":-1', '"stop":["a","b","c","d","e"]', f'"stop":"{"x" * 201}"'],
)
def test_a_wish_that_no_model_can_meet_does_not_reach_the_built_in_one(wish: str) -> None:
    with pytest.raises(RequestInvalid):
        plain_options(read_request(request(f",{wish}")))


def test_the_built_in_model_hears_how_long_and_how_bold_it_is_to_be() -> None:
    asked = read_request(request(',"max_completion_tokens":7,"temperature":0,"stop":"x","x_other":1'))
    assert plain_options(asked) == {"max_tokens": 7, "temperature": 0.0, "stop": "x"}
    assert plain_options(read_request(request(""))) == {}
    assert isinstance(LocalChatModel(), TunableModel)
    assert not isinstance(ScriptedChatModel(), TunableModel)


@pytest.mark.asyncio(loop_scope="module")
async def test_whoever_leaves_a_model_at_work_pays_for_the_prompt(door: Door) -> None:
    async def settled() -> Any:
        async with door.services.database.reading(EVERYBODY) as db:
            newest = select(usage_records).order_by(usage_records.c.id.desc()).limit(1)
            row = (await db.execute(newest)).first()
        return row if row is not None and row.state == "settled" else None

    body = {"model": "two/scripted", "messages": [{"role": "user", "content": "word " * 1000 + "[[fault silent]]"}]}
    async with httpx.AsyncClient(base_url=door.url, headers={"Authorization": f"Bearer {door.key}"}) as http:
        asking = asyncio.create_task(http.post("/v1/chat/completions", json=body, timeout=60))
        await eventually(lambda: len(door.two.requests) == 1)
        asking.cancel()
    async with asyncio.timeout(30):
        while (record := await settled()) is None:  # noqa: ASYNC110 - told by SQL
            await asyncio.sleep(0.005)
    assert record.prompt_tokens > 1000
    assert record.completion_tokens == 0


async def test_whoever_leaves_while_their_place_is_written_down_does_not_keep_it(
    database: Database, alice: OwnerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(database, Quotas(), alice, Payer(), Claim("0" * 32, "m", 1, 1, "completions"))
    write = database.write

    async def and_then_leave(owner: OwnerId, unit: Any) -> None:
        """It is committed, and nobody hears of it, since whoever waited for it has been cancelled."""
        await write(owner, unit)
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(database, "write", and_then_leave)
        with pytest.raises(asyncio.CancelledError):
            await account.reserve()
    assert await account.settle(Tally())
    async with database.reading(alice) as db:
        assert (await db.execute(select(usage_records.c.state))).scalars().all() == ["settled"]
