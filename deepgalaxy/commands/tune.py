"""`deepgalaxy tune`: search for learning rate, optimizer and batch size."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from deepgalaxy.commands import ranked, train
from deepgalaxy.console import Progress
from deepgalaxy.errors import InputError


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "tune",
        help="search for learning rate, optimizer and batch size",
        description=(
            "Search with Optuna for the learning rate, optimizer and batch size of the lowest validation loss. Trials "
            "that fall behind the median of those before are pruned. The study lies in DIR/study.sqlite3: stopped, the "
            "same command goes on until there are as many trials as were asked for. DIR/study.png shows them."
        ),
        epilog=(
            "example: deepgalaxy tune --data data/mergers_64.hdf5 --out runs/tuned --backbone Small --trials 20 "
            "--optimizers Adam Adadelta --learning-rates 1e-4 10 --batch-sizes 8 16"
        ),
    )
    option = parser.add_argument
    option("--data", metavar="HDF5", help="merger images, see `deepgalaxy simulate`")
    option("--out", type=Path, metavar="DIR", required=True, help="folder of the study")
    option("--trials", type=int, default=20, metavar="N", help="in all (20)")
    option("--learning-rates", type=float, nargs=2, default=[1e-4, 10.0], metavar="RATE", help="bounds (0.0001 10)")
    option("--optimizers", nargs="+", default=["Adam", "Adadelta"], metavar="NAME", help="(Adam Adadelta)")
    option("--batch-sizes", type=int, nargs="+", default=[8], metavar="N", help="(8)")
    option("--epochs", type=int, default=4, metavar="N", help="of each trial (4)")
    option("--backbone", metavar="NAME", help="(EfficientNetB0)")
    option("--weights", metavar="FILE", help="of the encoder: `imagenet`, a file; random when left out")
    option("--simulations", metavar="PATTERN", help="use those whose name fits, e.g. 's_1_*' (all)")
    option("--cameras", type=int, nargs="+", metavar="N", help="use these (all)")
    option("--classification-loss", metavar="NAME", help="cross-entropy, or the paper's mse (cross-entropy)")
    option("--seed", type=int, help="of weights, order, and what is tried (0)")
    option("--json", action="store_true", help="print the result as JSON")
    ranked.add_options(parser, exchanging=True)
    parser.set_defaults(run=ranked.told_once(run))


def run(arguments: argparse.Namespace) -> int:
    """Search, draw, and say what was best."""
    from deepgalaxy.training.settings import TrainingSettings

    if arguments.trials < 1:
        raise InputError(f"--trials {arguments.trials} is less than 1")
    settings = TrainingSettings(**train.chosen_settings(arguments))
    ranks = ranked.begin(arguments, settings.seed)
    progress = Progress(arguments.trials, quiet=ranks.rank > 0)
    from deepgalaxy.training.tuning import SearchSpace, Tuning, draw

    space = SearchSpace(tuple(arguments.learning_rates), arguments.optimizers, arguments.batch_sizes)
    study = Tuning(settings, space, ranks, arguments.out, progress.note).run(arguments.trials, progress.update)
    ranks.leave()
    if study is None:
        return 0
    ended = {
        state: sum(t.state.name.lower() == state for t in study.trials) for state in ("complete", "pruned", "fail")
    }
    if not ended["complete"]:
        raise InputError(f"none of {len(study.trials)} trials came to its end: {ended}; try lower learning rates")
    draw(study, arguments.out / "study.png")
    best = {"loss": study.best_value, **study.best_params}
    if arguments.json:
        print(json.dumps({"best": best, "trials": ended, "figure": str(arguments.out / "study.png")}))
    else:
        print(f"best of {ended['complete']} trials ({ended['pruned']} pruned, {ended['fail']} failed): {best}")
        print(arguments.out / "study.png")
    return 0
