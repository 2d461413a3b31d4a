"""The stand-in's accounting: what the levers `limits` and `days` of the stand-in say."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from ui.tests.api_stand_in import ApiStandIn


_COUNTED = ("requests", "prompt_tokens", "completion_tokens", "cost")


def usage_routes(api: "ApiStandIn") -> list[Route]:
    def route(path: str, answer: Callable[[Request], Any], *, admin: bool = False) -> Route:
        async def respond(request: Request) -> Response:
            user = api.find_user(request)
            if user is None:
                return api.not_signed_in()
            refusal = api.refusals.get(f"GET {path}")
            if refusal is not None:
                return refusal
            if admin and user["role"] != "admin":
                return api.problem(403, "insufficient_role", "This needs the role admin.")
            return JSONResponse(answer(request))

        endpoint: Callable[[Request], Awaitable[Response]] = respond
        return Route(path, endpoint, methods=["GET"])

    def within(request: Request) -> list[dict[str, Any]]:
        query = request.query_params
        return [day for day in api.days if query["from"] <= day["day"] <= query["to"]]

    def by(request: Request) -> dict[str, Any]:
        name = {"user": "user_id"}.get(request.query_params["by"], request.query_params["by"])
        sums: dict[str, dict[str, Any]] = {}
        for day in within(request):
            known = sums.setdefault(day[name], {"key": day[name], **dict.fromkeys(_COUNTED, 0)})
            sums[day[name]] = known | {each: known[each] + day[each] for each in _COUNTED}
        return {"items": list(sums.values())[: int(request.query_params["limit"])], "total": {}}

    return [
        route("/usage", lambda _: {"limits": api.limits, "by_day": api.days}),
        route("/usage/days", lambda request: {"items": within(request)}),
        route("/admin/usage", by, admin=True),
    ]
