"""What the sign-in and the registration form share: how they are shown, refused and answered."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from chatkeep_ui import cookies
from chatkeep_ui.api_requests import Caller
from chatkeep_ui.auth_client import AuthClient, Granted
from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.login_end import LoginEnd
from chatkeep_ui.problem import ApiError, ApiRefused, InvalidFields, SignInEnded, TooMany
from chatkeep_ui.renewal import Renewal
from chatkeep_ui.same_origin import Origins
from chatkeep_ui.vault import Vault

log = logging.getLogger(__name__)

FROM_ELSEWHERE = "The form was sent from another site, so nothing was done. Fill it in here."
# The longest password the API takes is 1,024 characters; nothing else on the forms comes near it.
_MAX_FORM_BYTES = 16_384
_MAX_FIELDS = 20
# Refusals that concern one field without being about its form.
_FIELD_OF_CODE = {"email_taken": "email", "invalid_setup_code": "setup_code"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form comes back: messages per field, or one for the whole form."""

    error: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    status: int = HTTPStatus.UNPROCESSABLE_ENTITY
    retry_after: int | None = None

    @classmethod
    def of(cls, error: ApiError, shown_fields: tuple[str, ...]) -> "Refusal":
        """Say what the API said, beside the field where the form shows that field."""
        match error:
            case InvalidFields(fields=fields) if fields and set(fields) <= set(shown_fields):
                return cls(errors=fields)
            case TooMany(retry_after=seconds):
                return cls(str(error), status=error.status, retry_after=seconds)
            case SignInEnded():
                return cls("That e-mail and password do not match.", status=HTTPStatus.UNAUTHORIZED)
            case ApiRefused(code=code) if _FIELD_OF_CODE.get(code) in shown_fields:
                return cls(errors={_FIELD_OF_CODE[code]: str(error)}, status=error.status)
            case ApiRefused(status=status):
                return cls(str(error), status=status)
            case _:
                return cls(str(error), status=HTTPStatus.SERVICE_UNAVAILABLE)


def moment(at: str) -> Markup:
    """A time of the API's (RFC 3339), which static/forms.js then shows in the reader's own zone."""
    return Markup('<time datetime="{}">{} {} UTC</time>').format(at, at[:10], at[11:16])


def chat_in(text: object) -> str:
    """A chat's id to come back to after the sign-in; empty where there is none."""
    return find_chat_id(text) or ""


class Forms:
    """The two forms' common ground: templates, and the way in."""

    def __init__(self, auth: AuthClient, renewal: Renewal, vault: Vault, login_end: LoginEnd, origins: Origins) -> None:
        self.auth = auth
        self.origins = origins
        self._login_end = login_end
        self._renewal = renewal
        self._vault = vault
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["moment"] = moment

    def caller(self, request: Request) -> Caller:
        """The browser, as the API gets to know it."""
        return Caller.of(request, secure=self.origins.is_https(request))

    def show(self, template: str, refusal: Refusal | None = None, **values: object) -> Response:
        """Render a form, with the refusal's status if there is one."""
        shown = refusal or Refusal(status=HTTPStatus.OK)
        html = self._templates.get_template(template).render(error=shown.error, errors=shown.errors, **values)
        headers = {"Cache-Control": "no-store"}
        if shown.retry_after is not None:
            headers["Retry-After"] = str(shown.retry_after)
        return HTMLResponse(html, shown.status, headers)

    def check_mail(self, request: Request, email: str, what: str) -> Response:
        """A message may be on its way to `email`; the page is the same whoever has an account."""
        on_this_machine = self.origins.on_this_machine(request)
        return self.show("check_mail.html", email=email, what=what, on_this_machine=on_this_machine)

    async def read(self, request: Request) -> dict[str, str]:
        """The form's fields.

        Raises:
            HTTPException: 413, longer than any honest form; 400, no form.
        """
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_FORM_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
        except ValueError:
            raise HTTPException(HTTPStatus.BAD_REQUEST) from None

    async def let_in(self, request: Request, granted: Granted, to: str) -> Response:
        """On to `to`, an address of ours. A login and a page cookie from before the sign-in are never kept."""
        try:
            await self.end_login(request)
        except ApiError as error:
            log.warning("the login before this one could not be ended at the API: %s", type(error).__name__)
        key = self._vault.open(self._renewal.sign_in(granted, self.caller(request)))
        response = RedirectResponse(to, status_code=303)
        cookies.relay(response, granted.set_cookies)
        cookies.set_page_cookie(response, key, secure=self.origins.is_https(request))
        return response

    async def end_login(self, request: Request) -> None:
        """End what this browser is signed in to.

        Raises:
            TooMany, ApiRefused, Unreachable: the API could not be told; here it has ended.
        """
        await self._login_end.end(request, secure=self.origins.is_https(request))

    def may_be_signed_in(self, request: Request) -> bool:
        """Whether the chats may open without a form. Who has just been sent here by them is not sent back."""
        token = cookies.refresh_token(request, secure=self.origins.is_https(request))
        return token is not None and "because" not in request.query_params
