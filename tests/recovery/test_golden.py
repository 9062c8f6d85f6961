"""What was decided yesterday is decided alike today."""

import shutil
from pathlib import Path

import orjson
import pytest

from tests.recovery import golden
from tests.recovery.golden import RAISE_IT, SETTINGS, WRITE_ANEW, decisions_of, facts_of, names, replayed
from workers.ops.terminal import Terminal
from workers.recovery.replay import BadHistory, ReplayOptions, replay


def test_the_golden_decisions_are_of_these_rules() -> None:
    assert golden.of_these_rules(), WRITE_ANEW


@pytest.mark.parametrize("name", names())
async def test_a_golden_history_gives_the_decisions_that_it_gave(name: str) -> None:
    done = await replayed(name)
    assert done.equal, f"{RAISE_IT if golden.of_these_rules() else WRITE_ANEW}\n{done.as_json()}"
    assert done.compared > 20


async def test_changed_decisions_are_not_made_golden_without_a_new_rules_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "histories"
    shutil.copytree(golden.GOLDEN, kept)
    monkeypatch.setattr(golden, "GOLDEN", kept)
    one_less = decisions_of("cast").read_bytes().splitlines(keepends=True)[1:]
    decisions_of("cast").write_bytes(b"".join(one_less))
    with pytest.raises(SystemExit, match="raise RULES_VERSION"):
        await golden.write()
    assert decisions_of("cast").read_bytes().splitlines(keepends=True) == one_less


async def test_a_decision_that_is_missing_changed_or_too_much_is_a_difference(tmp_path: Path) -> None:
    lines = [orjson.loads(line) for line in decisions_of("cast").read_bytes().splitlines()]
    changed = lines[1] | {"clause": "X9"}
    extra = lines[2] | {"decision_id": "another"}
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_bytes(b"\n".join(orjson.dumps(each) for each in [changed, extra, *lines[2:]]))
    done = await replay(Terminal(), SETTINGS, ReplayOptions(files=[facts_of("cast")], against=damaged))
    assert {each["decision_id"]: each["difference"] for each in done.found} == {
        lines[0]["decision_id"]: "not published",
        lines[1]["decision_id"]: "differs",
        "another": "should not be in force",
    }
    assert f"clause: X9 published, {lines[1]['clause']} expected" in done.as_json()


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"topic": "order-status"}', '{"topic": "weather", "key": null, "value": {}}']
)
async def test_a_file_that_is_no_history_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text(facts_of("cast").read_text(encoding="utf-8") + line, encoding="utf-8")
    count = len(file.read_bytes().splitlines())
    with pytest.raises(BadHistory, match=f"line {count}: "):
        await replay(Terminal(), SETTINGS, ReplayOptions(files=[file]))
