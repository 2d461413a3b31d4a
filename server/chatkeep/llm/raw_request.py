"""A request in OpenAI's format, forwarded as it came: what this server does not know, it does not change."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class RawRequest:
    """`members` of the JSON object, each still the bytes that came. `wants_usage`: the sender does, in the stream."""

    members: Mapping[str, msgspec.Raw]
    stream: bool = False
    wants_usage: bool = False

    def encode(self, model: str, *, include_usage: bool) -> bytes:
        """The body for an endpoint that knows the model as `model`; a stream tells its usage where that is wanted."""
        changed: dict[str, object] = {**self.members, "model": model}
        if self.stream and include_usage and not self.wants_usage:
            given = bytes(self.members.get("stream_options", b"null"))
            options = {} if given == b"null" else _decode_members(given)
            changed["stream_options"] = {**options, "include_usage": True}
        return msgspec.json.encode(changed)
