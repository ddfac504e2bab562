"""WikiText-2 (raw), used by most published perplexities; downloaded from the Hub once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from compress_lib.data.corpora.base import Corpus, Split, register_corpus
from compress_lib.errors import CompressionError, reason_of
from compress_lib.utils.files import disk_errors

REPOSITORY = "Salesforce/wikitext"
SPLITS = {"evaluation": "test", "calibration": "validation"}
TIMEOUT = 10.0


@register_corpus
class WikiText2(Corpus):
    """Good and featured Wikipedia articles.

    Lines are joined with blank lines, as in published perplexities of compressed models.

    Source: Merity et al. 2016, arXiv 1609.07843.
    """

    name: ClassVar[str] = "wikitext-2"
    label: ClassVar[str] = "WikiText-2 (raw, from the Hub)"
    license: ClassVar[str] = "CC-BY-SA-3.0 and GFDL"
    needs_network: ClassVar[bool] = True

    def read(self, split: Split) -> str:
        """See `Corpus.read`: evaluation is the test file, calibration the validation file."""
        import pyarrow.parquet

        path = _fetch(f"wikitext-2-raw-v1/{SPLITS[split]}-00000-of-00001.parquet")
        rows = pyarrow.parquet.read_table(path, columns=["text"]).column("text").to_pylist()
        return "\n\n".join(rows)


def _fetch(file: str) -> str:
    """Return the path of a file of the data set, downloading it on first use."""
    from huggingface_hub import HfApi, constants, errors, hf_hub_download

    try:
        return hf_hub_download(REPOSITORY, file, repo_type="dataset", local_files_only=True)
    except errors.LocalEntryNotFoundError:
        pass
    try:
        with disk_errors(Path(constants.HF_HUB_CACHE)):
            # Fail fast: hf_hub_download alone retries an unreachable Hub for minutes.
            HfApi().dataset_info(REPOSITORY, timeout=TIMEOUT)
            return hf_hub_download(REPOSITORY, file, repo_type="dataset")
    except (
        errors.HTTPError,  # type: ignore[attr-defined]
        OSError,
        json.JSONDecodeError,
    ) as error:
        raise CompressionError(
            "WikiText-2 is not in the cache and the Hugging Face Hub cannot be reached "
            f"({reason_of(error).rstrip('.')}). Use the corpus prose or python-docs, or your own "
            "text file."
        ) from error
