"""/account/keys: keys for programs. A key is shown once, when it is made."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from chatkeep_ui.account.area import AccountPage, Shown
from chatkeep_ui.account.devices import one_segment
from chatkeep_ui.account.visit import Visit

# Days; the form offers these, and "never".
LIFETIMES = (30, 90, 365)


async def _load(visit: Visit) -> Mapping[str, object]:
    page = await visit.ask("GET", "/auth/api-keys", params={"limit": "100"})
    scopes = await visit.ask("GET", "/auth/api-keys/scopes")
    return {"keys": page["items"], "scopes": scopes["items"], "lifetimes": LIFETIMES}


async def _create(visit: Visit) -> Shown:
    form = await visit.ask("GET", "/auth/api-keys/scopes")
    scopes = [scope["name"] for scope in form["items"] if f"scope-{scope['name']}" in visit.typed]
    wanted: dict[str, object] = {"name": visit.typed.get("key_name", "").strip(), "scopes": scopes}
    days = visit.typed.get("days", "")
    if days in map(str, LIFETIMES):
        wanted["expires_at"] = (datetime.now(UTC) + timedelta(days=int(days))).isoformat()
    made = await visit.ask("POST", "/auth/api-keys", wanted)
    return Shown({"key": made["key"], "name": made["name"]})


async def _revoke(visit: Visit) -> str:
    await visit.ask("DELETE", f"/auth/api-keys/{one_segment(visit.typed.get('id', ''))}")
    return "key-revoked"


API_KEYS = AccountPage(
    "/account/keys",
    "account/api_keys.html",
    _load,
    {"create": _create, "revoke": _revoke},
    confirm=True,
)
