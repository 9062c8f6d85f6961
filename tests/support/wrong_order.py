"""What an engine would publish that orders the decisions of one instant wrongly."""

from collections.abc import Sequence

from tests.support.deployment import Published
from tests.support.facts import Message


def withdrawn_and_again(published: Sequence[Published]) -> list[Message]:
    """A withdrawal of the first suspension, and the same suspension once more: the next two of its account."""
    suspended = next(
        each.value for each in published if each.topic == "suspensions" and "withdraws" not in each.value
    )
    account_id = suspended["account_id"]
    last = max(each.value["sequence"] for each in published if each.value.get("account_id") == account_id)
    withdrawal = {**suspended, "kind": "account_suspended_withdrawn", "sequence": last + 1}
    withdrawal["withdraws"] = withdrawal.pop("decision_id")
    again = {**suspended, "sequence": last + 2}
    return [("suspensions", account_id, withdrawal), ("suspensions", account_id, again)]
