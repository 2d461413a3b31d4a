"""External sign-in with OpenID Connect: `Provider` names one, `AuthSettings(providers=...)` signs people in with it.

Needs the extra `oidc` as soon as there is a provider. The pages of the protocol that are followed here are OpenID
Connect Core 1.0 and Discovery 1.0, with RFC 7636 (PKCE), RFC 9207 (issuer in the callback) and RFC 9700 (what the
attacks on all this taught).
"""

from authkeep.oidc.providers import Provider

__all__ = ["Provider"]
