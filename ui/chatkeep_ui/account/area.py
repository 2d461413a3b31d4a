"""What all pages of the account and of the library share: who may see them, how they are shown, changed and refused.

A page is data: what it loads, and an action for each value of its forms' `do` button. After an action the browser is
sent back to the page (so that a reload repeats nothing), except where something is shown once.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chatkeep_ui import cookies
from chatkeep_ui.account.file_through import brings_file
from chatkeep_ui.account.notices import FAILURES, NOTICES
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.api_requests import ApiRequests
from chatkeep_ui.destination import own_page_in
from chatkeep_ui.elsewhere import why_it_failed
from chatkeep_ui.forms import FROM_ELSEWHERE, Forms, Refusal
from chatkeep_ui.problem import ApiError, NotAllowed, NotThere, SignInEnded
from chatkeep_ui.renewal import Renewal
from chatkeep_ui.security_headers import CONNECTING_POLICY
from chatkeep_ui.vault import Vault

# Less than the ten minutes that the API allows: who is let in to a form still has the time to fill it in.
CONFIRMED_FOR_SECONDS = 420.0


@dataclass(frozen=True, slots=True)
class Shown:
    """The page again, with something on it that is shown this once; `alone`, without what the page loads."""

    values: Mapping[str, object]
    alone: bool = False


class Sparse(dict[str, object]):
    """What a template may ask for without knowing whether it is there; everything else it asks for must be."""

    def __missing__(self, name: str) -> str:
        return ""


Load = Callable[[Visit], Awaitable[Mapping[str, object]]]
Action = Callable[[Visit], Awaitable[str | Shown | Response]]


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Attributes:
    load: what the template shows.
    actions: by the value of the `do` button; each returns the name of a notice, or what is shown instead.
    fields: beside which the template shows what is wrong with them.
    confirm: ask who it is first, unless they have said so a moment ago.
    after: where to go when an action is done; the page itself where empty.
    file_for: the action that takes a form with a file. Its body is not read here, but by the action.
    connects: its script asks for the page again, or sends files; at our own address, and at no other.
    """

    path: str
    template: str
    load: Load
    actions: Mapping[str, Action] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    confirm: bool = False
    after: str = ""
    file_for: str = ""
    connects: bool = False


class AccountArea:
    """Answers for every `AccountPage`."""

    def __init__(self, forms: Forms, renewal: Renewal, vault: Vault, requests: ApiRequests) -> None:
        self._forms = forms
        self._renewal = renewal
        self._vault = vault
        self._requests = requests

    def routes(self, pages: Sequence[AccountPage]) -> list[Route]:
        """One route a page, for looking and for changing."""
        return [Route(page.path, self.endpoint(page), methods=["GET", "POST"]) for page in pages]

    def endpoint(self, page: AccountPage) -> Callable[[Request], Awaitable[Response]]:
        """What answers for `page`."""

        async def answer(request: Request) -> Response:
            return await self.respond(request, lambda visit: self._answer(page, visit), page.file_for)

        return answer

    async def respond(
        self, request: Request, answer: Callable[[Visit], Awaitable[Response]], file_for: str = ""
    ) -> Response:
        """What `answer` says to somebody who is signed in; the way to sign in for anybody else."""
        typed = await self._typed(request, file_for) if request.method == "POST" else {}
        try:
            visit = await self._visit(request, typed)
            response = await answer(visit)
        except SignInEnded:
            return to_sign_in(request)
        except (NotAllowed, NotThere) as error:
            # To try again would not help.
            return self._forms.show("refused.html", Refusal.of(error, ()))
        except ApiError as error:
            return self._forms.show("trouble.html", Refusal.of(error, ()), chat="")
        visit.renewed.apply(response)
        return response

    async def _typed(self, request: Request, file_for: str) -> Mapping[str, str]:
        if file_for and brings_file(request.headers):
            return {"do": file_for}
        return await self._forms.read(request)

    async def _visit(self, request: Request, typed: Mapping[str, str]) -> Visit:
        secure = self._forms.origins.is_https(request)
        renewed = await self._renewal.renew(request, secure=secure)
        key = renewed.new_page_key or cookies.page_key(request, secure=secure) or ""
        sign_in = self._vault.find(key)
        if sign_in is None:
            raise SignInEnded(HTTPStatus.UNAUTHORIZED, "token_expired", "Your sign-in has to be renewed.")
        caller, local = self._forms.caller(request), self._forms.origins.on_this_machine(request)
        return Visit(request, caller, self._requests, key, sign_in, renewed, typed, on_this_machine=local)

    async def _answer(self, page: AccountPage, visit: Visit) -> Response:
        refusal: Refusal | None = None
        shown = Shown({})
        if page.confirm and time.time() - visit.authenticated_at > CONFIRMED_FOR_SECONDS:
            return to_confirmation(visit)
        if visit.request.method == "POST":
            try:
                done = await self._act(page, visit)
            except SignInEnded as error:
                return await self._not_accepted(error, visit)
            except ApiError as error:
                refusal = Refusal.of(error, page.fields)
            else:
                if isinstance(done, Response):
                    return done
                shown = done
        return await self._show(page, visit, refusal, shown)

    async def _act(self, page: AccountPage, visit: Visit) -> Shown | Response:
        if not self._forms.origins.allow_form(visit.request):
            return self._forms.show("trouble.html", Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN), chat="")
        action = page.actions.get(visit.typed.get("do", ""))
        if action is None:
            return Shown({})
        done = await action(visit)
        if isinstance(done, str):
            path = page.after or here(visit.request)
            return RedirectResponse(f"{path}?done={done}", HTTPStatus.SEE_OTHER)
        return done

    async def _show(self, page: AccountPage, visit: Visit, refusal: Refusal | None, shown: Shown) -> Response:
        try:
            me = await visit.ask("GET", "/auth/me")
            values = {} if shown.alone else await page.load(visit)
        except SignInEnded as error:
            return await self._not_accepted(error, visit)
        except (NotAllowed, NotThere) as error:
            # To try again would not help.
            return self._forms.show("refused.html", Refusal.of(error, ()))
        except ApiError as error:
            return self._forms.show("trouble.html", Refusal.of(error, ()), chat="")
        failed = visit.request.query_params.get("error")
        if failed and visit.request.method == "GET":
            # Led back by the server, or from a provider where an account was to be connected.
            refusal = Refusal(FAILURES.get(failed) or why_it_failed(failed), status=HTTPStatus.OK)
        done = "" if refusal or shown.values else visit.request.query_params.get("done", "")
        notice = NOTICES.get(done, "")
        frame = {"me": me, "here": here(visit.request), "notice": notice}
        frame |= {"typed": Sparse(visit.typed), "once": Sparse(shown.values)}
        response = self._forms.show(page.template, refusal, **frame, **values)
        if page.connects:
            response.headers["Content-Security-Policy"] = CONNECTING_POLICY
        return response

    async def _not_accepted(self, error: SignInEnded, visit: Visit) -> Response:
        if error.code == "recent_sign_in_required":
            return to_confirmation(visit)
        # The token was good a moment ago: the login has been ended elsewhere, and the next page asks to sign in.
        self._vault.expire(visit.key, visit.sign_in.access_token)
        return to_sign_in(visit.request)


def here(request: Request) -> str:
    """The page's own path, if it is one that a sign-in may lead to."""
    return own_page_in(request.url.path) or "/account"


def to_sign_in(request: Request) -> Response:
    """Sign in, and come back. Somebody who had cookies was signed in once, and would wonder."""
    because = "because=ended&" if cookies.any_of_ours(request) else ""
    return RedirectResponse(f"/sign-in?{because}then={quote(here(request))}", HTTPStatus.SEE_OTHER)


def to_confirmation(visit: Visit) -> Response:
    """Ask who it is, and come back."""
    return RedirectResponse(f"/account/confirm?then={quote(here(visit.request))}", HTTPStatus.SEE_OTHER)
