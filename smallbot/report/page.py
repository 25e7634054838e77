# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The page itself: sections and pictures put into one HTML file that asks nobody for anything.

All that people have named is escaped, pictures are embedded, and the page forbids itself scripts
and requests.
"""

from base64 import b64encode
from datetime import datetime, timezone
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from smallbot.report.folder import Folder, Picture, ReportError, Result
from smallbot.report.sections import order_of, Section, section_of

TEMPLATE = Path(__file__).with_name('page.html')
ALTERNATIVES = {
    'report.png': 'tool-tip paths, demonstrated and reproduced, joint velocities and spikes',
    'told.png': 'pictures that were told, each with its classes by probability',
    'characterise.png': 'six measurements of the simulated chip'}
"""Words for those who do not see a picture that a verb leaves under a name of its own."""


def report_page(folder: Folder, name: str, version: str) -> str:
    """Return the page of a folder called `name`.

    Raises ReportError where no result in it has figures.
    """
    left_out = list(folder.left_out)
    sections, pictures = [], list(folder.pictures)
    for result in sorted(folder.results, key=order_of):
        own = [picture for picture in pictures if _belongs(picture, result)]
        section = section_of(result, drawn=not own)
        if section is None:
            left_out.append(f'{result.name}: a result without figures')
            continue
        pictures = [picture for picture in pictures if picture not in own]
        sections.append(section._replace(pictures=[
            *((_alternative(picture, section), picture) for picture in own), *section.pictures]))
    if not sections:
        raise ReportError(f'{name}: none of its results has figures: '
                          f'{", ".join(result.name for result in folder.results)}')
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)
    environment.filters['embedded'] = _embedded
    return environment.from_string(TEMPLATE.read_text(encoding='utf-8')).render(
        name=name, version=version, sections=sections, left_out=left_out,
        pictures=[(f'picture {picture.name}', picture) for picture in pictures],
        made=datetime.now(timezone.utc).strftime('%Y-%m-%d'))


def _belongs(picture: Picture, result: Result) -> bool:
    """Return whether a picture is that of a result, as report.png is that of report.json."""
    return picture.name.rpartition('.')[0] == result.name.rpartition('.')[0]


def _alternative(picture: Picture, section: Section) -> str:
    return ALTERNATIVES.get(picture.name, f'figure of: {section.title}, {section.number} '
                                          f'{section.said}')


def _embedded(picture: Picture) -> str:
    return f'data:{picture.kind};base64,{b64encode(picture.content).decode()}'
