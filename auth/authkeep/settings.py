"""What an operator may decide. No secret has a default; the one that is in here, a provider's, stays out of `repr`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from authkeep.client_address import TrustedProxies
from authkeep.mail_texts import MailTexts
from authkeep.oidc.providers import Provider, are_distinct
from authkeep.oidc.return_paths import find_local_path
from authkeep.throttle import Limit

# RFC 6749, section 3.3, without what a list in a header or a URL would break on.
_SCOPE = re.compile(r"[a-z][a-z0-9._:-]{0,63}", re.ASCII)
_API_KEY_PREFIX = re.compile(r"[a-z][a-z0-9]{1,9}_", re.ASCII)

_CLOCK_MARGIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Settings of one `Auth`.

    Attributes:
        issuer, audience: the `iss` and `aud` of access tokens: a token of another deployment does not fit.
        product_names: names of the host, which nobody may have as a password.
        public_url: where people reach the host, such as https://chat.example. Passkeys belong to its host name; without
            it they work on http://localhost alone.
        registration_open: whether anybody may register. The first user of an empty install always may.
        access_lifetime: of an access token; up to 5 % less, so that many do not expire in one instant.
        key_rotation: the signing key is replaced when it is this old, if it lies in a file; None for never.
        accept_eddsa: whether tokens may call the algorithm of an Ed25519 key `EdDSA`, as older libraries do.
        refresh_idle_lifetime: a login not used for this long ends.
        refresh_lifetime: a login ends after this long, however much it is used.
        refresh_grace, refresh_grace_uses: how long and how often a token that was just rotated still yields its
            successor, for tabs that refresh at the same time. More uses within that time are refused with 429;
            any use after it ends the login.
        revocation_reread: how often the whole set of revocations is read again.
        revocation_lease: how old the view may become before the store is asked for every request.
        secure_cookies: cookies are Secure and `__Host-` even if the request seems to come by plain HTTP.
        trusted_origins: other origins, such as https://app.example, that may use the cookie transport.
        trusted_proxies: whose X-Forwarded-For counts.
        providers: whom people can sign in with besides; needs the extra `oidc`.
        sign_in_page: the path where the host asks people to sign in; a sign-in with a provider that fails ends there,
            with `?error=` and a code.
        hashing_threads, hashing_queue: how many passwords are hashed at once, and how many may wait.
        scopes: what an API key can be limited to, each with a line for whoever makes one; without any there are none.
        api_key_prefix: how keys begin, by which people and scanners know whose they are: `acme_`.
        max_api_keys: how many a user may have.
        device_lifetime: how long a browser on which somebody signed in is known again.
        limit_login, limit_register, limit_oidc: per client address. limit_refresh: per login; of those whose token is
            none of ours, per client address. limit_password, limit_profile, limit_api_keys (keys made): per user.
        limit_failed_authentication: access tokens and API keys that were never ours, per client address.
        limit_login_account: failures at one account by strangers, wherever they come from. limit_login_device:
            attempts on one device that is known.
        limit_second_factor: guesses at the codes of one user, wherever they come from.
        verify_email: nobody signs in before their address is confirmed, and registering tells nobody who is here.
        link_base: what the links in mails begin with, where it is not `public_url`. Without either, none can be sent.
        mail_texts: the words of the mails, where a host wants its own.
        limit_mail: requests for mail, per client address. limit_mailbox: messages that these send to one mailbox.

    Raises:
        ValueError: a value cannot work; the message names the setting.
    """

    issuer: str
    audience: str
    product_names: tuple[str, ...] = ()
    public_url: str | None = None
    registration_open: bool = True
    access_lifetime: timedelta = timedelta(minutes=5)
    key_rotation: timedelta | None = timedelta(days=90)
    accept_eddsa: bool = False
    refresh_idle_lifetime: timedelta = timedelta(days=14)
    refresh_lifetime: timedelta = timedelta(days=90)
    refresh_grace: timedelta = timedelta(seconds=10)
    refresh_grace_uses: int = 30
    revocation_reread: timedelta = timedelta(seconds=5)
    revocation_lease: timedelta = timedelta(seconds=15)
    device_lifetime: timedelta = timedelta(days=180)
    secure_cookies: bool = False
    trusted_origins: frozenset[str] = frozenset()
    trusted_proxies: TrustedProxies = field(default_factory=TrustedProxies)
    providers: tuple[Provider, ...] = ()
    sign_in_page: str = "/sign-in"
    hashing_threads: int = 1
    hashing_queue: int = 64
    scopes: Mapping[str, str] = field(default_factory=dict)
    api_key_prefix: str = "ck_"
    max_api_keys: int = 50
    verify_email: bool = False
    link_base: str = ""
    mail_texts: type[MailTexts] = MailTexts
    limit_login: Limit = field(default=Limit.parse("30/minute"))
    limit_failed_authentication: Limit = field(default=Limit.parse("300/minute"))
    limit_login_account: Limit = field(default=Limit.parse("10/15 minutes"))
    limit_login_device: Limit = field(default=Limit.parse("20/15 minutes"))
    limit_register: Limit = field(default=Limit.parse("10/minute"))
    limit_refresh: Limit = field(default=Limit.parse("120/minute"))
    limit_oidc: Limit = field(default=Limit.parse("60/minute"))
    limit_password: Limit = field(default=Limit.parse("10/minute"))
    limit_profile: Limit = field(default=Limit.parse("30/minute"))
    limit_api_keys: Limit = field(default=Limit.parse("30/hour"))
    limit_second_factor: Limit = field(default=Limit.parse("20/hour"))
    limit_mail: Limit = field(default=Limit.parse("30/hour"))
    limit_mailbox: Limit = field(default=Limit.parse("5/hour"))

    def __post_init__(self) -> None:
        problems = [
            ("issuer", bool(self.issuer.strip()), "must not be empty"),
            ("audience", bool(self.audience.strip()), "must not be empty"),
            ("access_lifetime", timedelta(seconds=10) <= self.access_lifetime <= timedelta(hours=1), "is 10 s to 1 h"),
            ("key_rotation", self.key_rotation is None or self.key_rotation >= timedelta(days=1), "is 1 day or more"),
            ("refresh_idle_lifetime", self.refresh_idle_lifetime > self.access_lifetime, "exceeds access_lifetime"),
            ("refresh_lifetime", self.refresh_lifetime >= self.refresh_idle_lifetime, "is at least the idle one"),
            ("refresh_grace", timedelta(0) <= self.refresh_grace <= timedelta(seconds=10), "is at most 10 s"),
            ("refresh_grace_uses", 0 <= self.refresh_grace_uses <= 100, "is 0 to 100"),
            ("revocation_reread", timedelta(0) < self.revocation_reread < self.revocation_lease, "is under the lease"),
            ("device_lifetime", timedelta(days=1) <= self.device_lifetime <= timedelta(days=400), "is 1 to 400 days"),
            ("providers", are_distinct(self.providers), "each have an id and an issuer of their own"),
            ("sign_in_page", find_local_path(self.sign_in_page) is not None, "is a path such as /sign-in"),
            ("hashing_threads", self.hashing_threads in (1, 2), "is 1 or 2: more would starve everything else"),
            ("hashing_queue", 1 <= self.hashing_queue <= 1000, "is 1 to 1000"),
            ("api_key_prefix", bool(_API_KEY_PREFIX.fullmatch(self.api_key_prefix)), "is like acme_"),
            ("api_key_prefix", not self.api_key_prefix.startswith("ak"), "must not look like other tokens' (ak...)"),
            ("scopes", all(map(_SCOPE.fullmatch, self.scopes)), "are lower-case names"),
            ("max_api_keys", 1 <= self.max_api_keys <= 1000, "is 1 to 1000"),
        ]
        for name, holds, rule in problems:
            if not holds:
                raise ValueError(f"{name} {rule}, but it is {getattr(self, name)!r}")
        if self.public_url is not None and not self.public_url.startswith(("https://", "http://")):
            raise ValueError(f"public_url: {self.public_url!r} is not an address such as https://chat.example")
        if self.link_base and (not self.link_base.startswith(("https://", "http://")) or self.link_base.endswith("/")):
            raise ValueError(f"link_base is http(s)://, and ends without a slash, but it is {self.link_base!r}")
        for origin in self.trusted_origins:
            if not origin.startswith(("https://", "http://")) or origin.count("/") != 2:
                raise ValueError(f"trusted_origins: {origin!r} is not an origin such as https://app.example")

    @property
    def revocation_lifetime(self) -> timedelta:
        """How long a revocation is remembered: longer than any token lives, on clocks that differ by a minute."""
        return self.access_lifetime + _CLOCK_MARGIN

    @property
    def limits(self) -> Mapping[str, Limit]:
        return {
            "login": self.limit_login,
            "failed_authentication": self.limit_failed_authentication,
            "login_account": self.limit_login_account,
            "login_device": self.limit_login_device,
            "register": self.limit_register,
            "refresh": self.limit_refresh,
            "oidc": self.limit_oidc,
            "password": self.limit_password,
            "profile": self.limit_profile,
            "api_keys": self.limit_api_keys,
            "second_factor": self.limit_second_factor,
            "mail": self.limit_mail,
            "mailbox": self.limit_mailbox,
        }
