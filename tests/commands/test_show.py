"""Decisions in words, as `standing explain` prints them."""

from tests.rules.story import Story, policy
from workers.commands.show import in_words


def test_a_notice_says_how_many_days_are_left() -> None:
    noticed = Story(policies=[policy(inactivity_notices=(7, 1))]).enrolled("2016-03-01 10:00")
    decided = noticed.judged("2016-08-28 12:00").decisions
    assert [in_words(each) for each in decided if each.kind == "suspension_notice"] == [
        "suspension notice (7 days left) deadline 2016-08-28 16:00:00 UTC",
        "suspension notice (1 day left) deadline 2016-08-28 16:00:00 UTC",
    ]
