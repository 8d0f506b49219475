"""The screen of a worker: one screen, whatever the project's size."""

from __future__ import annotations

from upnext_django.management.screen import StartScreen


def screen(*tasks: str, crons: tuple[str, ...] = ()) -> str:
    return str(
        StartScreen(
            redis="redis://:***@host:6379/0",
            workers=("mail", "shop"),
            queues=("mail", "shop"),
            slots=10,
            tasks=tasks,
            crons=crons,
            loop="asyncio",
            history="written here",
            stop="Stop with Ctrl-C.",
        )
    )


def test_it_names_what_the_process_serves():
    lines = screen("shop.tasks.b", "shop.tasks.a").splitlines()

    assert lines[0].startswith("upnext_django ")
    assert "  Redis    redis://:***@host:6379/0" in lines
    assert "  Queues   mail, shop" in lines
    assert "  Slots    10 (asyncio)" in lines
    assert lines[-4:] == ["  Tasks    shop.tasks.a", "           shop.tasks.b", "", "Stop with Ctrl-C."]


def test_many_tasks_are_counted_instead_of_listed():
    text = screen(*(f"shop.tasks.t{number:03}" for number in range(200)))

    assert len(text.splitlines()) < 25
    assert "and 188 more" in text


def test_crons_have_their_times_beside_them():
    text = screen("shop.tasks.a", crons=("shop.tasks.nightly  0 3 * * *  Europe/Berlin",))

    assert "  Crons    shop.tasks.nightly  0 3 * * *  Europe/Berlin" in text.splitlines()
    assert "Crons" not in screen("shop.tasks.a")


def test_no_task_is_said():
    assert "  Tasks    none" in screen()
