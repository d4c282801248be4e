"""`deepgalaxy search`: images that look like a query, and what they say of it."""

from __future__ import annotations

import argparse
import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepgalaxy.commands import ranked
from deepgalaxy.errors import InputError

if TYPE_CHECKING:
    from deepgalaxy.data.observed import Observed
    from deepgalaxy.search.graph import Recommender
    from deepgalaxy.search.index import LatentIndex

MOST_QUERIES = 24


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "search",
        help="search an index by similarity",
        description=(
            "Find the images of an index that are like a query: among its nearest neighbours in latent space, those in "
            "its group by spectral clustering of their graph. Tells the structural similarity (SSIM) of each with the "
            "query, and the query's class, time to merge, mass and size ratio as its neighbours have them: median and "
            "the interval of 68%. Without a query, --quality compares recommendations with nearest pixels and chance."
        ),
        epilog=(
            "examples: deepgalaxy search photos --index mergers.npz --model runs/joint/model.keras --sheet out.png  |  "
            "deepgalaxy search --index mergers.npz --quality 300"
        ),
    )
    option = parser.add_argument
    option("query", nargs="?", metavar="QUERY", help=f"an image, a folder or `hubble`: its first {MOST_QUERIES}")
    option("--index", type=Path, required=True, metavar="NPZ", help="of `deepgalaxy index`")
    option("--model", type=Path, metavar="KERAS", help="the model that made the index")
    option("--most", type=int, default=6, metavar="N", help="recommendations to a query (6)")
    option("--sheet", type=Path, metavar="PNG", help="draw queries and recommendations")
    option("--grid", type=Path, metavar="PNG", help="draw images that the VAE generates across latent space")
    option("--quality", type=int, metavar="QUERIES", help="compare recommendations to so many images of the index")
    option("--seed", type=int, default=0, help="of --quality's choice of images (0)")
    option("--json", action="store_true", help="print as JSON")
    ranked.add_options(parser, exchanging=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for, in turn."""
    if not 1 <= arguments.most <= 50:
        raise InputError(f"--most {arguments.most} is outside 1 to 50")
    if not (arguments.query or arguments.quality or arguments.grid):
        raise InputError("nothing to search for: name a QUERY, --quality or --grid")
    if (arguments.query or arguments.grid) and not arguments.model:
        raise InputError("--model is missing: the model.keras that made the index")
    ranked.begin(arguments, seed=0)
    from deepgalaxy.search.index import read_index

    index = read_index(arguments.index)
    result: dict[str, Any] = {}
    if arguments.query or arguments.grid:
        result = _search(arguments, index)
    if arguments.quality:
        result["quality"] = _quality(arguments, index)
    print(json.dumps(result, indent=1) if arguments.json else _told(result))
    return 0


def _search(arguments: argparse.Namespace, index: LatentIndex) -> dict[str, Any]:
    import numpy as np

    from deepgalaxy.data.sources import images_of
    from deepgalaxy.networks.deepgalaxy import in_global_precision, load_network
    from deepgalaxy.search.figures import draw_latent_grid, draw_recommendations
    from deepgalaxy.search.graph import Recommender
    from deepgalaxy.search.index import Encoder

    model = in_global_precision(load_network(arguments.model))
    encode = Encoder(model, arguments.model)
    if encode.sha256 != index.model_sha256[0]:
        raise InputError(f"{arguments.index} was made by another model than {arguments.model}")
    if arguments.grid:
        draw_latent_grid(model, index.z, arguments.grid)
    if not arguments.query:
        return {}
    skipped: list[Any] = []
    images, _ = images_of(arguments.query, encode.resolution, skipped.append)
    queries = list(islice(images, MOST_QUERIES))
    if not queries:
        raise InputError(f"none of the {len(skipped)} images in {arguments.query} can be read")
    recommender = Recommender(index.z)
    z = encode(np.stack([q.pixels for q in queries]))
    answers = [_answer(q, v, index, recommender, arguments.most) for q, v in zip(queries, z, strict=True)]
    if arguments.sheet:
        draw_recommendations([shown for _, shown in answers], arguments.sheet)
    return {"queries": [answer for answer, _ in answers], "skipped": {s.name: s.reason for s in skipped}}


def _answer(
    query: Observed, z: Any, index: LatentIndex, recommender: Recommender, most: int
) -> tuple[dict[str, Any], Any]:
    """What is recommended to a query, told and shown."""
    import numpy as np

    from deepgalaxy.search.figures import Shown
    from deepgalaxy.search.quality import infer_properties, ssim

    found = recommender.recommend(z, most)
    images = index.images(found.numbers)
    rows: list[dict[str, Any]] = [
        {
            "image": index.name(int(n)),
            "distance": float(distance),
            "in_group": bool(inside),
            "ssim": ssim(query.pixels, image),
            "label": int(index.label[n]),
        }
        for n, distance, inside, image in zip(found.numbers, found.distances, found.in_group, images, strict=True)
    ]
    properties = {k: v._asdict() for k, v in infer_properties(index, found.numbers).items()}
    answer = {
        "query": query.name,
        "inferred": properties,
        "recommendations": rows,
        "graph": {"components": found.components, "groups": found.groups, "spectrum": found.spectrum.tolist()},
    }
    time = properties["time_to_merge_myr"]
    captions = [f"{query.name[:24]}\n{time['median']:.0f} [{time['low']:.0f}, {time['high']:.0f}] Myr"]
    captions += [f"{row['image'].split('/')[0]}\nclass {row['label']}, SSIM {row['ssim']:.2f}" for row in rows]
    return answer, Shown(np.concatenate([query.pixels[None], images]), captions)


def _quality(arguments: argparse.Namespace, index: LatentIndex) -> dict[str, Any]:
    from deepgalaxy.search.quality import measure

    return {
        allowed: {
            way: quality._asdict()
            for way, quality in measure(
                index, arguments.quality, arguments.most, arguments.seed, own_simulation=own
            ).items()
        }
        for allowed, own in (("all images but the query", True), ("other simulations only", False))
    }


def _told(result: dict[str, Any]) -> str:
    """For people."""
    lines = []
    for answer in result.get("queries", []):
        inferred = "  ".join(
            f"{k} {v['median']:.4g} [{v['low']:.4g}, {v['high']:.4g}]" for k, v in answer["inferred"].items()
        )
        lines.append(f"{answer['query']}: {inferred}")
        lines += [
            f"  {row['image']:36} SSIM {row['ssim']:.3f}  distance {row['distance']:.3f}"
            + ("" if row["in_group"] else "  (outside the query's group)")
            for row in answer["recommendations"]
        ]
    lines += [f"skipped {name}: {reason}" for name, reason in result.get("skipped", {}).items()]
    for allowed, ways in result.get("quality", {}).items():
        lines.append(f"recommended from {allowed}:")
        lines += [
            f"  {way:18} SSIM {q['ssim']:.3f}  error of class {q['error_myr']:.1f} Myr" for way, q in ways.items()
        ]
    return "\n".join(lines)
