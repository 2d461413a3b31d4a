"""Whether a text is in a language that the built-in model knows, which is English alone.

Fused one to one with what words find, vectors of other languages make it worse: on questions about Russian texts
nDCG@10 fell from 0.951 to 0.548.
"""

from py3langid.langid import MODEL_FILE, LanguageIdentifier

# Below it the guess is one among many: names, numbers, code and single words, which the model may well make sense of.
_SURE = 0.5
_LAST_LATIN = "\u024f"
# A language shows in its first lines, and what follows would cost as much again.
_LOOKED_AT = 1_000


class KnownLanguages:
    """Knows English when it sees it. One second to load, a third of a millisecond a text."""

    def __init__(self) -> None:
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def knows(self, text: str) -> bool:
        """False if the text is surely in another language."""
        text = text[:_LOOKED_AT]
        letters = [letter for letter in text if letter.isalpha()]
        # Of Chinese it is not sure whether it is Japanese or Cantonese; that it is none of ours shows in the letters.
        if sum(letter > _LAST_LATIN for letter in letters) * 2 > len(letters):
            return False
        language, share = self._identifier.classify(text)
        return bool(language == "en" or share < _SURE)
