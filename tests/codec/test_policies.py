"""A bad policy file is refused with its name and the field."""

from pathlib import Path

import pytest

from workers.codec.policies import BadPolicy, read_policies

SHIPPED = next((Path(__file__).parents[2] / "schemas" / "policies").glob("*.toml")).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (SHIPPED.replace('id = "', 'id = "a\\u0000', 1), "id"),
        (SHIPPED.replace('"onetouch_unable"', '"one\\ntouch"', 1), "exempt_causes"),
        (f'{SHIPPED}\n[violations."late\\u0085"]\npenalty = "warn"\n', "violations"),
    ],
    ids=["the policy", "a cause", "a category"],
)
def test_an_id_with_a_control_character_is_refused(text: str, field: str) -> None:
    assert read_policies([("good.toml", SHIPPED.encode())])
    with pytest.raises(BadPolicy, match=rf"^bad\.toml: Expected .* `\$\.{field}(\[0\])?`$"):
        read_policies([("bad.toml", text.encode())])
