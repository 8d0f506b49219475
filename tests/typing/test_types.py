"""The types that users see in their editor, as mypy reads them."""

from pathlib import Path

from mypy import api

HERE = Path(__file__).parent


def test_declared_tasks_have_the_types_of_their_functions(tmp_path: Path):
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = true\n[mypy-upnext_django.*]\nfollow_imports = silent\n")

    shown, errors, status = api.run(
        ["--config-file", str(config), "--cache-dir", str(tmp_path / "cache"), str(HERE / "declared.py")]
    )

    assert (status, errors) == (0, ""), shown
