"""Batch scripts as text; a real Slurm reads them in tests/slurm."""

import shlex
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.campaign.site import load_site
from bench.launch.slurm import TASK, Job, options, script, submission
from deepgalaxy.errors import InputError

SITE = load_site("slurm-cpu")


def job(**fields):
    defaults = dict(
        name="dgbench fig7 00",
        site=SITE,
        nodes=256,
        workers_per_node=4,
        cores_per_worker=14,
        minutes=90.4,
        command=["python", "-m", "bench.cli", "resume", "fig7"],
        log=Path("/r/fig7/00"),
        folder=Path("/suite"),
    )
    return Job(**(defaults | fields))


def test_a_script_is_what_a_person_would_write():
    assert script(job(about=["fig7: how does it scale?"])) == (
        "#!/bin/bash\n"
        "# fig7: how does it scale?\n"
        '#SBATCH --job-name="dgbench fig7 00"\n'
        "#SBATCH --nodes=256\n"
        "#SBATCH --ntasks-per-node=4\n"
        "#SBATCH --cpus-per-task=14\n"
        "#SBATCH --time=91\n"
        "#SBATCH --output=/r/fig7/00-%j.out\n"
        "#SBATCH --signal=B:TERM@90\n"
        "#SBATCH --account=my-account\n"
        "#SBATCH --partition=compute\n"
        "#SBATCH --exclusive\n"
        "\n"
        "set -eu\n"
        "cd /suite\n"
        "module load openmpi\n"
        "export OMPI_MCA_mtl=psm2\n"
        "exec python -m bench.cli resume fig7\n"
    )


def test_an_array_gives_each_task_its_number():
    array = job(tasks=9, command=["run", "--task", TASK])
    assert ("array", "0-8") in options(array)
    assert dict(options(array))["output"].endswith("-%A_%a.out")
    assert script(array).endswith('exec run --task "$SLURM_ARRAY_TASK_ID"\n')


def test_a_job_longer_than_the_site_takes_is_refused():
    with pytest.raises(InputError, match=r"needs 25.0 h, site slurm-cpu takes jobs of up to 24 h"):
        script(job(minutes=25 * 60))


@given(st.text(max_size=40).filter(lambda t: "\0" not in t), st.text(max_size=40).filter(lambda t: "\0" not in t))
def test_any_text_stays_data(name, word):
    site = msgspec.structs.replace(SITE, scheduler_options={}, modules=[], environment={})
    made = job(name=name, site=site, command=["printf", "%s\\n", word], log=Path("/r"), about=[name, word])
    text = script(made)
    body = text.partition("\nset -eu\n")[2]
    head = text.partition("\nset -eu\n")[0].splitlines()
    assert all(line.startswith("#") for line in head if line)
    assert shlex.split(body) == ["cd", "/suite", "exec", "printf", "%s\\n", word]
    told = [line for line in head if line.startswith("#SBATCH --job-name")]
    assert bool(told) == name.isprintable()
    tokens = submission(made, Path("/r/x.sh"))
    assert (f"--job-name={name}" in tokens) != name.isprintable()
    assert tokens[-2:] == ["--", "/r/x.sh"]


@pytest.mark.parametrize("word", ["$(touch broken)", "`id`", "a'b\"c", "new\nline; exit 3", "*", "-n"])
def test_a_shell_that_runs_the_script_sees_the_very_words(tmp_path, word):
    site = msgspec.structs.replace(SITE, modules=[], environment={"DG_WORD": word.replace("\n", " ")})
    made = job(
        site=site, command=["printf", "%s|%s", word, "end"], log=tmp_path, folder=tmp_path, name=word, about=[word]
    )
    (tmp_path / "job.sh").write_text(script(made))
    done = subprocess.run(["bash", str(tmp_path / "job.sh")], capture_output=True, text=True, check=True)
    assert done.stdout == f"{word}|end"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["job.sh"]
