"""bcrypt, for the hashes that an older application left behind: verified as they were then, and never made anew."""

import bcrypt


class BcryptHashes:
    """Attributes:
    cost: of the most expensive hash to be expected, as the logarithm of its rounds.
    """

    def __init__(self) -> None:
        self.cost = 0

    def expect(self, password_hash: str) -> None:
        self.cost = max(self.cost, _cost_of(password_hash))

    def matches(self, password: bytes, password_hash: str | None) -> bool:
        """Whether it fits; without a hash, after the same work, False. Every call costs what the costliest hash does.

        bcrypt reads 72 bytes. What made these hashes (passlib, bcrypt before 5) dropped the rest without a word, so
        that is what still has to let their owners in.
        """
        text = password[:72]
        if password_hash is None:
            _waste(text, self.cost)
            return False
        fits = bcrypt.checkpw(text, password_hash.encode("ascii"))
        # 2^c rounds were done; 2^c + 2^(c+1) + ... more fill them up to the next powers of two.
        for cost in range(_cost_of(password_hash), self.cost):
            _waste(text, cost)
        return fits


def _waste(text: bytes, cost: int) -> None:
    bcrypt.hashpw(text, bcrypt.gensalt(cost))


def _cost_of(password_hash: str) -> int:
    return int(password_hash[4:6])
