"""A compressed model as one file: the checkpoint with its card and its record, zipped."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_STORED, ZipFile

from compress_lib.errors import CompressionError
from compress_lib.reporting.exports.card import card_files
from compress_lib.results.describe import describe
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import html, texts
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.engine.status import wait_for
from compress_lib.utils.formatting import format_bytes
from compress_lib.utils.profiles import limits
from compress_lib.utils.progress import Event, Report

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel


def zip_checkpoint(
    engine: Engine, record: RunRecord
) -> Generator[tuple[str, Path | None], None, None]:
    """Write a run's checkpoint; yields a status, and the file at last, which goes afterwards.

    Args:
        engine: Holds the model, if it was made a short while ago, or makes it again.
        record: The run.

    Raises:
        CompressionError: The model is elsewhere, or too large to be sent from here.
    """
    size, most = record.memory.compressed_bytes, limits().get("download_megabytes")
    if most is not None and size > most * 1e6:
        raise CompressionError(
            texts.EXPORT_LARGE.format(size=format_bytes(size), most=format_bytes(most * 1e6))
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{record.model.id.replace('/', '--')}-{record.key}.zip"

        def task(original: LanguageModel, model: LanguageModel, report: Report) -> None:
            from compress_lib.models.checkpoint import save_compressed

            report(Event(0.1, texts.EXPORT_SAVING))
            saved = save_compressed(model, Path(folder) / "model", files=card_files(record))
            report(Event(0.6, texts.EXPORT_SAVING))
            # Weights are as dense as they can be: squeezing them takes long and gives nothing.
            with ZipFile(file, "w", ZIP_STORED) as archive:
                for part in sorted(saved.iterdir()):
                    archive.write(part, f"{file.stem}/{part.name}")

        yield from wait_for(engine.line, engine.submit_with_models(record, task))
        size_told = format_bytes(file.stat().st_size)
        ready = texts.EXPORT_READY.format(run=describe(record), size=size_told)
        yield html.status(ready), file
