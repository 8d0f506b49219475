"""The layout of a tree: its scale, its critical path, its folded lines and its bars."""

from __future__ import annotations

from typing import Any

import pytest

from upnext_django.operations.tree.bars import bars, density
from upnext_django.operations.tree.critical import critical_path
from upnext_django.operations.tree.fold import GroupLine, JobLine, lines
from upnext_django.operations.tree.jobs import Segment, Tree, TreeJob
from upnext_django.operations.tree.order import Branch, branches, walk
from upnext_django.operations.tree.scale import WIDTH, scale_of


def a_job(job_id: str, start: float = 0.0, end: float | None = 1.0, **changed: Any) -> TreeJob:
    values: dict[str, Any] = {
        "id": job_id,
        "parent_id": None,
        "name": job_id,
        "status": "complete" if end is not None else "active",
        "ready": start,
        "started": start,
        "completed": end,
        "attempts": 1,
        "max_attempts": 1,
        "cache_hit": False,
        "segments": (Segment("complete" if end is not None else "active", start, end),),
    }
    return TreeJob(**{**values, **changed})


def a_branch(name: str, start: float, end: float | None, *children: Branch) -> Branch:
    return Branch(a_job(name, start, end), list(children))


def test_a_scale_goes_from_the_first_moment_to_the_last():
    scale = scale_of([(12.0, 15.0), (10.0, 13.0), (13.0, 20.0)])

    assert [scale.at(moment) for moment in (10.0, 15.0, 20.0)] == [0.0, WIDTH / 2, WIDTH]
    assert scale.gaps == ()


def test_an_idle_stretch_is_cut():
    scale = scale_of([(0.0, 10.0), (3600.0, 3610.0)])

    assert [round(gap.seconds) for gap in scale.gaps] == [3590]
    assert scale.at(10.0) == pytest.approx(488.0)
    assert scale.at(3600.0) == pytest.approx(512.0)
    assert scale_of([(0.0, 10.0), (3600.0, 3610.0)], cut=False).at(10.0) < 3.0


@pytest.mark.parametrize("moment", [0.0, 4.0, 10.0, 1800.0, 3600.0, 3607.5, 3610.0])
def test_a_place_leads_back_to_its_moment(moment: float):
    scale = scale_of([(0.0, 10.0), (3600.0, 3610.0)])

    assert scale.moment(scale.at(moment)) == pytest.approx(moment)


def test_a_scale_never_goes_backwards():
    scale = scale_of([(0.0, 1.0), (5.0, 6.0), (30.0, 31.0), (31.0, 90.0)])

    places = [scale.at(moment / 10) for moment in range(-50, 1000)]

    assert places == sorted(places)
    assert (min(places), max(places)) == (0.0, WIDTH)


@pytest.mark.parametrize("spans", [[], [(5.0, 5.0)]])
def test_a_scale_of_nothing_has_a_width(spans: list[tuple[float, float]]):
    assert 0.0 <= scale_of(spans).at(5.0) <= WIDTH


def test_the_critical_path_follows_who_ended_last():
    quick = a_branch("quick", 1.0, 2.0)
    slow = a_branch("slow", 1.0, 8.0, a_branch("deep", 2.0, 7.0))
    after = a_branch("after", 8.0, 9.0)
    top = a_branch("top", 0.0, 10.0, quick, slow, after)

    assert critical_path(top) == {"top", "after", "slow", "deep"}


def test_a_child_that_outlives_its_parent_is_not_critical():
    top = a_branch("top", 0.0, 2.0, a_branch("forgotten", 1.0, 50.0))

    assert critical_path(top) == {"top"}


def test_a_chain_of_any_depth_is_ordered_and_folded():
    jobs = {"0": a_job("0")} | {str(n): a_job(str(n), parent_id=str(n - 1)) for n in range(1, 3_000)}

    tops = branches(Tree("0", jobs, truncated=False))

    assert [depth for depth, _ in walk(tops)] == list(range(3_000))
    assert len(lines(tops, critical=critical_path(tops[0]))) == 3_000


def test_a_group_shows_what_somebody_may_look_for():
    jobs = [a_job(f"{number}", 0.0, 1.0, name="step") for number in range(20)]
    jobs[3].status = "failed"
    jobs[5].status = "active"
    jobs[8].completed = 9.0
    top = Branch(a_job("top"), [Branch(job, []) for job in jobs])

    found = lines([top], critical=frozenset({"11"}))

    group = found[1]
    assert isinstance(group, GroupLine)
    assert (group.count, group.failed, group.live, group.median_s) == (20, 1, 1, 1.0)
    assert [line.job.id for line in found if isinstance(line, JobLine)] == ["top", "3", "5", "8", "11"]


def test_four_siblings_of_a_name_are_not_folded():
    top = Branch(a_job("top"), [Branch(a_job(f"{n}", name="step"), []) for n in range(4)])

    assert not [line for line in lines([top]) if isinstance(line, GroupLine)]


def test_bars_tell_the_wait_the_attempts_and_the_pauses_between():
    segments = (Segment("failed", 2.0, 3.0), Segment("active", 6.0, None))
    job = a_job("job", 2.0, None, ready=0.0, segments=segments, status="active")
    scale = scale_of([(0.0, 10.0)])

    found = [(bar.kind, bar.x, bar.width) for bar in bars(job, scale, now=10.0)]

    assert found == [
        ("wait", 0.0, 200.0),
        ("failed", 200.0, 100.0),
        ("pause", 300.0, 300.0),
        ("active", 600.0, 400.0),
    ]


def test_a_bar_never_leaves_the_scale_and_can_be_seen():
    scale = scale_of([(0.0, 1000.0)])
    at_the_end = a_job("job", 1000.0, 1000.0)

    (bar,) = bars(at_the_end, scale, now=1000.0)

    assert bar.x + bar.width == WIDTH
    assert bar.width == 2.0


def test_a_job_that_never_ran_only_waited():
    job = a_job("job", started=None, completed=4.0, status="cancelled", segments=())

    assert [bar.kind for bar in bars(job, scale_of([(0.0, 4.0)]), now=9.0)] == ["wait"]


def test_a_groups_density_is_the_strongest_where_most_ran():
    scale = scale_of([(0.0, 10.0)])
    jobs = [a_job("a", 0.0, 10.0), a_job("b", 0.0, 2.0), a_job("c", 0.0, 2.0, status="failed")]

    found = density(jobs, scale, now=10.0)

    assert found[0].strength == 1.0
    assert found[-1].strength == pytest.approx(1 / 3)
    assert [bar.kind for bar in found].count("failed") == 1
