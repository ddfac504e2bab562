"""Benchmark command `compress-lab bench WHAT`.

`speed` times a compressed model against the dense one, `quality` compares all methods on complete
models, `autoencoder` times the training of the second paper, and `workers` times the parallel
compression of matrices. `landmarks`, `spectra` and `curves` precompute data of the page: its
first runs, the singular values of matrices, and the estimated loss of methods at every size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from compress_lib.cli.arguments import add_pairs
from compress_lib.cli.bench import autoencoder, quality, speed, workers
from compress_lib.cli.output import ProgressLine, write_line
from compress_lib.errors import unknown_name
from compress_lib.models.catalogue import CATALOGUE, DEFAULT_MODEL
from compress_lib.plan.plan import Plan
from compress_lib.results.records import RunRecord
from compress_lib.utils.files import read_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("what", choices=tuple(WHAT), help="benchmark, or data to precompute")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model to measure")
    parser.add_argument("--method", default="svd", help="compression method")
    parser.add_argument("--keep", metavar="F", help="size kept: compressed ÷ original bytes")
    parser.add_argument("--include", default="*", metavar="PATTERN", help="weights to compress")
    add_pairs(parser, "method option (repeatable)")
    parser.add_argument("--repeat", default="7", metavar="N", help="timed repetitions")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--out", metavar="FOLDER", help="output folder")
    parser.add_argument("--only", metavar="NAME[,NAME]", help="only records with these name parts")
    parser.add_argument("--fresh", action="store_true", help="recompute existing records")
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")
    quality.add_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Run the selected benchmark."""
    WHAT[options.what](options)


def _spectra(options: argparse.Namespace) -> None:
    """Write the singular values of a model's matrices, from which the page computes errors."""
    from safetensors.numpy import save

    from compress_lib.models.loading import load_model
    from compress_lib.plan.spectra import FOLDER
    from compress_lib.runs.precompute import measure_spectra
    from compress_lib.utils.files import atomic_write

    file = _arrays_path(options, FOLDER)
    report = ProgressLine()
    model = load_model(options.model, device=options.device, report=report)
    spectra = measure_spectra(model, report)
    atomic_write(file, save(spectra))
    write_line(f"{len(spectra)} spectra: {file.stat().st_size:,} bytes")


def _curves(options: argparse.Namespace) -> None:
    """Write the loss curves of methods: the estimated loss at every size, for the page's preview.

    Curves that the file already has are kept, so that methods can be added one by one.
    """
    from safetensors.numpy import load_file, save

    from compress_lib.data.calibration_text import Calibration
    from compress_lib.data.corpora import read_text
    from compress_lib.data.tokenization import tokenize_calibration
    from compress_lib.models.loading import load_model
    from compress_lib.plan.forecast import FOLDER
    from compress_lib.runs.precompute import curved_methods, measure_curves
    from compress_lib.utils.files import atomic_write

    file = _arrays_path(options, FOLDER)
    names = quality.filter_names(curved_methods(), options.only)
    report = ProgressLine()
    model = load_model(options.model, device=options.device, report=report)
    spec = Plan().calibration
    tokens = tokenize_calibration(model, spec, read_text(spec, "calibration"))
    text = Calibration(tuple(tokens.examples(0)))
    curves = load_file(file) if file.is_file() else {}
    for name in names:
        measured = any(key.startswith(f"{name}/") for key in curves)
        if measured and not options.fresh:
            continue
        curves |= measure_curves(model, text, [name], report)
        atomic_write(file, save(curves))
        write_line(f"{name}: {file.stat().st_size:,} bytes")


def _arrays_path(options: argparse.Namespace, default: Path) -> Path:
    """Return the file of a model's precomputed arrays.

    Raises:
        CompressionError: The model is not in the catalogue, so the page would never read the file.
    """
    from compress_lib.plan.spectra import ENDING

    if options.model not in CATALOGUE:
        raise unknown_name("catalogue model", options.model, CATALOGUE)
    return (Path(options.out) if options.out else default) / f"{options.model}{ENDING}"


def _landmarks(options: argparse.Namespace) -> None:
    """Run every missing landmark; finished ones are kept if the command is interrupted."""
    from compress_lib.models.loading import load_model
    from compress_lib.results.landmarks import FOLDER, landmark_plans
    from compress_lib.runs.execute import execute
    from compress_lib.utils.files import write_json_file

    folder = Path(options.out) if options.out else FOLDER
    report = ProgressLine()
    model = load_model(DEFAULT_MODEL, device=options.device, report=report)
    plans = landmark_plans()
    for name in quality.filter_names(plans, options.only):
        file = folder / f"{name}.json"
        if file.exists() and not options.fresh and _is_current(file):
            continue
        record = execute(plans[name], report, load=lambda *_: model).record
        write_json_file(file, record.to_json())
        write_line(f"{name}: perplexity {record.perplexity.compressed:,.2f}")


def _is_current(file: Path) -> bool:
    """Return whether the key of a record is still the key of its plan."""
    record = RunRecord.from_json(read_json(file))
    return record.plan.key == record.key


WHAT = {
    "speed": speed.run,
    "landmarks": _landmarks,
    "spectra": _spectra,
    "curves": _curves,
    "autoencoder": autoencoder.run,
    "quality": quality.run,
    "workers": workers.run,
}
"""Benchmarks by name."""
