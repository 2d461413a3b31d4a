"""Users, for administrators: look through them, change a role, disable, delete, end logins."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, StrictBool

from authkeep.http.dependencies import ClientDevice, CurrentAuth, CurrentPrincipal
from authkeep.http.policies import recent_sign_in, require_role
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.principal import Role
from authkeep.store import UserEntry

READ = Depends(require_role(Role.ADMIN, scope="admin"))
# People alone, and those not with a browser that somebody left open this morning.
_WRITE = [Depends(require_role(Role.ADMIN)), Depends(recent_sign_in(timedelta(minutes=15)))]

router = APIRouter(prefix="/users", route_class=ProblemRoute, tags=["admin"], max_body_size=MAX_BODY)


class UserUpdate(BaseModel):
    """What an administrator may change about somebody; what is left out stays."""

    role: Role | None = None
    disabled: StrictBool | None = None


class ListedUserOut(BaseModel):
    """A user, as administrators see them.

    Attributes:
        logins: on how many devices they are signed in.
    """

    id: str
    email: str
    name: str | None
    role: str
    disabled: bool
    email_verified: bool
    mfa_enabled: bool
    has_password: bool
    logins: int
    created_at: datetime
    last_sign_in_at: datetime | None

    @classmethod
    def of(cls, entry: UserEntry) -> Self:
        user = entry.user
        return cls(
            id=user.id,
            email=user.email,
            name=user.name or None,
            role=user.role.value,
            disabled=user.disabled,
            email_verified=user.email_verified_at is not None,
            mfa_enabled=entry.has_second_factor,
            has_password=user.password_hash is not None,
            logins=entry.logins,
            created_at=user.created_at,
            last_sign_in_at=user.last_sign_in_at,
        )


class UsersPage(BaseModel):
    """A page of users, newest first."""

    items: list[ListedUserOut]
    next_cursor: str | None


@router.get("", dependencies=[READ])
async def list_users(
    auth: CurrentAuth,
    q: Annotated[str, Query(max_length=254)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: str | None = None,
) -> UsersPage:
    """Everybody, or those with `q` in their e-mail address or name."""
    found = await auth.administration.list_users(q, limit=limit + 1, before=cursor)
    items = [ListedUserOut.of(entry) for entry in found[:limit]]
    return UsersPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)


@router.get("/{user_id}", dependencies=[READ])
async def get_user(auth: CurrentAuth, user_id: str) -> ListedUserOut:
    """One of them."""
    return ListedUserOut.of(await auth.administration.get_user(user_id))


@router.patch("/{user_id}", dependencies=_WRITE)
async def change_user(
    auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, user_id: str, update: UserUpdate
) -> ListedUserOut:
    """Change the role, disable or enable. Logins and tokens of before are refused from now on."""
    changed = await auth.administration.change_user(
        principal, user_id, role=update.role, disabled=update.disabled, device=device
    )
    return ListedUserOut.of(changed)


@router.delete("/{user_id}", status_code=204, dependencies=_WRITE)
async def delete_user(auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, user_id: str) -> None:
    """Delete the account with all that hangs on it; the audit trail stays."""
    await auth.administration.delete_user(principal, user_id, device)


@router.post("/{user_id}/revoke", status_code=204, dependencies=_WRITE)
async def end_logins(auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, user_id: str) -> None:
    """Sign the user out everywhere."""
    await auth.administration.end_logins(principal, user_id, device)


@router.post("/{user_id}/reset-factors", status_code=204, dependencies=_WRITE)
async def reset_factors(auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, user_id: str) -> None:
    """Remove every second factor of somebody who has lost them; every login ends, the password stays."""
    await auth.administration.reset_factors(principal, user_id, device)
