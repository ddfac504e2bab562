"""Codebook learning and encoding of rows, one residual stage after another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compress_lib.matrices.quantized.product_quantized import part_numbers
from compress_lib.methods.token_tables.kmeans import kmeans, means, nearest
from compress_lib.utils.progress import Event, Report


@dataclass(frozen=True)
class Coding:
    """Product quantizer settings.

    Attributes:
        parts: Subvectors per row, one code each.
        bits: Bits per code.
        iterations: k-means iterations.
        sample: Rows that codebooks are learned from.
        seed: Seed of the sample and of k-means.
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
        """Learn codebooks and encode rows with them.

        Args:
            values: `[rows, cols]` in float32; errors in all columns cost the same.
            importance: `[rows]`, positive.
            stages: Residual stages; each encodes the residual of the previous ones.
            dtype: Type in which codebooks and scales will be stored.
            report: Receives the progress of every part; may raise `StoppedError`.

        Returns:
            Codes `[stages, rows, parts]`, codebooks `[2^bits, stages · cols]`, scales `[rows]`.
        """
        lengths = values.norm(dim=1)
        directions = values / torch.where(lengths > 0, lengths, 1.0)[:, None]
        weights = importance * lengths.square()
        residual, codes, books = directions.clone(), [], []
        for stage in range(stages):
            stage_codes, book = self._stage(residual, weights, stage / stages, 1 / stages, report)
            part_of = part_numbers(values.shape[1], self.parts, values.device)
            book = book.to(dtype).float()
            for rows, chunk in zip(residual.split(8192), stage_codes.split(8192), strict=True):
                rows -= book.gather(0, chunk.long()[:, part_of])
            codes.append(stage_codes)
            books.append(book)
        decoded = directions - residual
        # Least-squares scales instead of norms: centroids are shorter than the rows they replace.
        energy = decoded.square().sum(1)
        scales = (values * decoded).sum(1) / torch.where(energy > 0, energy, 1.0)
        return torch.stack(codes), torch.cat(books, dim=1), scales

    def _stage(
        self, rows: Tensor, weights: Tensor, start: float, share: float, report: Report
    ) -> tuple[Tensor, Tensor]:
        """Return the codes `[rows, parts]` and the codebook `[2^bits, cols]` of one stage."""
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
            assignment, _ = nearest(points, centres)
            centres, _ = means(points, usable, assignment, centres)
            codes[:, part] = assignment.to(torch.uint8)
            book[:, columns] = centres
            first += width
        return codes, book


def balanced_order(energy: Tensor, parts: int) -> Tensor:
    """Return a column order whose consecutive parts have about equal volume.

    Every part has the same bits, and its remaining error follows the product of its columns'
    energies, so each column, largest energy first, goes to the part with the smallest product.

    Args:
        energy: `[cols]`, descending.
        parts: Number of parts.

    Source: eigenvalue allocation, Ge et al. 2013 (OPQ), doi:10.1109/CVPR.2013.379.
    """
    part_of = part_numbers(len(energy), parts, energy.device)
    capacity = part_of.bincount(minlength=parts).tolist()
    logs = energy.clamp_min(1e-12 * float(energy[0]) + 1e-300).log()
    # Shifted above zero, so that adding a column never lowers a part's sum.
    heights = (logs - logs.min() + 1).tolist()
    members: list[list[int]] = [[] for _ in range(parts)]
    sums = [0.0] * parts
    for column, height in enumerate(heights):
        part = min((p for p in range(parts) if len(members[p]) < capacity[p]), key=sums.__getitem__)
        members[part].append(column)
        sums[part] += height
    order = [column for part in members for column in part]
    return torch.tensor(order, device=energy.device)
