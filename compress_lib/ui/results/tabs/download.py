"""Zip archive of a compressed checkpoint with its model card and run record."""

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
    """Write the checkpoint of a run as a zip file.

    Args:
        engine: Provides the compressed model from its cache, or recomputes it.
        record: The run.

    Yields:
        The status as HTML and None; finally with the file, which is deleted when the generator
        is closed.

    Raises:
        CompressionError: The model is not available here, or larger than the profile allows.
    """
    size, limit = record.memory.compressed_bytes, limits().get("download_megabytes")
    if limit is not None and size > limit * 1e6:
        raise CompressionError(
            texts.EXPORT_LARGE.format(size=format_bytes(size), most=format_bytes(limit * 1e6))
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{record.model.id.replace('/', '--')}-{record.key}.zip"

        def task(original: LanguageModel, model: LanguageModel, report: Report) -> None:
            from compress_lib.models.checkpoint import save_compressed

            report(Event(0.1, texts.EXPORT_SAVING))
            saved = save_compressed(model, Path(folder) / "model", files=card_files(record))
            report(Event(0.6, texts.EXPORT_SAVING))
            # Stored uncompressed: deflating weights is slow and saves next to nothing.
            with ZipFile(file, "w", ZIP_STORED) as archive:
                for part in sorted(saved.iterdir()):
                    archive.write(part, f"{file.stem}/{part.name}")

        yield from wait_for(engine.queue, engine.submit_with_models(record, task))
        file_size = format_bytes(file.stat().st_size)
        ready = texts.EXPORT_READY.format(run=describe(record), size=file_size)
        yield html.status(ready), file
