"""What of a text goes into the word search."""

# A passage is some hundred words; a question of more than this is no question, and costs as much as it is long.
_MOST_CHARACTERS_ASKED = 8_192


def encodable(text: str) -> str:
    """JSON can bring half a surrogate pair, which has no bytes in UTF-8."""
    return text.encode("utf-8", "replace").decode()


def asked(text: str) -> str:
    """The beginning of a question, as far as anybody reads."""
    return encodable(text[:_MOST_CHARACTERS_ASKED])
