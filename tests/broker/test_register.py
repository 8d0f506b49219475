"""register.lua: say which functions a worker knows."""

from __future__ import annotations

from tests.broker.lab import FUNCTION, Lab, new_job
from upnext_django.core.capability import capability_of

OTHER = "shop.tasks.other"
BOTH = capability_of([FUNCTION, OTHER])


def test_a_new_capability_is_known_by_its_functions_and_hears_its_bell(lab: Lab):
    assert lab.register(FUNCTION, OTHER)

    assert lab.at(f"capability:{BOTH}") == sorted([FUNCTION.encode(), OTHER.encode()])
    assert lab.at(f"knows:{OTHER}") == [BOTH.encode()]
    assert lab.at(f"bell:{BOTH}") == [b"1"]


def test_registering_again_only_proves_that_somebody_is_there(lab: Lab):
    lab.register(FUNCTION, OTHER)
    lab.run(b"ZADD", lab.keys.prefix + "capabilities", 1, BOTH)
    before = lab.dump()

    assert not lab.register(FUNCTION, OTHER)

    after = lab.dump()
    assert float(after.pop("capabilities")[BOTH.encode()]) > float(before.pop("capabilities")[BOTH.encode()])
    assert after == before


def test_a_new_capability_finds_one_token_on_its_bell_at_most(lab: Lab):
    lab.run(b"RPUSH", lab.keys.bell(BOTH), b"1")

    lab.register(FUNCTION, OTHER)

    assert lab.at(f"bell:{BOTH}") == [b"1"]


def test_work_that_waited_for_somebody_who_knows_it_is_found(lab: Lab):
    job = new_job(OTHER)
    lab.submit(job)

    lab.register(OTHER)

    assert [claimed.id for claimed in lab.claim(functions=[OTHER]).jobs] == [job.id]


def test_a_capability_nobody_showed_for_a_minute_is_forgotten(lab: Lab):
    lab.register(FUNCTION, OTHER)
    lab.run(b"ZADD", lab.keys.prefix + "capabilities", lab.now_ms() - 61_000, BOTH)

    lab.register()

    left = lab.dump()
    assert not {f"capability:{BOTH}", f"bell:{BOTH}", f"knows:{OTHER}"} & set(left)
    assert set(left["capabilities"]) == {capability_of([FUNCTION]).encode()}
    assert not lab.claim(functions=[FUNCTION, OTHER]).registered


def test_a_capability_shown_within_the_minute_stays(lab: Lab):
    lab.register(FUNCTION, OTHER)
    lab.run(b"ZADD", lab.keys.prefix + "capabilities", lab.now_ms() - 30_000, BOTH)

    lab.register()

    assert lab.claim(functions=[FUNCTION, OTHER]).registered
