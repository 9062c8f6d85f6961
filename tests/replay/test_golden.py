"""What was decided yesterday is decided alike today."""

from pathlib import Path

import orjson
import pytest
from rich.console import Console

from tests.replay.golden import GOLDEN, SETTINGS, decisions_of, facts_of
from workers.offline.replaying import BadHistory, Wish, replay

NAMES = sorted(file.name.removesuffix(".facts.jsonl") for file in GOLDEN.glob("*.facts.jsonl"))


@pytest.mark.parametrize("name", NAMES)
async def test_a_golden_history_gives_the_decisions_that_it_gave(name: str) -> None:
    done = await replay(Console(), SETTINGS, Wish(files=[facts_of(name)], against=decisions_of(name)))
    assert done.equal, done.as_json()
    assert done.compared > 20


async def test_a_decision_that_is_missing_changed_or_too_much_is_a_difference(tmp_path: Path) -> None:
    lines = [orjson.loads(line) for line in decisions_of("cast").read_bytes().splitlines()]
    changed = lines[1] | {"clause": "X9"}
    extra = lines[2] | {"decision_id": "another"}
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_bytes(b"\n".join(orjson.dumps(each) for each in [changed, extra, *lines[2:]]))
    done = await replay(Console(), SETTINGS, Wish(files=[facts_of("cast")], against=damaged))
    assert {each["decision_id"]: each["difference"] for each in done.found} == {
        lines[0]["decision_id"]: "not published",
        lines[1]["decision_id"]: "differs",
        "another": "should not stand",
    }
    assert f"clause: X9 published, {lines[1]['clause']} afresh" in done.as_json()


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"topic": "order-status"}', '{"topic": "weather", "key": null, "value": {}}']
)
async def test_a_file_that_is_no_history_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text(facts_of("cast").read_text(encoding="utf-8") + line, encoding="utf-8")
    count = len(file.read_bytes().splitlines())
    with pytest.raises(BadHistory, match=f"line {count}: "):
        await replay(Console(), SETTINGS, Wish(files=[file]))
