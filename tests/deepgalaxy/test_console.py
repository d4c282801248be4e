import io

import pytest

from deepgalaxy.console import Progress, clock


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (187, "3:07"), (3600, "60:00")])
def test_time_is_shown_as_minutes_and_seconds(seconds, shown):
    assert clock(seconds) == shown


def test_on_a_terminal_one_line_is_redrawn():
    terminal = Terminal()
    progress = Progress(4, terminal)
    progress.update(1, "first")
    progress.update(1.1, "too soon to be drawn")
    progress.update(4, "last")
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().startswith("\r1/4  first")
    assert "soon" not in terminal.getvalue()
    assert "4/4  last" in terminal.getvalue()


def test_in_a_log_lines_are_sparse_and_the_last_is_there():
    log = io.StringIO()
    progress = Progress(3, log)
    for done in (1, 2, 3):
        progress.update(done, "work")
    progress.note("done")
    assert log.getvalue() == "3/3  work\ndone\n"
