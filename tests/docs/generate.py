"""`python -m tests.docs.generate` writes the tables of the documents that follow from the code.

Owns what stands between a pair of markers `<!-- NAME: generated -->` and `<!-- /NAME -->`; everything else in a
document is written by hand. `test_generated` fails where a document says something else than the code.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

from contracts.kinds import kinds_of
from contracts.topics import Topic
from tests.support.causes import INITIAL, reachable
from workers.cli import app
from workers.ingest.transitions import Event, State, after, state_of
from workers.kafka.topic_settings import COMPACTED, KEPT, of_inputs
from workers.ops.metrics import METRICS
from workers.settings import Settings

PROJECT = Path(__file__).parents[2]
DOCUMENTS = (
    PROJECT / "README.md",
    *(
        PROJECT / "docs" / f"{name}.md"
        for name in ("subscribing", "operations", "monitoring", "architecture", "performance")
    ),
)
FIGURES = PROJECT / "docs" / "figures.json"
"""What `make bench ARGS='--json docs/figures.json'` measured last."""

HEADLINE = (
    "orders, uniform, two processes",
    "orders, zipf, two processes",
    "suspensions at one midnight",
    "company of 10,000: last termination read",
    "idle: fact produced to decision read, p50",
    "idle: fact produced to decision read, p99",
)

SETTINGS = {
    "kafka_bootstrap": "Brokers, `host:port`, comma separated.",
    "kafka_security_protocol": "`PLAINTEXT`, `SSL`, `SASL_SSL` or `SASL_PLAINTEXT`: see [Security](#security).",
    "kafka_sasl_mechanism": "`SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN`.",
    "kafka_username": "The Kafka user, with SASL.",
    "kafka_password": "The password of that user (secret).",
    "kafka_ca_file": "PEM file of the authority that signs the brokers' certificates; by default the system's.",
    "kafka_certificate_file": "PEM file of this client's certificate, for brokers that require one.",
    "kafka_key_file": "PEM file of the key of that certificate.",
    "kafka_key_password": "The password of that key, if it has one (secret).",
    "database_url": "The database, on one host or several; `setup` creates it if the user may.",
    "policies": "Directory of the policy files (`*.toml`).",
    "topic_prefix": "Prefix of every topic name, the consumer group and the transactional ids.",
    "partitions": "Partitions of each topic; the first `setup` fixes it.",
    "clock": "`wall`, or `events` for event time: the latest `occurred_at` read. For histories and demonstrations.",
    "allowed_lateness_seconds": "How long after a deadline late facts may still arrive before it is enforced.",
    "console_port": "Accepted and ignored: this version has no console.",
    "max_record_bytes": "Larger input records become dead letters (`too_large`).",
    "batch_size": "Most records that ingest processes in one transaction.",
    "shards": "Shards of the decision log; the first `setup` fixes it.",
    "ingests": "Number of ingest processes that `standing work` runs.",
    "metrics_port": "Port of `/live`, `/ready`, `/metrics`; 0: none. `standing work` also uses the ports after it.",
    "metrics_host": "Address that this port listens on.",
    "watchdog_seconds": "A worker ends after one of its loops has hung for this long; its supervisor restarts it.",
    "instance": "Fixed name of an ingest worker in its consumer group; by default the host and the lowest free slot.",
}
"""What each setting is for; a setting without a line here, or a line without a setting, is an error."""


def rows(heading: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heading, ["---"] * len(heading), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def topics() -> str:
    """The topics, from `contracts/topics.py`."""
    body = []
    for topic in Topic:
        kinds = ", ".join(f"`{kind.name}`" for kind in kinds_of(topic)) or "-"
        cleanup = "-" if topic.direction == "in" else "compact" if topic.cleanup == "compact" else "keep"
        body.append(
            [f"`{topic.value}`", topic.direction, topic.key.replace("_", " "), cleanup, kinds, topic.description]
        )
    return rows(["topic", "", "key", "cleanup", "kinds", "carries"], body)


def settings() -> str:
    """The settings, from `workers/settings.py`."""
    defaults = {each.name: each.default for each in fields(Settings)}
    assert defaults.keys() == SETTINGS.keys(), f"described: {defaults.keys() ^ SETTINGS.keys()}"
    return rows(
        ["variable", "default", "for"],
        [[f"`STANDING_{name.upper()}`", _default(default), SETTINGS[name]] for name, default in defaults.items()],
    )


def _default(value: object) -> str:
    if isinstance(value, Path):
        return f"`{value.relative_to(PROJECT)}`"
    return "-" if value in (None, "") else f"`{value}`"


def commands() -> str:
    """The commands for people, with their arguments, options and help, from `workers/cli.py`."""
    return rows(["command", "does"], [[f"`{usage}`", says] for usage, says in _commands(app, "standing")])


def _commands(command: Any, path: str) -> Iterable[tuple[str, str]]:
    nested = getattr(command, "commands", None)
    if nested is not None:
        for name, each in nested.items():
            if not each.hidden:
                yield from _commands(each, f"{path} {name}")
        return
    words = [path]
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            words.append(str(parameter.name).upper())
        elif parameter.name != "help":
            value = "" if parameter.is_flag else f" {str(parameter.name).upper()}"
            words.append(f"[{parameter.opts[0]}{value}]")
    yield " ".join(words), (command.help or "").split("\n\n")[0].replace("\n", " ")


def metrics() -> str:
    """The metrics, from `workers/ops/metrics.py`."""
    body = [
        [f"`{each.name}`", each.kind, ", ".join(each.by), ", ".join(f"`{label}`" for label in each.labels), each.says]
        for each in METRICS
    ]
    return rows(["metric", "kind", "of", "labels", "says"], body)


def topic_settings() -> str:
    """What the settings of topics must be, from `workers/kafka/topic_settings.py`."""
    inputs = of_inputs(max_record_bytes=0)
    body = [
        [which, f"`{each.setting}`", f"`{each.text}`", each.why, "refused" if each.refused else "a warning"]
        for which, needed in (("input", inputs), ("output, kept", KEPT), ("compacted", COMPACTED))
        for each in needed
    ]
    return rows(["topics", "setting", "must be", "because", "otherwise"], body)


def partition_states() -> str:
    """The states of a partition as a table and a diagram, from `workers/ingest/transitions.py`."""
    edges: dict[tuple[str, str], list[str]] = {}
    for causes, event in product(reachable(), Event):
        before, then = state_of(causes), state_of(after(causes, event))
        if before is not then:
            labels = edges.setdefault((before.name, then.name), [])
            labels += [] if event.value in labels else [event.value]
    begins = [f"        [*] --> {state_of(each).name}" for each in INITIAL]
    moves = [f"        {one} --> {other}: {', '.join(labels)}" for (one, other), labels in sorted(edges.items())]
    owned = [
        "    [*] --> owned: claimed",
        "    state owned {",
        *begins,
        *moves,
        "    }",
        "    owned --> [*]: revoked",
    ]
    says = rows(["state", "means"], [[f"`{each.name}`", each.value] for each in State])
    return "\n".join([says, "", "```mermaid", "stateDiagram-v2", *owned, "```"])


def figures() -> str:
    """All figures, from `docs/figures.json`."""
    body = []
    for name, figure in _measured().items():
        measured, loop, ratio = _beside_the_loop(figure)
        limits = [(word, figure.get(f"at_{word}")) for word in ("least", "most")]
        wanted = [f"at {word} {_number(limit)}" for word, limit in limits if limit is not None]
        if figure.get("ratio_at_least") is not None:
            wanted.append(f"a ratio of {_number(figure['ratio_at_least'])}")
        body.append([name, f"{measured} {figure['unit']}", ", ".join(wanted), loop, ratio])
    return rows(["", "measured", "wanted", "hand-written loop", "ratio"], body)


def headline() -> str:
    """The figures of the README: the engine, the hand-written loop, and the ratio."""
    measured = _measured()
    body = []
    for name in HEADLINE:
        value, loop, ratio = _beside_the_loop(measured[name])
        body.append([name, f"{value} {measured[name]['unit']}", loop, ratio])
    return rows(["", "engine", "hand-written loop", "ratio"], body)


def _measured() -> dict[str, Mapping[str, Any]]:
    parts = json.loads(FIGURES.read_text(encoding="utf-8"))
    return {figure["what"]: figure for part in parts.values() for figure in part}


def _beside_the_loop(figure: Mapping[str, Any]) -> list[str]:
    """The value, that of the hand-written loop, and the ratio."""
    return ["-" if (value := figure.get(name)) is None else _number(value) for name in ("value", "loop", "ratio")]


def _number(value: float) -> str:
    """Three digits, or hundreds."""
    return f"{round(value, -2 if value >= 10_000 else 0):,.0f}" if value >= 100 else f"{value:.3g}"


TABLES = {
    "figures": figures,
    "headline": headline,
    "partition states": partition_states,
    "topics": topics,
    "settings": settings,
    "commands": commands,
    "metrics": metrics,
    "topic settings": topic_settings,
}


def filled(text: str) -> str:
    """A document with every table regenerated."""
    for name, table in TABLES.items():
        between = re.compile(rf"(<!-- {name}: generated -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = between.sub(lambda found, made=table: f"{found[1]}{made()}\n{found[2]}", text)  # type: ignore[misc]
    return text


def main() -> None:
    """Write the documents whose tables changed."""
    for document in DOCUMENTS:
        document.write_text(filled(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
