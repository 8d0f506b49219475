import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upnext_django.core.job import JobMove
from upnext_django.core.lifecycle import JobStatus, Move
from upnext_django.core.moves import MoveError, pack_move, parse_move

numbers = st.integers(0, 2**62)
moves = st.builds(
    JobMove,
    st.uuids().map(str),
    numbers,
    numbers,
    st.sampled_from(Move),
    st.sampled_from(JobStatus),
    numbers,
    numbers,
    st.sampled_from([b"{}", b'{"error": "a b  c d e f g h"}', b'{"x":"\xc3\xa9"}']),
)


@settings(deadline=None)  # a shared machine may be slow
@given(moves)
def test_a_move_reads_back_as_it_was_written(move):
    assert parse_move(move.job_id.encode(), pack_move(move)) == move


def test_a_move_without_data_has_an_empty_object():
    assert parse_move("j", b"1 2 promoted queued 0 0").data == b"{}"
    assert parse_move("j", b"1 2 promoted queued 0 0 ").data == b"{}"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"", "words"),
        (b"1 2 promoted queued 0", "words"),
        (b"1 2 vanished queued 0 0 {}", "no move"),
        (b"1 2 promoted lost 0 0 {}", "no status"),
        (b"x 2 promoted queued 0 0 {}", "integers"),
        (b"1 2.5 promoted queued 0 0 {}", "integers"),
    ],
)
def test_a_broken_move_is_told_with_its_job(value, problem):
    with pytest.raises(MoveError, match=problem) as caught:
        parse_move(b"job-1", value)

    assert (caught.value.job_id, caught.value.value) == ("job-1", value)


@settings(deadline=None)  # a shared machine may be slow
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_move_error(value):
    try:
        move = parse_move(b"\xff", value)
    except MoveError:
        return
    assert isinstance(move, JobMove)
