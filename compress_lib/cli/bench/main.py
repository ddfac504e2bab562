"""`compress-lab bench WHAT`: figures for anyone to repeat.

`speed` times a compressed model beside the dense one, `landmarks` makes the runs that the page
shows first, `spectra` and `curves` what it knows before any run, `autoencoder` times the training
of the second paper, `quality` compares all methods on whole models, `workers` times matrices that
are compressed side by side.
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
    """Declare the options."""
    parser.add_argument("what", choices=tuple(WHAT))
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--method", default="svd")
    parser.add_argument("--keep", metavar="F", help="bytes after ÷ bytes before")
    parser.add_argument("--include", default="*", metavar="PATTERN")
    add_pairs(parser, "an option of the method")
    parser.add_argument("--repeat", default="7", metavar="N")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", metavar="FOLDER", help="where records go")
    parser.add_argument("--only", metavar="NAME[,NAME]", help="records whose names contain one")
    parser.add_argument("--fresh", action="store_true", help="make records that exist again")
    parser.add_argument("--json", action="store_true", help="write JSON")
    quality.add_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Run the benchmark that is named."""
    WHAT[options.what](options)


def _spectra(options: argparse.Namespace) -> None:
    """Write the singular values of a model's matrices, by which the page knows errors at once."""
    from safetensors.numpy import save

    from compress_lib.models.loading import load_model
    from compress_lib.plan.spectra import FOLDER
    from compress_lib.runs.precompute import measure_spectra
    from compress_lib.utils.files import atomic_write

    file = _arrays_path(options, FOLDER)
    report = ProgressLine()
    model = load_model(options.model, device=options.device, report=report)
    found = measure_spectra(model, report)
    atomic_write(file, save(found))
    write_line(f"{len(found)} spectra: {file.stat().st_size:,} bytes")


def _curves(options: argparse.Namespace) -> None:
    """Write what methods are estimated to cost at every size: the page tells it while one drags.

    What a file holds already stays, so that methods can be added one by one.
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
    found = load_file(file) if file.is_file() else {}
    for name in names:
        known = any(key.startswith(f"{name}/") for key in found)
        if known and not options.fresh:
            continue
        found |= measure_curves(model, text, [name], report)
        atomic_write(file, save(found))
        write_line(f"{name}: {file.stat().st_size:,} bytes")


def _arrays_path(options: argparse.Namespace, usual: Path) -> Path:
    """Return where arrays of a model are kept.

    Raises:
        CompressionError: It is not of the catalogue, so that no page would look there.
    """
    from compress_lib.plan.spectra import ENDING

    if options.model not in CATALOGUE:
        raise unknown_name("model of the catalogue", options.model, CATALOGUE)
    return (Path(options.out) if options.out else usual) / f"{options.model}{ENDING}"


def _landmarks(options: argparse.Namespace) -> None:
    """Make every landmark that is missing; what is finished stays if it is stopped."""
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
        if file.exists() and not options.fresh and _answers(file):
            continue
        record = execute(plans[name], report, load=lambda *_: model).record
        write_json_file(file, record.to_json())
        write_line(f"{name}: perplexity {record.perplexity.compressed:,.2f}")


def _answers(file: Path) -> bool:
    """Tell whether a record's numbers are what its plan would give today."""
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
"""What can be measured, by its name."""
