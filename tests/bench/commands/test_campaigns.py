"""`dgbench validate | plan | run | resume | retry` with a worker that computes nothing."""

import json
import sys
import time

import pytest

from bench.cli import main
from bench.execute import Terms, measure
from bench.launch import commands
from bench.launch.allocation import Allocation
from bench.store.results import Results
from deepgalaxy.words import Outcome
from tests.bench.faults import worker as fake_worker

CAMPAIGN = """
name = "small"
question = "Does it?"
baseline_workers = 1
data = {{ file = "{data}" }}
settings = {{ mode = "train", backbone = "Small", resolution = 32, batch_size = 2, steps = 3, warmup_steps = 1 }}
{more}
[[points]]
workers = [1, 100_000]
"""


@pytest.fixture
def campaign(tmp_path, data_file, monkeypatch):
    """A function that writes a campaign of one point that fits and one that does not."""
    for launcher in commands.COMMANDS:
        monkeypatch.setitem(
            commands.COMMANDS, launcher, lambda spec, worker, *_: [sys.executable, fake_worker.__file__, *worker[-2:]]
        )

    def write(more=""):
        path = tmp_path / "small.toml"
        path.write_text(CAMPAIGN.format(data=data_file, more=more))
        return [str(path), "--results", str(tmp_path / "results")]

    return write


def outcomes(tmp_path):
    return sorted(s.outcome.value for s in Results(tmp_path / "results").summaries())


def test_what_ships_is_valid(capsys):
    assert main(["validate"]) == 0
    said = capsys.readouterr().out
    assert "campaign fig7, 9 points" in said and "site slurm-cpu: 1024 slots" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["validate", "fig8"], "unknown campaign or site 'fig8'; near names: fig7"),
        (["validate", "none.toml"], "none.toml does not exist"),
        (["plan", "quick", "--workers", "7"], "campaign quick has no point that was asked for"),
        (["plan", "quick", "--task", "0"], "--task needs --points"),
        (["plan", "quick", "--points", "none"], "--points none"),
        (["submit", "quick"], "site local has no scheduler; `dgbench run` measures here"),
        (["retry", "quick", "--outcome", "oomm"], "unknown outcome 'oomm'; near names: oom"),
        (["run", "quick", "--hostfile", "none"], "host file none: [Errno 2] No such file or directory"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, told):
    results = [] if arguments[0] == "validate" else ["--results", str(tmp_path)]
    assert main([*arguments, *results]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and told in said[0]


def test_a_plan_says_what_fits_and_what_it_costs(campaign, capsys):
    assert main(["plan", *campaign(), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    fits, too_many = told["points"]
    assert fits["launches"] == 1 and not fits["why_not"]
    assert "100000 workers need" in too_many["why_not"]
    assert told["node_hours"] == pytest.approx(fits["minutes"] / 60)
    assert main(["plan", *campaign("budget_node_hours = 0.001")]) == 2
    assert "its budget_node_hours is 0.001" in capsys.readouterr().err


def test_repeats_are_launches_and_resuming_adds_none(campaign, tmp_path):
    assert main(["run", *campaign("repeats = 3")]) == 0
    assert outcomes(tmp_path) == ["ok"] * 3 + ["skipped"]
    assert main(["resume", *campaign("repeats = 3")]) == 0
    assert outcomes(tmp_path) == ["ok"] * 3 + ["skipped"]
    assert main(["run", *campaign()]) == 0
    assert outcomes(tmp_path) == ["ok"] * 4 + ["skipped"]


def test_points_of_a_file_run_in_its_order_and_a_task_is_one_of_them(campaign, tmp_path, capsys):
    assert main(["plan", *campaign(), "--json"]) == 0
    keys = [p["key"] for p in json.loads(capsys.readouterr().out)["points"]]
    listed = tmp_path / "points"
    listed.write_text("\n".join(reversed(keys)))
    assert main(["plan", *campaign(), "--json", "--points", str(listed)]) == 0
    assert [p["key"] for p in json.loads(capsys.readouterr().out)["points"]] == keys[::-1]
    assert main(["plan", *campaign(), "--json", "--points", str(listed), "--task", "1"]) == 0
    assert [p["key"] for p in json.loads(capsys.readouterr().out)["points"]] == keys[:1]
    assert main(["plan", *campaign(), "--points", str(listed), "--task", "2"]) == 2
    assert "--task 2 is outside 0 to 1" in capsys.readouterr().err


def test_what_the_allocation_has_no_time_for_is_left(make_spec, tmp_path, campaign):
    from bench.campaign.data import DataRequest
    from bench.campaign.site import load_site

    campaign()
    spec, results = make_spec(), Results(tmp_path / "results")
    over = Terms(allocation=Allocation(ends_at=time.time() + 1))
    assert measure([spec], load_site("local"), results, DataRequest(file=spec.data), over) == []
    long = Terms(allocation=Allocation(ends_at=time.time() + 600, job="7"))
    (record,) = measure([spec], load_site("local"), results, DataRequest(file=spec.data), long)
    assert record.outcome is Outcome.OK and record.job == "7"


def test_status_counts_points_by_their_last_outcome(campaign, capsys, monkeypatch):
    monkeypatch.setenv("DG_FAULT", "exit")
    monkeypatch.setattr(commands, "KEPT_NAMES", (*commands.KEPT_NAMES, "DG_FAULT"))
    assert main(["run", *campaign()]) == 1
    capsys.readouterr()
    assert main(["status", *campaign()]) == 0
    said = capsys.readouterr().out
    assert "2 points: 1 rank_lost, 1 skipped" in said
    assert "ended without its record (exit code 7)" in said


def test_launches_are_added_until_intervals_are_narrow(campaign, tmp_path):
    command = ["run", *campaign()]
    assert main([*command, "--until-interval", "0.5"]) == 0
    assert outcomes(tmp_path) == ["ok", "ok", "skipped"]  # one launch knows nothing of the next
    assert main(["resume", *campaign("until_interval = 0.5")]) == 0
    assert outcomes(tmp_path) == ["ok", "ok", "skipped"]


def test_a_budget_ends_further_launches(campaign, tmp_path):
    assert main(["run", *campaign("until_interval = 0.5\nbudget_node_hours = 1e-9")]) == 2  # more than a plan may take
    assert main(["run", *campaign("until_interval = 1e-9\nmost_repeats = 3")]) == 0
    assert outcomes(tmp_path) in (["ok"] * 2 + ["skipped"], ["ok"] * 3 + ["skipped"])


def test_a_width_out_of_range_is_refused(campaign, capsys):
    assert main(["run", *campaign(), "--until-interval", "-1"]) == 2
    assert "until_interval -1" in capsys.readouterr().err
