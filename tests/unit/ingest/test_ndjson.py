"""LineSplitter are the same however the stream was cut into pieces."""

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.ndjson import BodyLine, LineSplitter

MAX_BYTES = 8


def cut(body: bytes, sizes: list[int]) -> list[BodyLine]:
    """The lines of a body that arrives in pieces of these sizes, over and over."""
    reader, found, at, turn = LineSplitter(MAX_BYTES), [], 0, 0
    while at < len(body):
        size = sizes[turn % len(sizes)]
        found += reader.feed(body[at : at + size])
        at, turn = at + size, turn + 1
    return found + reader.end()


BODIES = st.lists(st.sampled_from([b"", b" ", b"\r", b"a", b"abcdefgh", b"abcdefghi", b"x" * 40])).map(
    b"\n".join
)


@given(body=BODIES, sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_pieces_do_not_matter(body: bytes, sizes: list[int]) -> None:
    assert cut(body, sizes) == cut(body, [1_000])


@given(body=BODIES)
def test_lines_are_those_between_the_line_feeds_without_the_blank_ones(body: bytes) -> None:
    expected = [
        BodyLine(number, text if len(text) <= MAX_BYTES else None)
        for number, text in enumerate(body.split(b"\n"), start=1)
        if text.strip()
    ]
    assert cut(body, [3]) == expected


def test_no_more_than_one_line_is_kept_of_an_endless_one() -> None:
    reader = LineSplitter(MAX_BYTES)
    for _ in range(1_000):
        assert reader.feed(b"x" * 100) == []
    assert len(reader._rest) <= MAX_BYTES
    assert reader.feed(b"\nok\n") == [BodyLine(1, None), BodyLine(2, b"ok")]


def test_half_a_line_is_given_out_only_at_the_end() -> None:
    reader = LineSplitter(MAX_BYTES)
    assert reader.feed(b"one\ntwo") == [BodyLine(1, b"one")]
    assert reader.end() == [BodyLine(2, b"two")]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert LineSplitter(MAX_BYTES).feed(b"\xef\xbb\xbf{}\n") == [BodyLine(1, b"{}")]
