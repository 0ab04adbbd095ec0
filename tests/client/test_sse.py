"""The decoder of server-sent events, against the standard's rules."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnp_client import Event, ProtocolError
from dpnp_client.sse import EventDecoder

TEXT = (
    'id: 1\r\nevent: status\r\ndata: {"a": "\u2028é"}\r\n\r\n: ping\r\n\r\nid: 2\ndata: {"b":\ndata: 2}\n\nevent: x\n\nid: 3\rdata:{}\r\r'
)
EVENTS = [Event("1", "status", {"a": "\u2028é"}), Event("2", "message", {"b": 2}), Event("3", "message", {})]


@given(st.lists(st.integers(0, len(TEXT.encode())), max_size=8))
def test_events_do_not_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    content = TEXT.encode()
    edges = [0, *sorted(cuts), len(content)]
    decoder = EventDecoder()
    found = [e for a, b in pairwise(edges) for e in decoder.feed(content[a:b])]
    assert found + decoder.feed(b"\n") == EVENTS  # a "\r" at the very end may be half a line end


def test_an_event_without_an_id_keeps_the_last_one() -> None:
    assert EventDecoder("7").feed(b"data: {}\n\n") == [Event("7", "message", {})]


def test_a_cut_event_is_never_given_out() -> None:
    assert EventDecoder().feed(b'id: 1\ndata: {"a": 1}\n') == []


@pytest.mark.parametrize("data", [b"data: nonsense\n\n", b"data: [1]\n\n"])
def test_data_that_is_no_object_is_an_error(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="JSON"):
        EventDecoder().feed(data)
