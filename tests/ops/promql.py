"""A reader of PromQL, as far as the alert rules and the dashboard use it: is it well formed, and what does it select?

Knows the shape of the language, not its types, but for one: whether a function wants samples over a time.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"\s*(?:(?P<word>[a-zA-Z_:][\w:]*)|(?P<number>\d+(?:\.\d+)?)(?![\w.])|(?P<text>\"[^\"]*\")"
    r"|(?P<range>\[(?:\d+[smhd]|\$__rate_interval)\])|(?P<sign>==|!=|>=|<=|=~|!~|[-+*/%^<>=(){},]))"
)
OVER_TIME = frozenset({"rate", "increase", "deriv", "max_over_time", "min_over_time", "avg_over_time"})
OF_A_MOMENT = frozenset({"histogram_quantile", "absent", "abs", "clamp_min", "clamp_max", "time", "vector"})
AGGREGATIONS = frozenset({"sum", "min", "max", "avg", "count", "topk"})
OPERATORS = frozenset({"==", "!=", ">=", "<=", ">", "<", "+", "-", "*", "/", "%", "^", "and", "or", "unless"})


class NotPromQL(Exception):
    """It is not well formed."""


@dataclass
class Selected:
    """What is selected of one metric."""

    name: str
    labels: AbstractSet[str]
    over_time: bool
    matched: Sequence[tuple[str, str]] = ()
    """Labels and the values, or patterns, that theirs are compared with."""


@dataclass
class Query:
    """A query on its way through."""

    text: str
    selected: list[Selected] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)
    """Labels in `by (...)`."""
    _tokens: list[tuple[str, str]] = field(default_factory=list)

    def read(self) -> "Query":
        """Read all of it; raises NotPromQL."""
        at, text = 0, self.text.strip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None:
                raise NotPromQL(f"{text[at:]!r} in {self.text!r}")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()
        self._tokens.reverse()
        self._expression(over_time=False)
        if self._tokens:
            raise NotPromQL(f"{self._tokens[-1][1]!r} is too much in {self.text!r}")
        return self

    def _next(self) -> str:
        return self._tokens[-1][1] if self._tokens else ""

    def _take(self, wanted: str | None = None, kind: str | None = None) -> str:
        found_kind, found = self._tokens.pop() if self._tokens else ("end", "the end")
        if wanted not in (None, found) or kind not in (None, found_kind):
            raise NotPromQL(f"{wanted or kind} is wanted, not {found!r}, in {self.text!r}")
        return found

    def _expression(self, *, over_time: bool) -> None:
        self._one(over_time=over_time)
        while self._next() in OPERATORS:
            self._take()
            self._one(over_time=False)

    def _one(self, *, over_time: bool) -> None:
        kind, word = self._tokens[-1] if self._tokens else ("end", "the end")
        if word == "(":
            self._take()
            self._expression(over_time=over_time)
            self._take(")")
        elif kind == "number":
            self._take()
        elif word in AGGREGATIONS:
            self._take()
            if self._next() in ("by", "without"):
                self._take()
                self.grouped |= self._labels()
            self._arguments(over_time=False)
        elif word in OVER_TIME or word in OF_A_MOMENT:
            self._take()
            self._arguments(over_time=word in OVER_TIME)
        else:
            self._selector(over_time=over_time)

    def _arguments(self, *, over_time: bool) -> None:
        self._take("(")
        while self._next() != ")":
            self._expression(over_time=over_time)
            if self._next() != ")":
                self._take(",")
        self._take(")")

    def _labels(self) -> set[str]:
        found = set()
        self._take("(")
        while self._next() != ")":
            found.add(self._take(kind="word"))
            if self._next() != ")":
                self._take(",")
        self._take(")")
        return found

    def _selector(self, *, over_time: bool) -> None:
        name, matched = self._take(kind="word"), []
        if name in OPERATORS or self._next() == "(":
            raise NotPromQL(f"{name} is no metric in {self.text!r}")
        if self._next() == "{":
            self._take()
            while self._next() != "}":
                label = self._take(kind="word")
                if self._take(kind="sign") not in ("=", "!=", "=~", "!~"):
                    raise NotPromQL(f"a label of {name} is compared in a way that does not exist")
                matched.append((label, self._take(kind="text").strip('"')))
                if self._next() != "}":
                    self._take(",")
            self._take("}")
        ranged = bool(self._tokens) and self._tokens[-1][0] == "range"
        if ranged:
            self._take()
        if ranged != over_time:
            raise NotPromQL(f"{name} {'without' if over_time else 'with'} a time in {self.text!r}")
        self.selected.append(Selected(name, {label for label, _ in matched}, ranged, matched))
