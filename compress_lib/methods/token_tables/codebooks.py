"""Learning codebooks and encoding rows with them, stage after stage."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compress_lib.matrices.quantized.product_quantized import part_numbers
from compress_lib.methods.token_tables.kmeans import kmeans, means, nearest
from compress_lib.utils.progress import Event, Report


@dataclass(frozen=True)
class Coding:
    """How rows are coded.

    Attributes:
        parts: Of a row, each with a code of its own.
        bits: Of a code.
        iterations: Of k-means.
        sample: Rows that codebooks are learned from.
        seed: Of what is drawn.
    """

    parts: int
    bits: int
    iterations: int
    sample: int
    seed: int

    def encode(
        self,
        values: Tensor,
        importance: Tensor,
        stages: int,
        dtype: torch.dtype,
        report: Report,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Code rows `[rows, cols]` in float32.

        Args:
            values: Rows; errors in all columns cost alike.
            importance: `[rows]`, positive.
            stages: Each codes what those before it left.
            dtype: What codebooks and scales will be stored in.
            report: Told about every part.

        Returns:
            codes `[stages, rows, parts]`, codebooks `[2^bits, stages · cols]`, scales `[rows]`.
        """
        lengths = values.norm(dim=1)
        directions = values / torch.where(lengths > 0, lengths, 1.0)[:, None]
        weights = importance * lengths.square()
        left, codes, books = directions.clone(), [], []
        for stage in range(stages):
            found, book = self._stage(left, weights, stage / stages, 1 / stages, report)
            part_of = part_numbers(values.shape[1], self.parts, values.device)
            book = book.to(dtype).float()
            for rows, some in zip(left.split(8192), found.split(8192), strict=True):
                rows -= book.gather(0, some.long()[:, part_of])
            codes.append(found)
            books.append(book)
        coded = directions - left
        # The scale with the least error, not the norm: codes are shorter than what they stand for.
        size = coded.square().sum(1)
        scales = (values * coded).sum(1) / torch.where(size > 0, size, 1.0)
        return torch.stack(codes), torch.cat(books, dim=1), scales

    def _stage(
        self, rows: Tensor, weights: Tensor, start: float, share: float, report: Report
    ) -> tuple[Tensor, Tensor]:
        """Return codes `[rows, parts]` and a codebook `[2^bits, cols]`."""
        generator = torch.Generator().manual_seed(self.seed)
        usable = weights if bool((weights > 0).any()) else torch.ones_like(weights)
        drawn = torch.multinomial(
            usable.cpu(), self.sample, replacement=True, generator=generator
        ).to(rows.device)
        part_of = part_numbers(rows.shape[1], self.parts, rows.device)
        widths = part_of.bincount(minlength=self.parts).tolist()
        codes = torch.empty(len(rows), self.parts, dtype=torch.uint8, device=rows.device)
        book = rows.new_empty(2**self.bits, rows.shape[1])
        first = 0
        for part, width in enumerate(widths):
            report(Event(start + share * part / self.parts, "Product quantization: codebooks"))
            columns = slice(first, first + width)
            points = rows[:, columns].contiguous()
            centres = kmeans(points[drawn], 2**self.bits, self.iterations, generator)
            found, _ = nearest(points, centres)
            centres, _ = means(points, usable, found, centres)
            codes[:, part] = found.to(torch.uint8)
            book[:, columns] = centres
            first += width
        return codes, book


def balanced_order(energy: Tensor, parts: int) -> Tensor:
    """Return columns in an order in which parts of neighbours have about equal volume.

    Every part has the same bits, and the error that is left follows the product of its columns'
    energies, so that each column, largest first, goes to the part with the smallest product.

    Args:
        energy: `[cols]`, falling.
        parts: How many.

    Source: eigenvalue allocation, Ge et al. 2013 (OPQ), doi:10.1109/CVPR.2013.379.
    """
    part_of = part_numbers(len(energy), parts, energy.device)
    room = part_of.bincount(minlength=parts).tolist()
    logs = energy.clamp_min(1e-12 * float(energy[0]) + 1e-300).log()
    # Above zero everywhere, so that a column more is never a smaller product.
    heights = (logs - logs.min() + 1).tolist()
    members: list[list[int]] = [[] for _ in range(parts)]
    sums = [0.0] * parts
    for column, height in enumerate(heights):
        part = min((p for p in range(parts) if len(members[p]) < room[p]), key=sums.__getitem__)
        members[part].append(column)
        sums[part] += height
    order = [column for part in members for column in part]
    return torch.tensor(order, device=energy.device)
