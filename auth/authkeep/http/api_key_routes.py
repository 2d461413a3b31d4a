"""API keys: make one, see one's keys, revoke one. None of this can be done with an API key."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field

from authkeep.api_keys import NewApiKey as MadeApiKey
from authkeep.http.dependencies import ClientDevice, CurrentAuth, CurrentPrincipal, throttled
from authkeep.http.policies import owner_of, recent_sign_in
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.http.schemas import Text
from authkeep.store import ApiKey

router = APIRouter(prefix="/api-keys", route_class=ProblemRoute, tags=["auth"], max_body_size=MAX_BODY)


class NewApiKey(BaseModel):
    """What a key is to be good for."""

    name: Text
    scopes: list[Text] = Field(max_length=100)
    expires_at: AwareDatetime | None = None


def _shown(key: ApiKey) -> dict[str, Any]:
    return {name: getattr(key, name) for name in ApiKeyOut.model_fields}


class ApiKeyOut(BaseModel):
    """A key, as its user sees it."""

    id: str
    name: str
    hint: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(**_shown(key))


class CreatedApiKeyOut(ApiKeyOut):
    """The one time that the key itself is shown."""

    key: str = Field(repr=False)

    @classmethod
    def made(cls, new: MadeApiKey) -> Self:
        return cls(key=new.text, **_shown(new.key))


class ApiKeysPage(BaseModel):
    """A page of keys, newest first."""

    items: list[ApiKeyOut]
    next_cursor: str | None


class ScopeOut(BaseModel):
    """What a key can be limited to."""

    name: str
    description: str


class ScopesOut(BaseModel):
    """All of them."""

    items: list[ScopeOut]


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(recent_sign_in(timedelta(minutes=15))), Depends(throttled("api_keys"))],
)
async def create(
    auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, new: NewApiKey
) -> CreatedApiKeyOut:
    """Make a key. It is shown this once: only its hash is kept."""
    made = await auth.api_keys.create(principal, new.name, new.scopes, new.expires_at, device)
    return CreatedApiKeyOut.made(made)


@router.get("")
async def list_mine(
    auth: CurrentAuth,
    principal: CurrentPrincipal,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: str | None = None,
) -> ApiKeysPage:
    """The caller's keys, newest first."""
    found = await auth.api_keys.list_keys(principal, limit=limit + 1, before=cursor)
    items = [ApiKeyOut.of(key) for key in found[:limit]]
    return ApiKeysPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)


@router.get("/scopes")
async def scopes(auth: CurrentAuth, _: CurrentPrincipal) -> ScopesOut:
    """What a key can be limited to here."""
    known = auth.settings.scopes
    return ScopesOut(items=[ScopeOut(name=name, description=description) for name, description in known.items()])


@router.delete("/{key_id}", status_code=204, dependencies=[Depends(owner_of("key_id"))])
async def revoke(auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, key_id: str) -> None:
    """Remove a key. It is refused from the next request on, everywhere."""
    await auth.api_keys.revoke(principal, key_id, device)
