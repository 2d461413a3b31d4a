"""GET /livez, /readyz, /version: for the people and programs that run the server."""

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

Check = Callable[[], Awaitable[str | None]]
"""Asked by /readyz: None when all is well, else a word on what is not (shown to anybody: no address, no secret)."""


class Readiness(BaseModel):
    """`ok`, or what each part says."""

    status: str
    checks: dict[str, str]


class Version(BaseModel):
    """What runs here."""

    name: str
    version: str


router = APIRouter(tags=["operations"])


async def _checks(request: Request) -> Mapping[str, Check]:
    checks: Mapping[str, Check] = request.app.state.readiness_checks
    return checks


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers. Depends on nothing else."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(response: Response, checks: Annotated[Mapping[str, Check], Depends(_checks)]) -> Readiness:
    """Whether to send traffic here: 503 while starting, draining, or without something it needs."""
    answers = {name: await check() or "ok" for name, check in checks.items()}
    ready = all(answer == "ok" for answer in answers.values())
    response.status_code = 200 if ready else 503
    return Readiness(status="ok" if ready else "unavailable", checks=answers)


@router.get("/version")
async def get_version() -> Version:
    """Name and version of the server."""
    return Version(name="chatkeep", version=version("chatkeep"))
