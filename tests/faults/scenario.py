"""A small fixed scenario in which every worker has something to do, sent in three steps.

The model says what must follow from its facts. A company is terminated while a member is suspended, and one of its
cases is reversed. Some facts arrive late, twice or damaged.
"""

from tests.support.facts import Message, asks, case, enrolled, paid

MEMBERS = ("wang", "li", "zhao", "qian", "sun")

STEPS: tuple[tuple[Message, ...], ...] = (
    (
        *(enrolled(account, "2016-03-01 10:00") for account in MEMBERS),
        enrolled("zhou", "2016-03-02 10:00", "globex"),
        enrolled("clock", "2016-03-02 10:00", "time"),
        *(paid(account, "2016-03-10 00:00") for account in MEMBERS),
        paid("zhou", "2016-03-11 00:00"),
        paid("zhou", "2016-03-11 00:00"),
        ("order-status", "zhou", b"{no order"),
        ("complaints", None, None),
        paid("clock", "2016-09-20 00:00"),
    ),
    (
        asks("zhou", "2016-09-21 00:00"),
        asks("li", "2016-09-21 00:00"),
        paid("wang", "2016-09-22 00:00"),
        paid("qian", "2016-08-20 00:00", "late"),
        case("sun", "2016-09-25 00:00"),
        enrolled("wu", "2016-09-26 00:00"),
        paid("clock", "2016-10-20 00:00"),
    ),
    (
        case("sun", "2016-10-21 00:00", "reversed"),
        case("zhou", "2016-10-22 00:00", case_id="k2"),
        paid("zhou", "2016-10-01 00:00", "late"),
        paid("li", "2016-10-22 00:00"),
        asks("zhou", "2016-10-23 00:00", "reapplication"),
        paid("clock", "2016-11-01 00:00"),
    ),
)

NEWEST = ("2016-09-20 00:00+08", "2016-10-20 00:00+08", "2016-11-01 00:00+08")
"""The newest instant that each step tells."""
