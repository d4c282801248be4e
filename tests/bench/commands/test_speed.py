"""`dgbench peers | compare-sites | profile | tune-runtime`: what is refused, and help that teaches."""

import pytest

from bench.cli import main

COMMANDS = ("peers", "compare-sites", "profile", "tune-runtime")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["peers", "--launches", "0"], "--launches 0 is too small"),
        (["peers", "--cases", "EfficientNetB0:128"], "--cases EfficientNetB0:128: each is BACKBONE:RESOLUTION"),
        (["peers", "--cases", "EfficientNetB0:128:8:9999:1"], "9999 workers need"),
        (
            ["peers", "--cases", "EfficentNetB0:128:8:1:1"],
            "unknown backbone 'EfficentNetB0'",
        ),
        (["compare-sites", "local"], "sites local: two or more of different names are needed"),
        (["compare-sites", "local", "local", "--launches", "0"], "--launches 0 is too small"),
        (["profile", "EfficientNetB0", "--steps", "0"], "--steps 0 is too small"),
        (["profile", "EfficientNetB0", "--workers", "9999"], "9999 workers need"),
        (["profile", "EfficientNetB0", "--precision", "bf16-amp"], "it needs engine itex"),
        (["tune-runtime", "--minutes", "0"], "--minutes 0.0 is not a number above 0"),
        (["tune-runtime", "--workers", "9999"], "9999 workers need"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments, told, capsys, tmp_path):
    assert main([*arguments, "--results", str(tmp_path / "results")]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"example: dgbench {command}" in capsys.readouterr().out
