"""`deepgalaxy train`: train the networks on merger images, on one process or many."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepgalaxy.commands import ranked
from deepgalaxy.console import Progress
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.files import replacing
from deepgalaxy.words import Engine, Precision

if TYPE_CHECKING:
    from deepgalaxy.training.trainer import Training

SHOWN = (".csv", ".json", ".keras", ".png")
"""Files of a training that its end names."""


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "train",
        help="train classifier, autoencoder and VAE on merger images",
        description=(
            "Train the networks on merger images: the classifier, the autoencoder and the VAE, alone or together, with "
            "labelled and unlabelled images. Started by mpirun or horovodrun, it trains data-parallel with Horovod. "
            "DIR gets settings, log.csv, curves.png, TensorBoard's events, checkpoints, the best model.keras, and "
            "evaluation.json. Stopped in any way, the same command with --resume goes on from the newest checkpoint."
        ),
        epilog=(
            "examples: deepgalaxy train --data data/mergers_128.hdf5 --out runs/first --flips --rotations  |  "
            "mpirun -np 2 deepgalaxy train --data data/mergers_128.hdf5 --out runs/two  |  everything at once, with "
            "observed galaxies: ... --loss-weights classes=1 images=10 features=1 kl=0.001 --unlabelled hubble"
        ),
    )
    option = parser.add_argument
    option("--data", metavar="HDF5", help="merger images, see `deepgalaxy simulate`")
    option("--out", type=Path, metavar="DIR", required=True, help="folder of this training")
    option("--resume", action="store_true", help="go on from the newest usable checkpoint in DIR")
    option("--preset", metavar="NAME", help="`paper`: EfficientNetB4 from ImageNet, AdaDelta at 8.0, squared error")
    option("--json", action="store_true", help="print the result as JSON")
    _network_options(parser.add_argument_group("network"))
    _optimisation_options(parser.add_argument_group("optimisation"))
    _data_options(parser.add_argument_group("data"))
    ranked.add_options(parser, exchanging=True)
    parser.set_defaults(run=ranked.told_once(run))


def _network_options(group: Any) -> None:
    option = group.add_argument
    option("--backbone", metavar="NAME", help="Small, or a model of keras.applications (EfficientNetB0)")
    option("--weights", metavar="FILE", help="of the encoder: `imagenet`, a file; random when left out")
    option("--latent", type=int, metavar="N", help="length of the VAE's z (16)")
    option(
        "--loss-weights",
        nargs="+",
        metavar="NAME=WEIGHT",
        help="classes: classifier, images: autoencoder, features and kl: VAE (classes=1)",
    )
    option("--classification-loss", metavar="NAME", help="cross-entropy, or the paper's mse (cross-entropy)")


def _optimisation_options(group: Any) -> None:
    option = group.add_argument
    option("--optimizer", metavar="NAME", help="Adadelta, Adam, SGD, ... of Keras (Adam)")
    option("--learning-rate", type=float, metavar="RATE", help="of one worker (0.001)")
    option("--scaling", metavar="HOW", help="of the rate by the workers: linear, none (linear)")
    option("--warmup-epochs", type=float, metavar="N", help="until the scaled rate is reached (1)")
    option("--batch-size", type=int, metavar="N", help="images per worker and pass (8)")
    option("--passes", type=int, metavar="N", help="before gradients are exchanged (1)")
    option("--epochs", type=int, metavar="N", help="(12)")
    option("--patience", type=int, metavar="N", help="epochs without a lower validation loss before the end (0: off)")
    option("--checkpoint-every", type=int, metavar="STEPS", help="(0: at the end of each epoch)")
    option("--seed", type=int, help="of weights, order, augmentation, dropout (0)")


def _data_options(group: Any) -> None:
    option = group.add_argument
    option("--unlabelled", metavar="IMAGES", help="folder of observed images, or `hubble`, trained on as well")
    option("--unlabelled-batch-size", type=int, metavar="N", help="per worker and pass; 0: only report on them (2)")
    option("--noise", type=float, metavar="SIGMA", help="Gaussian noise on training images, in [0, 1] (0)")
    option("--flips", action="store_true", default=None, help="mirror training images at random")
    option("--rotations", action="store_true", default=None, help="turn training images by quarters at random")
    option("--loading", metavar="MODE", help="of a rank: all, shard, reshuffle (reshuffle)")
    option("--reshuffle-every", type=int, metavar="EPOCHS", help="(1)")
    option("--simulations", metavar="PATTERN", help="use those whose name fits, e.g. 's_1_*' (all)")
    option("--cameras", type=int, nargs="+", metavar="N", help="use these (all)")
    option("--times-myr", type=float, nargs=2, metavar="MYR", help="use images from the first to the second time")
    option("--hold-out-simulations", nargs="+", metavar="PATTERN", help="never train on them; report how they fare")
    option("--hold-out-cameras", type=int, nargs="+", metavar="N", help="likewise")
    option("--split-by-image", action="store_true", default=None, help="deal images, not snapshots, to validation")


def run(arguments: argparse.Namespace) -> int:
    """Train, evaluate, and say what was reached."""
    from deepgalaxy.training.settings import TrainingSettings

    settings = TrainingSettings(**chosen_settings(arguments))
    ranks = ranked.begin(arguments, settings.seed)
    progress = Progress(settings.epochs, quiet=ranks.rank > 0)
    from deepgalaxy.training.trainer import Training

    training = Training(settings, ranks, arguments.out, progress.note)
    training.begin(resume=arguments.resume)
    history = training.run(lambda done, what: progress.update(done, f"epochs  {what}"))
    result = evaluate(training, arguments.out)
    ranks.leave()
    if ranks.rank == 0:
        if arguments.json:
            print(json.dumps({"history": history, "evaluation": result, "out": str(arguments.out)}))
        else:
            print(_table(result))
            print(*(path for path in sorted(arguments.out.iterdir()) if path.suffix in SHOWN), sep="\n")
    return 0


def chosen_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says, over its preset, by the fields of `TrainingSettings`.

    Raises
    ------
    InputError: no data, unknown preset, a loss weight that is no NAME=NUMBER
    """
    from deepgalaxy.training.settings import PRESETS, TrainingSettings

    if not arguments.data:
        raise InputError("--data is missing: an HDF5 file of merger images, see `deepgalaxy simulate`")
    preset = getattr(arguments, "preset", None) or ""
    if preset and preset not in PRESETS:
        raise InputError(near_names("preset", preset, PRESETS))
    given = {name: getattr(arguments, name, None) for name in TrainingSettings.__struct_fields__}
    chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    chosen = dict(PRESETS.get(preset, {})) | {name: value for name, value in chosen.items() if value is not None}
    if "loss_weights" in chosen:
        chosen["loss_weights"] = _weights(chosen["loss_weights"])
    return chosen | {
        "engine": ranked.named(Engine, arguments.engine),
        "precision": ranked.named(Precision, arguments.precision),
    }


def _weights(pairs: tuple[str, ...]) -> dict[str, float]:
    weights = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            raise InputError(f"--loss-weights {pair!r} is not of the form NAME=NUMBER, e.g. classes=1") from None
    return weights


def evaluate(training: Training, out: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Score the best network on validation and held-out images, the classifier beside rules without a network."""
    from deepgalaxy.training.logs import draw_reconstructions
    from deepgalaxy.training.rules import NearestPixels, median_rule

    training.load_best()
    sets = training.sets
    tested = {"validation": sets.validation, **{f"held-out {k}": v for k, v in sets.held_out.items()}}
    result = {name: {"network": {"images": len(x), **training.evaluation.of(x)}} for name, x in tested.items()}
    if training.unlabelled:
        result["observed"] = {
            "network": {
                "images": len(training.unlabelled.validation),
                **training.evaluation.of_observed(training.unlabelled),
            }
        }
    if not training.is_first:
        return result
    if "classes" in training.objective.weights:
        nearest = NearestPixels(sets.catalogue, sets.training)
        for name, examples in tested.items():
            result[name]["median class"] = median_rule(sets.training, examples)._asdict()
            result[name]["nearest in pixels"] = nearest.score(examples)._asdict()
    if "images" in training.objective.weights:
        draw_reconstructions(training.evaluation.reconstructions(training.unlabelled), out / "reconstructions.png")
    with replacing(out / "evaluation.json") as partial:
        partial.write_text(json.dumps(result, indent=1))
    return result


def _table(result: dict[str, dict[str, dict[str, float]]]) -> str:
    import pandas as pd

    rows = [
        {"tested on": name, "guess by": rule, **scores}
        for name, rules in result.items()
        for rule, scores in rules.items()
    ]
    columns = [
        "tested on",
        "images",
        "guess by",
        "top_1",
        "top_5",
        "error_myr",
        "classes_loss",
        "images_loss",
        "features_loss",
    ]
    table = pd.DataFrame(rows)
    return str(table[[c for c in columns if c in table]].round(4).to_markdown(index=False))
