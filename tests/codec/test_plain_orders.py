"""Orders read the quick way are read as the contract's own model reads them, or not at all."""

import json
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.fields import instant
from contracts.order_status import EFFECTIVE, OrderStatus
from workers.codec.plain_orders import read_plain

PLAIN = {
    "event_id": "e-1",
    "order_id": "o-1",
    "account_id": "a-1",
    "status": "awaiting_shipment",
    "previous_status": "drafted",
    "occurred_at": "2016-08-01T16:00:00.000000Z",
    "amount": {"value": "120.50", "currency": "USD"},
}

texts = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        ["", "a" * 128, "a" * 129, "信" * 128, "信" * 129, "a\u0000b", "a\u007fb", "a\u0085b", " ", "\n"]
    ),
)
near_digits = st.text(alphabet="0123456789.+- _,٣²", max_size=22)
timestamps = st.one_of(
    texts,
    st.datetimes()
    .map(lambda at: at.isoformat())
    .flatmap(
        lambda at: st.sampled_from(["", "Z", "z", "+08:00", "-08:00", "+24:00", "+0800", "+08", "\n", "Z\n"]).map(
            lambda offset: at + offset
        )
    ),
    st.from_regex(
        r"(1969|1970|2016|2017|9999)-(W0|0[0-9]|1[0-3])-[0-3][0-9]"
        r"[Tt ]([01][0-9]|2[0-4]):[0-6][0-9]:[0-6][0-9](\.[0-9]{0,8})?(Z|z|[+-][0-2][0-9]:[0-6][0-9])",
        fullmatch=True,
    ),
)
currencies = st.sampled_from(["usd", "USDX", "CNY", "ÄÖÜ"])
amounts = st.one_of(
    st.none(),
    st.integers(),
    st.fixed_dictionaries({}, optional={"value": near_digits | texts, "currency": texts | currencies}),
)
anything = st.none() | st.integers() | st.floats(allow_nan=False) | st.lists(st.integers(), max_size=1) | texts
statuses = st.sampled_from(sorted(EFFECTIVE)) | texts | st.none() | st.integers()
changes = st.dictionaries(st.sampled_from([*PLAIN, "unknown"]), anything, max_size=2)
fields = st.fixed_dictionaries(
    {},
    optional={"status": statuses, "previous_status": statuses, "occurred_at": timestamps, "amount": amounts},
)


def model(value: bytes) -> OrderStatus | None:
    try:
        return OrderStatus.model_validate_json(value)
    except ValidationError:
        return None


@given(fields, changes, st.sets(st.sampled_from(sorted(PLAIN)), max_size=1))
@example({"occurred_at": "2016-W31-1T16:00:00Z"}, {}, set())
@example({"occurred_at": "2016-08-01T16:00:00.1234567Z"}, {}, set())
@example({"occurred_at": "2016-08-01T16:00:00.٣Z"}, {}, set())
@example({"occurred_at": "1970-01-01T00:00:00+08:00"}, {}, set())
@example({"amount": {"value": "٣", "currency": "USD"}}, {}, set())
@example({"amount": {"value": "1." + "0" * 19, "currency": "USD"}}, {}, set())
@example({}, {"account_id": "信" * 128}, set())
def test_an_order_decoded_on_the_fast_path_equals_the_one_that_the_model_decodes(
    some: dict[str, object], others: dict[str, object], missing: set[str]
) -> None:
    value = json.dumps({name: each for name, each in (PLAIN | some | others).items() if name not in missing}).encode()
    [plain], contract = read_plain([value]), model(value)
    if plain is None:
        return
    order, at = plain
    assert contract is not None, value
    assert at == instant(contract.occurred_at), value
    read = (order.event_id, order.order_id, order.account_id, order.status, order.previous_status)
    assert read == (
        contract.event_id, contract.order_id, contract.account_id, contract.status, contract.previous_status,
    )  # fmt: skip


@given(st.binary(max_size=6), st.integers(0, 200))
def test_a_value_that_is_not_json_never_takes_the_fast_path(noise: bytes, at: int) -> None:
    value = bytearray(json.dumps(PLAIN).encode())
    value[at : at + len(noise)] = noise
    assert read_plain([bytes(value)]) == [None] or model(bytes(value)) is not None


def test_ordinary_orders_are_decoded_on_the_fast_path() -> None:
    for change in ({}, {"amount": None}, {"occurred_at": "2016-08-02T00:00:00+08:00"}, {"status": "待卖家发货"}):
        assert read_plain([json.dumps(PLAIN | change, ensure_ascii=False).encode()]) != [None]


several = st.lists(st.fixed_dictionaries({}, optional={"amount": amounts, "event_id": texts}), max_size=3)


@given(several, st.sampled_from([None, 1]), st.lists(st.integers(0, 400), max_size=3))
def test_an_order_is_read_alike_alone_and_among_others(
    changed: list[dict[str, object]], indent: int | None, cuts: list[int]
) -> None:
    """Also where line feeds stand in the values, and where values are parts of others."""
    text = b"\n".join(json.dumps(PLAIN | change, indent=indent).encode() for change in changed)
    cut = [text[start:end] for start, end in pairwise([0, *sorted(cuts), len(text)])]
    for values in (text.split(b"\n"), cut, [*cut, b"", *cut], [json.dumps(PLAIN, indent=1).encode(), b"", b""]):
        assert read_plain(values) == [each for value in values for each in read_plain([value])]
