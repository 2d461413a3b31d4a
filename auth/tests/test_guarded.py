"""Policies and limits without FastAPI's dependencies, on its own routes."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from authkeep import Auth, Limit
from authkeep.http import PolicyFirst, guarded, identity_of, mount, refuse_undeclared, signed_in, throttled
from authkeep.testing import signed_in as sign_in


async def test_a_route_of_fastapis_own_is_guarded_and_counted_without_a_dependency(auth: Auth) -> None:
    app = FastAPI()
    app.router.route_class = PolicyFirst
    mount(app, auth)
    auth.throttle.limits["hot"] = Limit.parse("2/minute")

    @app.get("/hot/{n}")
    @guarded(signed_in, throttled("hot"))
    async def hot(request: Request, n: int, q: str = "") -> dict[str, object]:
        return {"n": n, "q": q, "user": identity_of(request.scope).require_principal().user_id}

    assert "/hot/{n}" in {route.path for route in refuse_undeclared(app)}
    assert app.openapi()["paths"]["/hot/{n}"]["get"]["x-authz"] == {"policy": "signed_in"}
    user = await sign_in(auth)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
        for path in ("/hot/7", "/hot/x"):
            assert (await http.get(path)).status_code == 401
        answers = [await http.get("/hot/7?q=x", headers=user.headers) for _ in range(3)]
    assert answers[0].json() == {"n": 7, "q": "x", "user": user.user.id}
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    states = [answer.headers.get_list("RateLimit") for answer in answers]
    assert [[state.partition(";t=")[0] for state in each] for each in states] == [[f'"hot";r={n}'] for n in (1, 0, 0)]


def test_an_endpoint_that_takes_no_request_cannot_be_guarded() -> None:
    async def endpoint() -> None:
        pass

    with pytest.raises(TypeError, match="first parameter"):
        guarded(signed_in)(endpoint)
