"""WikiText-2, raw: the text of most published figures; needs the Hub once."""

from __future__ import annotations

from typing import ClassVar

from compress_lib.corpora.base import Corpus, Split, register_corpus
from compress_lib.errors import CompressionError

SPLITS = {"evaluation": "test", "calibration": "validation"}


@register_corpus
class WikiText2(Corpus):
    """Good and featured Wikipedia articles.

    Source: Merity et al. 2016, arXiv 1609.07843. Joined with blank lines, as published
    perplexities of compressed models have it.
    """

    name: ClassVar[str] = "wikitext-2"
    label: ClassVar[str] = "WikiText-2 (raw, from the Hub)"
    license: ClassVar[str] = "CC-BY-SA-3.0 and GFDL"
    needs_network: ClassVar[bool] = True

    def read(self, split: Split) -> str:
        """See `Corpus.read`: evaluation is the test file, calibration the validation file."""
        from huggingface_hub import errors, hf_hub_download

        file = f"wikitext-2-raw-v1/{SPLITS[split]}-00000-of-00001.parquet"
        try:
            path = hf_hub_download("Salesforce/wikitext", file, repo_type="dataset")
        except (errors.HTTPError, OSError) as error:
            raise CompressionError(
                "WikiText-2 is not in the cache and the Hugging Face Hub cannot be reached. Use "
                "the corpus prose or python-docs, or name a text file of your own."
            ) from error
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(path, columns=["text"]).column("text").to_pylist()
        return "\n\n".join(rows)
