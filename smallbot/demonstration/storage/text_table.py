# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Tables of text in any dialect: encoding, separator, decimal mark, comments, what is on top.

The dialect is inferred from all lines, by rules of our own: a sniffer that looks at characters
alone takes the decimal commas of a table for its separators.
"""

from collections import Counter
import csv
import re
from typing import NamedTuple

from smallbot.demonstration.storage.refusal import DemonstrationError
from smallbot.demonstration.storage.units import is_unit, unit_word

SEPARATORS = {',': 'commas', ';': 'semicolons', '\t': 'tabs', '|': 'bars', ' ': 'blanks'}
"""With what they are called; blanks are one or several of any kind."""
_NUMBER = re.compile(r'[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$|[+-]?(nan|inf(inity)?)$',
                     re.IGNORECASE)
_COMMENT = re.compile(r'\s*(#|%|//)')
_THOUSANDS = re.compile(r'[+-]?[1-9]\d{0,2}(,\d{3})+$')
_MAGIC = {b'PK\x03\x04': 'a workbook or an archive', b'\xd0\xcf\x11\xe0': 'an old workbook',
          b'\x1f\x8b': 'compressed (gzip)', b'\x89HDF': 'an HDF5 file', b'%PDF': 'a PDF',
          b'\x93NUMPY': 'a NumPy array', b'#ROSBAG': 'a ROS 1 bag'}


UNNAMED = 'no header with names'
"""In words, of a table that begins with numbers."""


class TextTable(NamedTuple):
    """A table as it was written."""

    header: list[str]
    """Empty: there is none."""
    rows: list[list[str]]
    """Cells without blanks around them, every row as long as the header."""
    lines: list[int]
    """Of each row, counted from 1."""
    decimal: str
    """The mark: a point or a comma."""
    dialect: list[str]
    """What is unlike commas, points and UTF-8, in words."""
    unnamed: str = UNNAMED
    """Why there is no header."""


def read_table(content: bytes, source: str) -> TextTable:
    """Return the table in the content of a file.

    A last line without some of its cells is one that was being written, and left out. Raises
    DemonstrationError where there is none, or it can be read in two ways.
    """
    text, encoding = _decoded(content, source)
    dialect = [encoding] if encoding else []
    numbered = [(number, line) for number, line in enumerate(re.split(r'\r\n|\r|\n', text), 1)
                if line.strip()]
    told = ''
    if numbered and re.match(r'\s*"?sep=.', numbered[0][1], re.IGNORECASE):
        told = numbered.pop(0)[1].strip().strip('"')[4]
        dialect.append('sep= line')
    comments = [line for line in numbered if _COMMENT.match(line[1])]
    plain = [line for line in numbered if not _COMMENT.match(line[1])]
    if not plain:
        raise DemonstrationError(f'{source}: empty; expected a header time,<joints> or '
                                 f'time,x,y,z, and a line for each sample')
    separator = told or _separator([line for _, line in plain])
    cells = [_split(line, separator) for _, line in plain]
    first = _first_of_data(cells)
    header, more = _header(cells[:first], [line for _, line in plain[:first]], comments,
                           len(_stripped(cells[first])) if first < len(cells) else 0)
    dialect += more
    if separator != ',':
        dialect.insert(0, SEPARATORS.get(separator, f'separator {separator!r}'))
    if comments:
        dialect.append(f'{len(comments)} comment line{"s" * (len(comments) > 1)}')
    unnamed = _misfit(header, cells[first:], separator)
    if unnamed:
        header = []
    rows, lines, dropped = _fitted(cells[first:], [n for n, _ in plain[first:]], header,
                                   separator, source)
    if dropped:
        dialect.append(f'last line cut off and left out (line {dropped})')
    decimal = _decimal(rows, lines, source)
    if decimal == ',':
        dialect.insert(1 if separator != ',' else 0, 'decimal commas')
    return TextTable(header, rows, lines, decimal, dialect, unnamed or UNNAMED)


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with either decimal mark."""
    return bool(_NUMBER.match(cell))


def number(cell: str, decimal: str) -> float:
    """Return a cell as a number, NaN where it is empty; raises ValueError where it is none."""
    if not cell:
        return float('nan')
    if not is_number(cell):
        raise ValueError(cell)
    return float(cell.replace(',', '.') if decimal == ',' else cell)


def _decoded(content: bytes, source: str) -> tuple[str, str]:
    """Return the text and its encoding, empty for plain UTF-8."""
    for magic, what in _MAGIC.items():
        if content.startswith(magic):
            raise DemonstrationError(f'{source}: cannot be read as CSV: it is {what}; export it '
                                     f'as CSV, with a header time,<joints>')
    even, odd = content[:4096:2].count(0), content[1:4096:2].count(0)
    half = min(len(content), 4096) / 2
    if content.startswith((b'\xff\xfe', b'\xfe\xff')):
        encoding = 'utf-16'
    elif odd > 0.4 * half and not even or even > 0.4 * half and not odd:
        encoding = 'utf-16-le' if odd else 'utf-16-be'
    elif b'\0' in content[:4096]:
        raise DemonstrationError(f'{source}: cannot be read as CSV: it holds binary data')
    else:
        encoding = 'utf-8-sig'
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != 'utf-8-sig':
            raise DemonstrationError(f'{source}: cannot be read as CSV: neither UTF-8 nor whole '
                                     f'UTF-16 ({error.reason} at byte {error.start})') from None
        text, encoding = content.decode('cp1252', errors='replace'), 'Windows-1252'
    if encoding.startswith('utf-16'):
        return text.lstrip('\ufeff'), 'UTF-16'
    return text, '' if encoding == 'utf-8-sig' else encoding


def _split(line: str, separator: str) -> list[str]:
    if separator == ' ':
        return [cell.strip('"\'') for cell in line.split()]
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    except (csv.Error, StopIteration):
        cells = line.split(separator)
    return [cell.strip().replace('\u2212', '-').replace('\u00a0', '') for cell in cells]


def _separator(lines: list[str]) -> str:
    """Return the separator with which most cells of most lines are numbers."""
    sample = lines if len(lines) <= 400 else lines[:200] + lines[-200:]
    best, found = (0.0, 0.0), ','
    for separator in SEPARATORS:
        split = [_stripped(_split(line, separator)) for line in sample]
        counts = Counter(len(cells) for cells in split if len(cells) > 1)
        if not counts:
            continue
        fields = counts.most_common(1)[0][0]
        fitting = [cells for cells in split if len(cells) == fields]
        numeric = sum(is_number(cell) for cells in fitting for cell in cells)
        score = (round(numeric / (fields * len(split)), 3), fields)
        if score > best:
            best, found = score, separator
    return found


def _stripped(cells: list[str]) -> list[str]:
    """Return the cells without the empty ones at the end."""
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _first_of_data(cells: list[list[str]]) -> int:
    """Return which row is the first of numbers: at least two, or half of its cells."""
    for row, line in enumerate(cells):
        numbers = sum(is_number(cell) for cell in line)
        if numbers and (numbers >= 2 or 2 * numbers >= len(_stripped(line))):
            return row
    return len(cells)


def _header(above: list[list[str]], raw: list[str], comments: list[tuple[int, str]], fields: int
            ) -> tuple[list[str], list[str]]:
    """Return the header among the lines above the numbers, and what else was there, in words."""
    said = []
    if not above:
        for _, line in reversed(comments):
            text = _COMMENT.sub('', line, count=1).strip()
            for separator in SEPARATORS:
                cells = _stripped(_split(text, separator))
                if len(cells) == fields and not any(is_number(cell) for cell in cells):
                    return cells, ['header in a comment']
        return [], []
    header, units = above[-1], []
    if len(above) > 1 and all(is_unit(unit_word(cell.strip('[]()'))) or cell.strip('[]()') == ''
                              for cell in header):
        units, header = header, above[-2]
        raw, above = raw[:-1], above[:-1]
        said.append('units in a line of their own')
    if len(_stripped(header)) != fields:
        for separator in SEPARATORS:
            cells = _stripped(_split(raw[-1], separator))
            if len(cells) == fields:
                header = cells
                break
    if len(above) > 1:
        said.append(f'{len(above) - 1} line{"s" * (len(above) > 2)} above the header left out')
    header = _stripped(header)
    for column, unit in enumerate(units[:len(header)]):
        if unit.strip('[]()'):
            header[column] += f' [{unit.strip("[]()")}]'
    return header, said


def _misfit(header: list[str], cells: list[list[str]], separator: str) -> str:
    """Return in words a header with fewer names than most lines have cells; empty: it fits."""
    usual = Counter(len(_stripped(row)) for row in cells).most_common(1)[0][0] if cells else 0
    if not header or usual <= len(header) or _has_decimal_commas(
            header, usual, separator, cells):
        return ''
    return f'a header of {len(header)} names'


def _has_decimal_commas(header: list[str], usual: int, separator: str, cells: list[list[str]]
                        ) -> bool:
    """Return whether cells may be so many because of commas inside the numbers."""
    return (separator == ',' and usual >= 2 * len(header) - 1
            and not any('.' in cell for row in cells for cell in row))


def _fitted(cells: list[list[str]], numbers: list[int], header: list[str], separator: str,
            source: str) -> tuple[list[list[str]], list[int], int]:
    """Return the rows as long as the header, their lines, and the line that was cut off or 0."""
    fields = len(header) or (len(_stripped(cells[0])) if cells else 0)
    if not cells:
        if not any(header):
            raise DemonstrationError(f'{source}: no numbers in it; expected a header '
                                     f'time,<joints> or time,x,y,z, and a line for each sample')
        return [], [], 0
    counts = Counter(len(_stripped(row)) for row in cells)
    usual = counts.most_common(1)[0][0]
    if header and usual > fields and _has_decimal_commas(
            header, usual, separator, cells):
        raise DemonstrationError(
            f'{source}: line {numbers[0]} has {usual} fields for {fields} names: decimal commas '
            f'and commas between the columns cannot be told apart; export it with semicolons or '
            f'tabs between the columns')
    rows = []
    for row, line in zip(cells, numbers):
        stripped = _stripped(row)
        if len(stripped) > fields or (len(row) < fields):
            if line == numbers[-1] and len(cells) > 2 and len(row) < fields:
                return rows, numbers[:-1], line
            raise DemonstrationError(f'{source}: line {line} has {len(stripped)} fields, expected '
                                     f'{fields}; mend or remove that line')
        rows.append(row[:fields])
    return rows, numbers, 0


def _decimal(rows: list[list[str]], lines: list[int], source: str) -> str:
    """Return the decimal mark; refuse both at once, and commas that may stand for thousands."""
    points, commas = [], []
    for row, line in zip(rows, lines):
        for cell in row:
            if ',' in cell and '.' in cell and re.fullmatch(r'[+-]?[\d.,]+', cell):
                raise DemonstrationError(f'{source}: line {line}: {cell!r} has marks for '
                                         f'thousands; export it without them')
            if ',' in cell and is_number(cell):
                commas.append((line, cell))
            elif '.' in cell and is_number(cell):
                points.append((line, cell))
    if commas and points:
        raise DemonstrationError(
            f'{source}: decimal comma in line {commas[0][0]} ({commas[0][1]}) and decimal point '
            f'in line {points[0][0]} ({points[0][1]}); export it with one of them')
    if commas and all(_THOUSANDS.match(cell) for _, cell in commas):
        raise DemonstrationError(
            f'{source}: line {commas[0][0]}: {commas[0][1]!r} may have a decimal comma or a mark '
            f'for thousands; export it with decimal points')
    return ',' if commas else '.'
