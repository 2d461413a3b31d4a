"""The state machine of authkeep's own tests, on two real worker processes that share PostgreSQL.

While it runs, their listening connections are killed again and again.
"""

import secrets
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth.tests.test_lifecycle import World, explore
from testbed.postgres import PostgresServer
from tests.journeys.test_revocation_across_processes import KILL_LISTENERS, workers

pytestmark = pytest.mark.slow


def test_no_order_of_events_breaks_a_promise_while_listeners_are_killed(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url = postgres.url(postgres.create_database())
    with workers(url, tmp_path) as both:

        async def open_world(stack: AsyncExitStack) -> World:
            clients = [httpx.AsyncClient(base_url=worker.url, timeout=30, trust_env=False) for worker in both]
            for client in clients:
                await stack.enter_async_context(client)

            async def administrator() -> dict[str, str]:
                params = {"email": "admin@example.org", "role": "admin"}
                login: dict[str, Any] = (await clients[0].post("/people", params=params)).raise_for_status().json()
                return {"Authorization": f"Bearer {login['access_token']}"}

            async def kill_listeners() -> None:
                postgres.execute(KILL_LISTENERS)

            # The database stays from one example to the next, and nobody registers twice.
            domain = f"{secrets.token_hex(4)}.example"
            return World(clients, administrator, mishap=kill_listeners, domain=domain)

        explore(open_world, examples=3, steps=25)
