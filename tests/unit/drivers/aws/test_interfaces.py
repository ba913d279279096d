"""Which interfaces stay, and what the record of their change says."""

import pytest

from hybridge.drivers.aws.interfaces import Journal, match
from hybridge.drivers.aws.mapping import Interface


def interface(index: int, subnet: str) -> Interface:
    return Interface(f"eni-{subnet}{index}", f"attach-{index}", (0, index), subnet, None, (), goes=True, leaves=False)


@pytest.mark.parametrize(
    ("have", "want", "kept", "dropped", "missing"),
    [
        ("", "", "", "", 0),
        ("ab", "ab", "ab", "", 2),
        ("a", "abc", "a", "", 1),
        ("abc", "ac", "ac", "b", 2),
        ("abc", "", "", "abc", 0),
        ("ab", "cb", "", "ab", 0),
        ("b", "ab", "", "b", 0),
        ("ab", "aab", "a", "b", 1),
        ("aab", "ab", "ab", "a", 2),
    ],
)
def test_as_few_interfaces_as_can_be_are_touched_and_new_ones_come_last(
    have: str, want: str, kept: str, dropped: str, missing: int
) -> None:
    found = match([interface(index, subnet) for index, subnet in enumerate(have, start=1)], list(want))
    assert "".join(nic.subnet for nic in found.kept) == kept
    assert sorted(nic.subnet for nic in found.dropped) == sorted(dropped)
    assert found.missing == missing
    assert kept + want[missing:] == want


def test_a_record_is_read_as_it_was_written_and_fits_into_a_tag() -> None:
    journal = Journal(Journal.read("").token, frozenset(f"eni-{number:017x}" for number in range(10)))
    assert Journal.read(journal.write()) == journal
    assert len(journal.write()) <= 256


def test_each_new_record_has_a_token_of_its_own() -> None:
    assert Journal.read("").token != Journal.read("").token
