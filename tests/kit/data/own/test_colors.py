"""Colours for classes that have none."""

import pytest

from kit.data.own.colors import distinct_colors


@pytest.mark.parametrize("count", [0, 1, 20, 21, 255])
def test_no_two_are_alike_and_a_longer_list_begins_with_the_shorter(count: int) -> None:
    found = distinct_colors(count)
    assert len(set(found)) == len(found) == count
    assert found == distinct_colors(255)[:count]
    assert all(0 <= part <= 255 for color in found for part in color)


def test_what_is_taken_does_not_come_again() -> None:
    first = distinct_colors(3)
    assert not set(first) & set(distinct_colors(30, first))
