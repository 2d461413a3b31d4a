"""What a policy lets happen, and what did."""

from enum import StrEnum

from authkeep.http.policies import HasRole, OwnerOf, Policy, Public, RecentSignIn, SignedIn
from authkeep.matrix.asgi import Answer
from authkeep.matrix.callers import Caller
from authkeep.matrix.operations import Operation


class Verdict(StrEnum):
    """How a call ends, as far as authorisation goes."""

    UNAUTHENTICATED = "401"
    FORBIDDEN = "403"
    NOT_THERE = "404"
    PASSES = "passes"
    FAILS = "500"


_REFUSALS = {
    "not_signed_in": Verdict.UNAUTHENTICATED,
    "invalid_token": Verdict.UNAUTHENTICATED,
    "recent_sign_in_required": Verdict.UNAUTHENTICATED,
    "insufficient_role": Verdict.FORBIDDEN,
    "insufficient_scope": Verdict.FORBIDDEN,
}
_STATUS = {401: Verdict.UNAUTHENTICATED, 403: Verdict.FORBIDDEN, 404: Verdict.NOT_THERE, 500: Verdict.FAILS}


def verdict_of(answer: Answer) -> Verdict:
    """A 401 or 403 with another code, of a wrong password for instance, is not a policy's."""
    if answer.code is not None and answer.status in (401, 403):
        return _REFUSALS.get(answer.code, Verdict.PASSES)
    return _STATUS.get(answer.status, Verdict.PASSES)


def expected(caller: Caller, operation: Operation) -> frozenset[Verdict]:
    """What may happen: more than one where several policies refuse, since any of them may be asked first."""
    policies = operation.policies
    if all(isinstance(policy, Public) for policy in policies):
        return frozenset({Verdict.PASSES, Verdict.NOT_THERE})
    if caller.is_nobody:
        return frozenset({Verdict.UNAUTHENTICATED})
    refusals = frozenset(refusal for policy in policies if (refusal := _refusal(caller, policy)) is not None)
    if refusals:
        return refusals
    if any(isinstance(policy, OwnerOf) for policy in policies):
        return frozenset({Verdict.PASSES if caller is Caller.OWNER else Verdict.NOT_THERE})
    if all(isinstance(policy, SignedIn) for policy in policies):
        return frozenset({Verdict.PASSES, Verdict.NOT_THERE})
    # A policy of the host's own: it alone knows whom of those who are signed in it refuses.
    return frozenset({Verdict.PASSES, Verdict.NOT_THERE, Verdict.FORBIDDEN})


def _refusal(caller: Caller, policy: Policy) -> Verdict | None:
    if not isinstance(policy, SignedIn):
        return None
    if caller is Caller.KEY_WITHOUT_SCOPE or (caller.is_key and policy.scope is None):
        return Verdict.FORBIDDEN
    if isinstance(policy, HasRole) and policy.role is not caller.role:
        return Verdict.FORBIDDEN
    if isinstance(policy, RecentSignIn) and caller.is_stale:
        return Verdict.UNAUTHENTICATED
    return None
