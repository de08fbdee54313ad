"""The name of a head: read, printed, sorted."""

import pytest

from polyhead.errors import PolyheadError
from polyhead.model.head import Head, all_heads


@pytest.mark.parametrize("text", ["1.4", "L1H4", "l1h4"])
def test_both_ways_of_writing_name_the_same_head(text):
    assert Head.parse(text) == Head(1, 4) == (1, 4)


@pytest.mark.parametrize("text", ["1", "1.4.2", "1,4", "-1.4", "H4L1", ""])
def test_anything_else_is_refused_with_what_is_allowed(text):
    with pytest.raises(PolyheadError, match=r'is not a head; write "1.4" or "L1H4"'):
        Head.parse(text)


def test_it_prints_as_it_is_read_and_unpacks():
    layer, number = Head.parse("3.10")
    assert (layer, number) == (3, 10)
    assert f"{Head(3, 10)}" == "3.10"


def test_heads_sort_by_number_not_by_text():
    assert [str(head) for head in sorted(map(Head.parse, ["1.10", "0.3", "1.9"]))] == ["0.3", "1.9", "1.10"]
    assert [str(head) for head in all_heads(2, 2)] == ["0.0", "0.1", "1.0", "1.1"]
