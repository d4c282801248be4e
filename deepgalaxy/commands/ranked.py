"""Commands that also run as ranks of a launcher: `mpirun -np 4 deepgalaxy train ...` does what it says."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from deepgalaxy import placement, runtime
from deepgalaxy.errors import USAGE_EXIT_CODE, BadResultError, InputError, near_names
from deepgalaxy.words import Engine, Precision, possible

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks

BAD_RESULT_EXIT_CODE = 3
LOST_EXIT_CODE = 5
INTERRUPTED_EXIT_CODE = 130

Choice = TypeVar("Choice", Engine, Precision)

ANOTHER_RANK_ENDED = "Horovod has been shut down"


def add_options(parser: Any, *, exchanging: bool, auto: bool = False) -> None:
    """Options of how ranks compute and, where they do, exchange. auto: the command can choose what is fastest."""
    group = parser.add_argument_group("ranks" if exchanging else "computing")
    option = group.add_argument
    chosen = ", auto: the fastest" if auto else ""
    option(
        "--engine",
        default="tensorflow",
        metavar="NAME",
        help=f"tensorflow, itex: Intel's extension{chosen} (tensorflow)",
    )
    option(
        "--precision",
        default="fp32",
        metavar="NAME",
        help=f"fp32, bf16, bf16-amp: the extension's automatic one{chosen} (fp32)",
    )
    option("--cores", type=int, metavar="N", help="of each rank (this node's, divided among its ranks)")
    option("--deterministic", action="store_true", help="the same bits in every run; slower")
    if not exchanging:
        parser.set_defaults(fusion_mb=None, cycle_ms=None, fp16_compression=False)
        return
    option("--fusion-mb", type=float, metavar="MB", help="Horovod's fusion buffer (Horovod's default, 128)")
    option("--cycle-ms", type=float, metavar="MS", help="pause between Horovod's rounds (Horovod's default, 1)")
    option("--fp16-compression", action="store_true", help="exchange gradients as 16-bit numbers")


def begin(arguments: argparse.Namespace, seed: int) -> Ranks:
    """Load TensorFlow on this rank's cores and join the other ranks, if a launcher has started any.

    Raises
    ------
    InputError: unknown engine or precision, no Horovod for several ranks
    """
    engine, precision = named(Engine, arguments.engine), named(Precision, arguments.precision)
    if not possible(engine, precision):
        raise InputError(f"--precision {precision.value} is the Intel extension's: it needs --engine itex")
    for value, variable, unit in (
        (arguments.fusion_mb, "HOROVOD_FUSION_THRESHOLD", 2**20),
        (arguments.cycle_ms, "HOROVOD_CYCLE_TIME", 1),
    ):
        if value is not None:
            os.environ[variable] = f"{value * unit:.0f}" if unit > 1 else f"{value:g}"
    size, sharing = placement.announced_size(os.environ), placement.local_size(os.environ)
    cores = len(placement.physical_cores(os.sched_getaffinity(0)))
    wanted = arguments.cores or max(1, cores // sharing)
    if not 1 <= wanted <= cores:
        raise InputError(f"--cores {wanted} is outside 1 to {cores}, which this process may use")
    runtime.prepare(wanted)
    cpus = placement.bind(wanted)
    from deepgalaxy.engine import load_tensorflow

    tf = load_tensorflow(engine, precision, threads=len(cpus))
    tf.keras.utils.set_random_seed(seed)
    if arguments.deterministic:
        tf.config.experimental.enable_op_determinism()
    from deepgalaxy.training.ranks import Alone

    if size == 1:
        return Alone()
    try:
        from deepgalaxy.training.distributed import connect
    except ImportError as error:
        raise InputError(f"{size} ranks were started, and Horovod can't be loaded: {error}") from None
    return connect(yielding=True, fp16=arguments.fp16_compression)


def told_once(work: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """A command that on rank 0 alone tells of wrong input, results that can't be, and interruption."""

    def run(arguments: argparse.Namespace) -> int:
        first = placement.announced_rank(os.environ) == 0
        try:
            return work(arguments)
        except InputError:
            if first:
                raise
            return USAGE_EXIT_CODE
        except BadResultError as error:
            if first:
                print(f"error: {error}", file=sys.stderr)
            return BAD_RESULT_EXIT_CODE
        except Exception as error:
            if ANOTHER_RANK_ENDED not in str(error):
                raise
            print(f"error: {ANOTHER_RANK_ENDED}: another rank has ended; its own message says why", file=sys.stderr)
            return LOST_EXIT_CODE
        except KeyboardInterrupt:
            if first:
                print("interrupted; the same command with --resume goes on", file=sys.stderr)
            _end(INTERRUPTED_EXIT_CODE)

    return run


def _end(code: int) -> NoReturn:
    """End the process at once: a thread that reads ahead would call into an interpreter that is being taken down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def named(kind: type[Choice], name: str) -> Choice:
    """The engine or precision of that name.

    Raises
    ------
    InputError: there is none
    """
    with suppress(ValueError):
        return kind(name)
    raise InputError(near_names(kind.__name__.lower(), name, [x.value for x in kind]))
