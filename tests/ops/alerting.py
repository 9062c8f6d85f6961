"""Whether an alert fires: an evaluator of PromQL, as far as the alert rules use it.

A value is a number or a vector (labels to number). Of a counter its samples give how much it grows in a second, which
is what `rate` and `increase` ask for; of a gauge what it says now.
"""

import operator
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.ops.promql import TOKEN

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Value = float | Vector
Samples = Mapping[str, float]
"""Such as `{'standing_lag_records{topic="complaints"}': 3.0}`."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_COMPUTED: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_WEAKEST_FIRST = (("or",), ("and", "unless"), tuple(_COMPARED), ("+", "-"), ("*", "/"))
_AGGREGATED: dict[str, Callable[[Sequence[float]], float]] = {"sum": sum, "max": max, "min": min}


def labels(text: str) -> Labels:
    """The labels that stand between braces."""
    return frozenset(re.findall(r"(\w+)\s*=\s*\"([^\"]*)\"", text))


def fires(query: str, samples: Samples, now: float = 0.0) -> bool:
    """Whether the query gives anything."""
    found = _Evaluation(query, samples, now).value()
    assert isinstance(found, dict), "a number by itself always fires"
    return bool(found)


@dataclass
class _Evaluation:
    query: str
    samples: Samples
    now: float

    def value(self) -> Value:
        self.words = [found[0].strip() for found in TOKEN.finditer(self.query)][::-1]
        found = self._weakest(0)
        assert not self.words, f"not understood: {self.words[::-1]}"
        return found

    def _weakest(self, level: int) -> Value:
        if level == len(_WEAKEST_FIRST):
            return self._one()
        left = self._weakest(level + 1)
        while self.words and self.words[-1] in _WEAKEST_FIRST[level]:
            left = _combined(self.words.pop(), left, self._weakest(level + 1))
        return left

    def _one(self) -> Value:
        word = self.words.pop()
        if word == "(":
            found = self._weakest(0)
            assert self.words.pop() == ")"
            return found
        if word[0].isdigit():
            return float(word)
        if word in _AGGREGATED:
            by = self._by()
            [vector] = self._arguments()
            return _aggregated(word, vector, by)
        if self.words and self.words[-1] == "(":
            return self._called(word, self._arguments())
        return self._selected(word)

    def _by(self) -> set[str]:
        if self.words[-1] != "by":
            return set()
        self.words.pop()
        return set(self._until(")")) - {"(", ","}

    def _until(self, end: str) -> list[str]:
        found = []
        while (word := self.words.pop()) != end:
            found.append(word)
        return found

    def _arguments(self) -> list[Value]:
        assert self.words.pop() == "("
        found = []
        while self.words[-1] != ")":
            found.append(self._weakest(0))
            if self.words[-1] == ",":
                self.words.pop()
        self.words.pop()
        return found

    def _called(self, name: str, given: Sequence[Value]) -> Value:
        match name, given:
            case "time", []:
                return self.now
            case (("rate" | "increase"), [dict() as vector]):
                return vector
            case "absent", [dict() as vector]:
                return {} if vector else {frozenset(): 1.0}
            case "histogram_quantile", [float() as share, dict() as buckets]:
                return {frozenset(): _quantile(share, buckets)}
        raise AssertionError(f"{name} is not understood")

    def _selected(self, name: str) -> Vector:
        """The samples of a metric; with a time behind it how much they grow in it, as `increase` has it."""
        matched = []
        if self.words and self.words[-1] == "{":
            matched = re.findall(r"(\w+) (=~|=) \"([^\"]*)\"", " ".join(self._until("}")))
        found: Vector = {}
        for sample, number in self.samples.items():
            metric, _, braced = sample.partition("{")
            own = labels(braced)
            fits = (re.fullmatch(pattern, dict(own).get(label, "")) for label, _, pattern in matched)
            if metric == name and all(fits):
                found[own] = number
        if self.words and self.words[-1].startswith("["):
            span = self.words.pop()
            asked = self.query[: self.query.index(f"{name}")].rstrip("( ").endswith("increase")
            seconds = int(span[1:-2]) * _SECONDS[span[-2]] if asked else 1
            found = {own: number * seconds for own, number in found.items()}
        return found


def _combined(sign: str, left: Value, right: Value) -> Value:
    if sign in ("or", "and", "unless"):
        assert isinstance(left, dict)
        assert isinstance(right, dict)
        if sign == "or":
            return right | left
        return {own: number for own, number in left.items() if (own in right) == (sign == "and")}
    if sign in _COMPUTED:
        return _each(left, right, _COMPUTED[sign])
    compared = _COMPARED[sign]
    assert isinstance(left, dict), "two numbers are not compared in an alert"
    return {
        own: number
        for own, number in left.items()
        if own in _paired(right, own) and compared(number, _paired(right, own)[own])
    }


def _paired(right: Value, own: Labels) -> Vector:
    return right if isinstance(right, dict) else {own: right}


def _each(left: Value, right: Value, compute: Callable[[float, float], float]) -> Value:
    if isinstance(left, dict):
        return {
            own: compute(number, _paired(right, own)[own])
            for own, number in left.items()
            if own in _paired(right, own)
        }
    if isinstance(right, dict):
        return {own: compute(left, number) for own, number in right.items()}
    return compute(left, right)


def _aggregated(name: str, vector: Value, by: set[str]) -> Vector:
    assert isinstance(vector, dict)
    groups: dict[Labels, list[float]] = defaultdict(list)
    for own, number in vector.items():
        groups[frozenset(each for each in own if each[0] in by)].append(number)
    return {own: _AGGREGATED[name](numbers) for own, numbers in groups.items()}


def _quantile(share: float, buckets: Vector) -> float:
    """Prometheus' histogram_quantile: linear within the bucket in which the share is reached."""
    found = sorted((float(dict(own)["le"].replace("+Inf", "inf")), number) for own, number in buckets.items())
    wanted, below, before = share * found[-1][1], 0.0, 0.0
    for bound, number in found:
        if number >= wanted:
            return below if bound == float("inf") else below + (bound - below) * (wanted - before) / (number - before)
        below, before = bound, number
    return below
