# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Where matrices lie on the cores, and products of matrices that lie on several.

A matrix larger than a core is cut into regions as equal as can be; the results of regions that
share columns are summed outside the cores, in floating point. Regions stand in vertical strips of
a core, one above the other: those of a strip share the converters' columns but not their
correction. Convolutions become products by im2col.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Annotated, Any, NamedTuple

from annotated_types import Len
import torch
from torch import Tensor
from torch.nn import functional

from smallbot.chip.core import Core
from smallbot.chip.device.laws import DeviceLaw
from smallbot.chip.device.state import ChipError
from smallbot.chip.state import CORE_SIDE, Correction
from smallbot.chip.writing import CoreWriteReport
from smallbot.files.bounds import Size, Steps
from smallbot.files.schema import built

DEVICES_PER_CELL = 4
"""Of every unit cell, used or not (Ortner et al. 2025: 4R8T)."""


class Region(NamedTuple):
    """A block of a matrix and where it lies."""

    matrix: str
    core: Steps
    rows: tuple[Steps, Steps]
    """First and one past the last row of the matrix."""
    columns: tuple[Steps, Steps]
    """First and one past the last column of the matrix."""
    at: tuple[Steps, Steps]
    """Row and column of the core where the block begins."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns of the block."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]


@dataclass(frozen=True)
class MatrixValues:
    """What `Matrix.to_tensors` says of a matrix beside its tensors."""

    cores: Annotated[tuple[dict[str, Any], ...], Len(1, 64)]
    regions: tuple[Region, ...]
    shape: tuple[Size, Size]


@dataclass(frozen=True)
class Map:
    """Where everything lies."""

    regions: tuple[Region, ...]
    cores: int

    @property
    def cells(self) -> int:
        """Return how many unit cells are used."""
        return sum(r.shape[0] * r.shape[1] for r in self.regions)

    @property
    def devices(self) -> int:
        """Return how many devices these cells have."""
        return DEVICES_PER_CELL * self.cells

    def of(self, matrix: str) -> tuple[Region, ...]:
        """Return the regions of a matrix."""
        return tuple(r for r in self.regions if r.matrix == matrix)

    def __str__(self) -> str:
        lines = [f'{"matrix":16}{"rows":>12}{"columns":>12}{"core":>6}{"at row, column":>18}'
                 f'{"devices":>10}']
        for r in self.regions:
            size = r.shape[0] * r.shape[1]
            lines.append(f'{r.matrix:16}{f"{r.rows[0]}..{r.rows[1] - 1}":>12}'
                         f'{f"{r.columns[0]}..{r.columns[1] - 1}":>12}{r.core:>6}'
                         f'{"{}, {}".format(*r.at):>18}{DEVICES_PER_CELL * size:>10,}')
        share = self.cells / (self.cores * CORE_SIDE ** 2)
        lines.append(f'{self.cells:,} cells, {self.devices:,} devices, {100 * share:.1f} % of '
                     f'{self.cores} {"core" if self.cores == 1 else "cores"}')
        return '\n'.join(lines)


def cut(size: int, largest: int = CORE_SIDE) -> list[tuple[int, int]]:
    """Cut `size` into as few parts as `largest` allows, as equal as can be."""
    parts = -(-size // largest)
    ends = [(k * size) // parts for k in range(parts + 1)]
    return list(zip(ends[:-1], ends[1:], strict=True))


def place(shapes: Mapping[str, tuple[int, int]], cores: int = 2) -> Map:
    """Place matrices of `shapes` (rows = inputs, columns = outputs) on `cores` cores.

    The tallest regions first, each into the first strip with room or else the emptiest core.
    Raises ChipError where there is not enough room, saying how many cores would do.
    """
    blocks = []
    for name, (rows, columns) in shapes.items():
        if rows < 1 or columns < 1:
            raise ChipError(f'matrix {name} of {rows} x {columns}: expected at least 1 x 1')
        blocks += [(name, r, c) for r in cut(rows) for c in cut(columns)]
    blocks.sort(key=lambda b: (b[1][0] - b[1][1], b[2][0] - b[2][1]))
    strips: list[list[int]] = []  # core, first column, width, rows used
    used = [0] * cores  # columns of each core
    regions = []
    for name, rows, columns in blocks:
        height, width = rows[1] - rows[0], columns[1] - columns[0]
        strip = next((s for s in strips if width <= s[2] and s[3] + height <= CORE_SIDE), None)
        if strip is None:
            core = used.index(min(used)) if used else 0
            if not used or used[core] + width > CORE_SIDE:
                core = len(used)
                used.append(0)
            strip = [core, used[core], width, 0]
            strips.append(strip)
            used[core] += width
        regions.append(Region(name, strip[0], rows, columns, (strip[3], strip[1])))
        strip[3] += height
    if len(used) > cores:
        total = ', '.join(f'{name} {r} x {c}' for name, (r, c) in shapes.items())
        raise ChipError(f'{total}: does not fit on {cores} {"core" if cores == 1 else "cores"} of '
                        f'{CORE_SIDE} x {CORE_SIDE}; expected a plan for {len(used)}')
    order = {name: k for k, name in enumerate(shapes)}
    regions.sort(key=lambda r: (order[r.matrix], r.rows, r.columns))
    return Map(tuple(regions), cores)


def check_regions(regions: tuple[Region, ...], shape: tuple[int, int]) -> None:
    """Refuse regions that do not hold a matrix of `shape`, rows and columns; raises ChipError."""
    held = sum(math.prod(region.shape) for region in regions)
    reach = tuple(max((end for _, end in ends), default=0) for ends in (
        [region.rows for region in regions], [region.columns for region in regions]))
    if held != math.prod(shape) or reach != shape:
        raise ChipError(f'regions of {held} cells up to row {reach[0]}, column {reach[1]}: '
                        f'expected those of a matrix of {shape[0]} x {shape[1]}')


def im2col(images: Tensor, kernel: int, stride: int = 1, padding: int = 0, bias: bool = False
           ) -> Tensor:
    """Return the patches of `images` [B, C, H, W] that a convolution multiplies, [B * L, rows].

    Rows are channel, kernel row, kernel column, and a last one that is 1 where `bias`.
    """
    patches = functional.unfold(images, kernel, padding=padding, stride=stride)
    if bias:
        patches = functional.pad(patches, (0, 0, 0, 1), value=1.0)
    return patches.transpose(1, 2).flatten(0, 1)


class Matrix:
    """A matrix that lies in one or more regions, with the methods of one `Core`.

    Parameters: `limits` [rows], the largest magnitude of a weight in each row; `columns`;
    `regions` of this matrix; `generator` and whatever else `Core` takes.
    Raises ChipError for regions of another matrix.
    """

    def __init__(self, limits: Tensor, columns: int, regions: tuple[Region, ...],
                 generator: torch.Generator, **options):
        self.regions = regions
        self.rows, self.columns = len(limits), columns
        check_regions(regions, (self.rows, columns))
        self.limits = torch.as_tensor(limits, dtype=torch.float32)
        self.cores = [Core(self.limits[slice(*r.rows)].clone(), r.shape[1], generator, **options)
                      for r in regions]

    @property
    def intended(self) -> Tensor:
        """Return the weights last asked for, [rows, columns]."""
        return self._joined([core.intended for core in self.cores])

    @property
    def generator(self) -> torch.Generator:
        """Return the source of all noise to come, which the cores share."""
        return self.cores[0].generator

    @property
    def now(self) -> float:
        """Return the clock, s, which all cores share."""
        return self.cores[0].now

    @property
    def calibrated_at(self) -> float:
        """Return the clock at the last calibration; 0 before the first."""
        return self.cores[0].calibrated_at

    @property
    def written_at(self) -> float:
        """Return the clock when a device was last programmed, s."""
        return max(core.written_at for core in self.cores)

    @property
    def law(self) -> DeviceLaw:
        """Return the law of the devices, which the cores share."""
        return self.cores[0].law

    @property
    def correction(self) -> Correction:
        """Return what the last calibration has made of the columns, core after core."""
        each = [core.correction for core in self.cores]
        codes = None
        if any(one.codes is not None for one in each):
            codes = torch.cat([core.row_codes if one.codes is None else one.codes
                               for core, one in zip(self.cores, each, strict=True)])
        return Correction(torch.cat([one.scale for one in each]),
                          torch.cat([one.offset for one in each]), self.calibrated_at, codes)

    def correct(self, correction: Correction) -> None:
        """Take up a correction again that this matrix had before."""
        widths = [core.columns for core in self.cores]
        heights = [core.rows for core in self.cores]
        codes = ([None] * len(heights) if correction.codes is None
                 else correction.codes.split(heights))
        for core, scale, offset, own in zip(self.cores, correction.scale.split(widths),
                                            correction.offset.split(widths), codes, strict=True):
            core.correct(Correction(scale, offset, correction.at, own))

    def program(self, weights: Tensor, mask: Tensor | None = None) -> CoreWriteReport:
        """Write the weights [rows, columns] of the cells in `mask`; cores work in parallel.

        Raises ChipError, before anything is written, as `Core.program` does.
        """
        shape = self.rows, self.columns
        if tuple(weights.shape) != shape:
            raise ChipError(f'weights of shape {tuple(weights.shape)}: expected {shape}')
        if mask is None:
            mask = torch.ones(shape, dtype=torch.bool)
        parts = list(zip(self.cores, self._parts(weights), self._parts(mask), strict=True))
        for core, w, m in parts:
            core.check_write(w, m)
        done = [core.program(w, m) for core, w, m in parts]
        added = CoreWriteReport(*(sum(column) for column in zip(*done, strict=True)))
        squares = sum(d.cells * d.residual ** 2 for d in done)
        busy: dict[int, float] = {}
        for region, d in zip(self.regions, done, strict=True):
            busy[region.core] = busy.get(region.core, 0.0) + d.seconds
        return added._replace(residual=math.sqrt(squares / max(1, added.cells)),
                              seconds=max(busy.values()))

    def read(self, x: Tensor) -> Tensor:
        """Multiply inputs [B, rows], |x| <= 1, with the matrix; returns [B, columns]."""
        total = x.new_zeros(len(x), self.columns)
        for region, core in zip(self.regions, self.cores, strict=True):
            total[:, slice(*region.columns)] += core.read(x[:, slice(*region.rows)])
        return total

    def set_ranges(self, vectors: Tensor, weights: Tensor | None = None) -> None:
        """Choose the ranges of all converters for inputs like `vectors` [V, rows].

        `weights` [rows, columns] where others are to come than those intended.
        """
        for region, core in zip(self.regions, self.cores, strict=True):
            own = None if weights is None else weights[slice(*region.rows),
                                                       slice(*region.columns)]
            core.set_ranges(vectors[:, slice(*region.rows)], weights=own)

    def calibrate(self, vectors: Tensor) -> None:
        """Correct every column of every region by reading `vectors` [V, rows]."""
        for region, core in zip(self.regions, self.cores, strict=True):
            core.calibrate(vectors[:, slice(*region.rows)])

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass."""
        for core in self.cores:
            core.wait(seconds)

    def effective_weights(self) -> Tensor:
        """Return the weights that reads see now without fast noise, [rows, columns]."""
        return self._joined([core.effective_weights() for core in self.cores])

    def convolve(self, images: Tensor, kernel: int, stride: int = 1, padding: int = 0,
                 bias: bool = False) -> Tensor:
        """Convolve `images` [B, C, H, W], |x| <= 1, with the kernels in the columns.

        Rows are channel, kernel row, kernel column, as in `torch.nn.Conv2d.weight` flattened,
        and a last one of biases where `bias`. Returns [B, columns, H', W'].
        Raises ChipError where the rows are not that many.
        """
        patches = im2col(images, kernel, stride, padding, bias)
        if patches.shape[1] != self.rows:
            raise ChipError(f'a {kernel} x {kernel} convolution of {images.shape[1]} channels '
                            f'{"with" if bias else "without"} bias has {patches.shape[1]} rows, '
                            f'expected the {self.rows} of the matrix')
        batch, height = len(images), (images.shape[2] + 2 * padding - kernel) // stride + 1
        return self.read(patches).view(batch, -1, self.columns).transpose(1, 2).reshape(
            batch, self.columns, height, -1)

    def copy(self, generator: torch.Generator | None = None) -> 'Matrix':
        """Return an independent matrix in the same state; see `Core.copy`."""
        if generator is None:
            generator = torch.Generator()
            generator.set_state(self.cores[0].generator.get_state())
        twin = object.__new__(Matrix)
        twin.__dict__.update(self.__dict__)
        twin.cores = [core.copy(generator) for core in self.cores]
        return twin

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all state as named tensors and plain values; `from_tensors` is its inverse."""
        tensors: dict[str, Tensor] = {}
        values = []
        for k, core in enumerate(self.cores):
            found, plain = core.to_tensors()
            tensors |= {f'{k}.{name}': tensor for name, tensor in found.items()}
            values.append(plain)
        return tensors, {'cores': values, 'regions': [list(r) for r in self.regions],
                         'shape': [self.rows, self.columns]}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], values: dict[str, Any]) -> 'Matrix':
        """Return the matrix that `to_tensors` described; ChipError where parts misfit."""
        told = built(MatrixValues, values, 'matrix', ChipError)
        matrix = object.__new__(cls)
        (matrix.rows, matrix.columns), matrix.regions = told.shape, told.regions
        matrix.cores = []
        for k, plain in enumerate(told.cores):
            own = {name.partition('.')[2]: tensor for name, tensor in tensors.items()
                   if name.partition('.')[0] == str(k)}
            matrix.cores.append(Core.from_tensors(own, plain))
        held = [(core.rows, core.columns) for core in matrix.cores]
        cells = sum(rows * columns for rows, columns in held)
        if [region.shape for region in told.regions] != held or cells != math.prod(told.shape):
            raise ChipError(f'not the state of a matrix: cores of {held} for one of {told.shape}')
        matrix.limits = torch.ones(matrix.rows)
        for region, core in zip(matrix.regions, matrix.cores):
            core.generator = matrix.cores[0].generator
            if region.rows[1] > matrix.rows or region.columns[1] > matrix.columns:
                raise ChipError(f'not the state of a matrix: {region} lies outside')
            matrix.limits[slice(*region.rows)] = core.limits
        return matrix

    def _parts(self, whole: Tensor) -> list[Tensor]:
        return [whole[slice(*r.rows), slice(*r.columns)] for r in self.regions]

    def _joined(self, parts: list[Tensor]) -> Tensor:
        whole = torch.zeros(self.rows, self.columns)
        for region, part in zip(self.regions, parts, strict=True):
            whole[slice(*region.rows), slice(*region.columns)] = part
        return whole
