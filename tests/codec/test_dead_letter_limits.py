"""What a dead letter keeps of a record, at exactly its limits and one byte beyond them."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from workers.codec.messages import dead_letter_message

LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Bad:
    """A record, as far as a dead letter goes."""

    key: bytes | None = None
    value: bytes | None = b"{"
    headers: tuple[tuple[str, bytes], ...] = ()
    topic: str = "complaints"
    partition: int = 0
    offset: int = 7
    timestamp: int = 0


def letter(record: Bad) -> dict[str, Any]:
    """The value of its dead letter."""
    found: dict[str, Any] = orjson.loads(dead_letter_message(record, "complaints", "invalid_json", "", "").value)
    return found


def test_a_value_of_64_kib_is_kept_whole_and_of_a_larger_one_its_length_hash_and_first_kib() -> None:
    whole, larger = b"x" * LIMIT, b"x" * (LIMIT + 1)
    assert letter(Bad(value=whole))["value"] == base64.b64encode(whole).decode()
    assert letter(Bad(value=larger))["value"] == {
        "sha256": hashlib.sha256(larger).hexdigest(),
        "length": LIMIT + 1,
        "head": base64.b64encode(b"x" * 1024).decode(),
    }


@pytest.mark.parametrize(("length", "said"), [(LIMIT, None), (LIMIT + 1, LIMIT + 1)])
def test_a_key_of_64_kib_is_kept_whole_and_a_larger_one_says_its_length(length: int, said: int | None) -> None:
    found = letter(Bad(key=b"k" * length))
    assert base64.b64decode(found["key"]) == b"k" * LIMIT
    assert found.get("key_length") == said


@pytest.mark.parametrize(("length", "kept"), [(LIMIT - 1, 1), (LIMIT, 0)])
def test_headers_of_64_kib_with_their_names_are_kept_and_what_is_beyond_is_counted(length: int, kept: int) -> None:
    found = letter(Bad(headers=(("h", b"v" * length),)))
    assert len(found["headers"]) == kept
    assert found.get("headers_left_out", 0) == 1 - kept


@pytest.mark.parametrize(("count", "left_out"), [(1000, None), (1001, 1)])
def test_a_thousand_headers_are_kept(count: int, left_out: int | None) -> None:
    found = letter(Bad(headers=(("h", b""),) * count))
    assert len(found["headers"]) == 1000
    assert found.get("headers_left_out") == left_out
