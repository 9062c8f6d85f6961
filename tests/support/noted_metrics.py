"""Metrics that a test can read."""

from workers.ops.metrics import Metric, Unmeasured


class Noted(Unmeasured):
    """Metrics as a dictionary."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        name = " ".join((metric.name, *labels.values()))
        self.values[name] = self.values.get(name, 0) + amount

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        self.values[" ".join((metric.name, *labels.values()))] = value

    def observe(self, metric: Metric, value: float) -> None:
        self.values[metric.name] = value
