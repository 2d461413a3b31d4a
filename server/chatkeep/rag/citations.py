"""Checks the [n] of an answer against the passages that it was given, while the answer is being written.

"[9]" of four passages is taken out, "[1, 9]" becomes "[1]". Code is left as it is: an array there is no citation. What
could be either, such as `x[9]` or `= [10, 20]` in a sentence, is counted where it names a passage and never changed.
"""

import re

from chatkeep.rag.code_in_markdown import CodeInMarkdown

# At most so much is held back: a bracket that has not closed by then holds something else.
LONGEST_GROUP = 40

_NUMBER = r"\d{1,3}"
_DASH = "[-\u2013]"
_GROUP = re.compile(rf"\[ ?{_NUMBER}(?: ?(?:[,;]|{_DASH}) ?{_NUMBER})* ?\]")
_UNFINISHED_GROUP = re.compile(rf"(?:\[(?:[\d ,;]|{_DASH})*)?\Z")
_RANGE = re.compile(rf"({_NUMBER})(?: ?{_DASH} ?({_NUMBER}))?")
_PIECE = re.compile(r"`+|~+|[ \n\[\]]|[^`~\n\[\] ]+(?: +[^`~\n\[\] ]+)*")
# x[9], data_2[9], or a value that is assigned: left alone, for it may be no citation.
_MAY_BE_CODE = re.compile(r"(?:(?<!\w)[^\W\d_]|\w*(?:_\w|[^\W\d_]\d)\w*|[\w)] ?= ?|\\)\Z")
_LOOKED_BACK = 40
# Indented so far, a line may be code.
_CODE_INDENTATION = 4


class CitationFilter:
    """Takes an answer in pieces, of any size, and gives it back with the citations that hold.

    The outcome does not depend on how the answer was cut. `cited` has the numbers that were found so far.
    """

    def __init__(self, passages: int) -> None:
        self.cited: set[int] = set()
        self._passages = passages
        self._held = ""
        self._told = ""
        self._open_brackets = 0
        self._code = CodeInMarkdown()

    def feed(self, text: str) -> str:
        """What can be told of the answer by now."""
        return self._scan(self._held + text, ended=False)

    def end(self) -> str:
        """What was held back; nothing comes after it."""
        return self._scan(self._held, ended=True)

    def _scan(self, text: str, *, ended: bool) -> str:
        told: list[str] = []
        at = 0
        while at < len(text):
            # A space goes with the citation behind it, should that go.
            bracket = at + (text[at] == " ")
            if not self._code.inside:
                until = _group_end(text, bracket, ended=ended)
                if until is None:
                    break
                if until > bracket:
                    self._tell(self._checked(text, at, bracket, until), told)
                    at = until
                    continue
            piece = _PIECE.match(text, at)
            # Every character is of one kind or another.
            end = piece.end() if piece else at + 1
            self._tell(text[at:end], told)
            at = end
        self._held = text[at:]
        return "".join(told)

    def _tell(self, piece: str, told: list[str]) -> None:
        if not piece:
            return
        told.append(piece)
        self._told = (self._told + piece)[-_LOOKED_BACK:]
        if piece == "\n":
            self._open_brackets = 0
        elif piece == "[":
            self._open_brackets += 1
        elif piece == "]" and self._open_brackets:
            self._open_brackets -= 1
        self._code.take(piece)

    def _checked(self, text: str, start: int, bracket: int, until: int) -> str:
        """What becomes of a group of numbers outside of code, and of the space before it."""
        group, before, following = text[start:until], self._told + text[start:bracket], text[until : until + 1]
        if before.endswith("\\"):
            return group
        numbers = _numbers(group)
        known = [number for number in numbers if 0 < number <= self._passages]
        self.cited.update(known)
        is_link = following == "(" or (following == ":" and self._code.opens_line)
        if is_link or len(known) == len(numbers) or self._may_be_code(numbers, before):
            return group
        return f"{text[start:bracket]}[{', '.join(map(str, known))}]" if known else ""

    def _may_be_code(self, numbers: list[int], before: str) -> bool:
        indented = self._code.indentation >= _CODE_INDENTATION
        return bool(0 in numbers or self._open_brackets or indented or _MAY_BE_CODE.search(before))


def _group_end(text: str, at: int, *, ended: bool) -> int | None:
    """Where a group of numbers ends that begins at `at`; `at` if none does, None if that cannot be told yet."""
    if text[at : at + 1] not in ("", "["):
        return at
    group = _GROUP.match(text, at, at + LONGEST_GROUP)
    if group is None:
        unfinished = len(text) - at < LONGEST_GROUP and _UNFINISHED_GROUP.match(text, at) is not None
        return None if unfinished and not ended else at
    # What follows may make a link of it.
    return None if group.end() == len(text) and not ended else group.end()


def _numbers(group: str) -> list[int]:
    """All of them, those within a range included."""
    numbers: list[int] = []
    for first, last in _RANGE.findall(group):
        numbers += range(int(first), int(last) + 1) if last and int(first) < int(last) else [int(first)]
        numbers += [int(last)] if last and int(first) >= int(last) else []
    return numbers
