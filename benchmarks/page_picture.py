# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Make docs/page.png: a pen stroke of the package drawn on the page, learned and played.

Needs the extras [page] and [test], and chromium.
"""

from pathlib import Path
import sys
import tempfile

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'test')]

from page.browsing import CHROMIUM, FLAGS, Looker, playwright  # noqa: E402
from page.program import Program  # noqa: E402

from smallbot.demonstration.drawings import drawings_of, pen_drawing  # noqa: E402

DRAWING = 12
"""Which of the drawings for validation."""
SIZE = 190
"""Larger extent on the screen, px."""


def main() -> None:
    """Draw, learn, play, and take the picture."""
    _, pen = pen_drawing(int(drawings_of('validation')[DRAWING]))
    pen = (pen - (pen.min(0) + pen.max(0)) / 2) * SIZE / (pen.max(0) - pen.min(0)).max()
    program = Program(Path(tempfile.mkdtemp()), '--without-ros')
    try:
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_context(viewport={'width': 1280, 'height': 800},
                                       color_scheme='light').new_page()
            person = Looker(page)
            person.open(program.address)
            box = page.get_by_label('Drawing area, the plane of the tool tip').bounding_box()
            middle = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
            page.mouse.move(middle[0] + pen[0, 0], middle[1] - pen[0, 1])
            page.mouse.down()
            for x, y in pen[::2]:
                page.mouse.move(middle[0] + x, middle[1] - y)
                page.wait_for_timeout(12)
            page.mouse.up()
            person.enabled('#learn-button')
            person.learn()
            person.button('Play').click()
            person.seen('#error-figures')
            page.wait_for_timeout(500)
            file = ROOT / 'docs' / 'page.png'
            page.screenshot(path=str(file))
            Image.open(file).convert('RGB').quantize(128, dither=Image.Dither.NONE).save(
                file, optimize=True)
            browser.close()
    finally:
        program.end()


if __name__ == '__main__':
    main()
