# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser, as people use it, without ROS."""

from pathlib import Path
import signal
import time

import pytest

from .browsing import chromium, look  # noqa: F401  (fixtures)
from .program import Program

# They run in real time: what a busy machine has failed may try once more, and is counted as rerun.
pytestmark = [pytest.mark.timeout(180), pytest.mark.flaky(reruns=1)]


@pytest.fixture(scope='module')
def program(tmp_path_factory):
    """Yield a page that runs without ROS."""
    program = Program(tmp_path_factory.mktemp('page'), '--without-ros')
    yield program
    assert program.end() == 0, program.log.read_text()


@pytest.fixture
def person(program, look):  # noqa: F811
    """Return somebody at the page, who drives."""
    person = look()
    person.open(program.address)
    person.page.evaluate("fetch('/api/halt', {method: 'POST', headers: {'X-Smallbot': 'page'}})")
    person.phase('alted')
    person.page.locator('#reset').click()
    take_over = person.page.locator('#take-over').get_by_role('button', name='Take over')
    deadline = time.monotonic() + 20
    while person.page.locator('#reset').is_visible() and time.monotonic() < deadline:
        if take_over.is_visible():  # the tab of the test before has only just been closed
            take_over.click()
        person.page.wait_for_timeout(50)
    person.hidden('#reset')
    return person


def number(person, identity: str) -> float:
    return float(person.page.locator(f'#{identity}').inner_text().split()[0].replace(',', ''))


def test_draw_learn_play(person):
    person.draw()
    person.learn()
    assert number(person, 'expected') > 0
    person.button('Play').click()
    person.seen('#error-figures')
    # A hand on a busy machine jerks, and the arm there loses time: how well is for others to test.
    assert number(person, 'arm-error') > 0
    assert number(person, 'before-error') > number(person, 'network-error') > 0


def test_the_space_bar_halts_wherever_the_focus_is(person):
    person.draw(seconds=3)
    person.learn()
    for focus in ('#play-button', '#example', 'body'):
        person.button('Play').click()
        person.phase('plays')
        if focus != 'body':
            person.page.locator(focus).focus()
        person.page.keyboard.press('Space')
        person.phase('alted')
        person.page.locator('#reset').click()
        person.hidden('#reset')


def test_halt_on_a_page_just_reloaded_and_by_somebody_who_only_watches(
        person, program, look):  # noqa: F811
    person.draw(seconds=3)
    person.learn()
    person.button('Play').click()
    person.phase('plays')
    person.page.reload(wait_until='commit')
    person.page.locator('#halt').dispatch_event('pointerdown')
    person.phase('alted')
    person.page.locator('#reset').click()
    person.hidden('#reset')
    watcher = look()
    watcher.open(program.address)
    person.button('Play').click()
    watcher.phase('plays')
    watcher.page.locator('#halt').click()
    person.phase('alted')


def test_the_second_driver_is_asked_and_the_first_told(person, program, look):  # noqa: F811
    person.draw()
    second = look()
    second.open(program.address)
    second.button('Learn').click()
    dialog = second.page.get_by_role('dialog', name='Another page drives')
    dialog.wait_for()
    second.button('Go on watching', 'dialog[open]').click()
    dialog.wait_for(state='hidden')
    second.button('Learn').click()
    second.button('Take over', 'dialog[open]').click()
    second.seen('#learn-figures')
    person.page.get_by_text('drives now.').first.wait_for()
    assert 'You drive' in second.page.locator('#driver-text').inner_text()


@pytest.mark.parametrize(('name', 'content', 'said'), [
    ('letter.csv', 'time,base,shoulder\n0,0,0\n1,0.5,nan\n2,0,0\n', 'shoulder'),
    ('letter.csv', '', 'letter.csv'),
    ('letter.csv', 'time,base,elbows\n0,0,0\n1,1,0\n2,0,0\n', 'elbows'),
    ('letter.png', 'nix', 'ends in'),
    ('<img src=x onerror=alert(1)>.csv', 'nix', '<img src=x onerror=alert(1)>.csv'),
    ('../../etc/passwd.csv', 'nix', 'passwd.csv')])
def test_a_bad_upload_is_one_line(person, name, content, said):
    person.page.locator('#others summary').click()
    person.page.locator('#file').set_input_files(
        {'name': name, 'mimeType': 'text/csv', 'buffer': content.encode()})
    alert = person.page.locator('#show').get_by_role('alert').filter(has_text=said)
    alert.wait_for()
    assert '/tmp' not in alert.inner_text()


def test_a_good_upload_is_shown(person):
    rows = '\n'.join(f'{k / 50},{0.2 * (k / 100) ** 2},{0.3 * k / 100}' for k in range(101))
    person.page.locator('#others summary').click()
    person.page.locator('#file').set_input_files(
        {'name': 'mine.csv', 'mimeType': 'text/csv',
         'buffer': f'time,base,shoulder\n{rows}\n'.encode()})
    person.page.locator('#shown-name').filter(has_text='mine.csv').wait_for()


def test_out_of_reach_is_said_at_once_and_nothing_is_lost(person):
    person.page.locator('#others summary').click()
    person.button('Show this example').click()
    shown = person.page.locator('#shown-name')
    shown.filter(has_text='drawer').wait_for()
    before = shown.inner_text()
    canvas = person.page.get_by_label('Drawing area, the plane of the tool tip')
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    person.page.mouse.move(box['x'] + box['width'] / 2, box['y'] + box['height'] / 2)
    person.page.mouse.down()
    for part in range(30):
        share = part / 30
        person.page.mouse.move(box['x'] + box['width'] * (0.5 - 0.49 * share),
                               box['y'] + box['height'] * (0.5 - 0.49 * share))
        person.page.wait_for_timeout(30)
    person.page.locator('#show').get_by_role('alert').filter(has_text='reach').wait_for()
    person.page.mouse.up()
    person.page.wait_for_timeout(500)
    assert shown.inner_text() == before


def test_ask(person):
    person.draw()
    person.button('A day').click()
    person.seen('#ask-figures')
    assert 0 < number(person, 'asked-error') < 8
    person.button('5 % stuck').click()
    person.page.wait_for_timeout(1000)
    assert number(person, 'asked-before') > number(person, 'asked-error')


def test_five_characters_and_one_more(person):
    def stroke(canvas, kind, shift=0.0):
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        lines = {'cross': [[(.2, .2), (.8, .8)], [(.8, .2), (.2, .8)]],
                 'seven': [[(.2, .2), (.8, .2), (.4, .85)]],
                 'gate': [[(.2, .85), (.2, .2), (.8, .2), (.8, .85)]],
                 'plus': [[(.5, .1), (.5, .9)], [(.1, .5), (.9, .5)]],
                 'wave': [[(.1, .4), (.3, .7), (.5, .3), (.7, .7), (.9, .3)]]}
        for line in lines[kind]:
            for first, (x, y) in enumerate(line):
                person.page.mouse.move(box['x'] + box['width'] * (x + shift),
                                       box['y'] + box['height'] * y, steps=8 if first else 1)
                if not first:
                    person.page.mouse.down()
            person.page.mouse.up()

    sheets = person.page.locator('#sheets canvas.sheet')
    for place, kind in enumerate(('cross', 'seven', 'gate', 'plus', 'wave')):
        stroke(sheets.nth(place), kind)
    person.button('Learn these characters').click()
    person.page.locator('#images').get_by_role('status').filter(has_text='learned').wait_for()
    stroke(person.page.locator('#question canvas.sheet'), 'gate', 0.04)
    person.button('Which is it?').click()
    person.page.locator('#images').get_by_role('status').filter(
        has_text='character 3').first.wait_for()


def test_by_keyboard_alone(person):
    person.page.get_by_label('Drawing area, the plane of the tool tip').focus()
    press = person.page.keyboard.press
    press('Enter')
    for key, times in (('ArrowUp', 6), ('ArrowRight', 6), ('ArrowDown', 6)):
        for _ in range(times):
            press(key)
    press('Enter')
    person.enabled('#learn-button')
    learn = person.page.locator('#learn-button')
    learn.focus()
    press('Enter')
    person.enabled('#play-button')
    person.page.locator('#play-button').focus()
    press('Enter')
    person.phase('Played')


@pytest.mark.parametrize('width', [360, 820, 1400])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_it_fits_every_width(program, look, width, scheme):  # noqa: F811
    person = look(viewport={'width': width, 'height': 740}, color_scheme=scheme,
                  has_touch=width < 500)
    person.open(program.address)
    wide = person.page.evaluate('document.documentElement.scrollWidth')
    assert wide <= width
    box = person.page.locator('#halt').bounding_box()
    assert box['height'] >= 44
    assert 0 <= box['y'] and box['y'] + box['height'] <= 740, 'Halt is not in sight'
    person.page.mouse.wheel(0, 3000)
    person.page.wait_for_timeout(300)
    box = person.page.locator('#halt').bounding_box()
    assert 0 <= box['y'] and box['y'] + box['height'] <= 740, 'Halt scrolled away'


def test_everything_that_can_be_pressed_has_a_name_and_is_large_enough(person):
    small = person.page.evaluate("""() => [...document.querySelectorAll(
        'button, input, select, summary, canvas[tabindex]')].filter(each => {
            if (!each.checkVisibility()) return false;
            const label = each.ariaLabel || each.labels?.[0]?.textContent || each.textContent;
            const box = (each.type === 'radio' ? each.labels[0] : each).getBoundingClientRect();
            return !label.trim() || Math.max(box.width, 24) < 24 || box.height < 24;
        }).map(each => each.outerHTML.slice(0, 120))""")
    assert not small, small


def test_first_sight_is_light(program, look):  # noqa: F811
    person = look()
    session = person.page.context.new_cdp_session(person.page)
    session.send('Network.enable')
    sizes = []
    session.on('Network.loadingFinished', lambda event: sizes.append(event['encodedDataLength']))
    person.open(program.address)
    person.page.wait_for_load_state('networkidle')
    assert sum(sizes) < 1_000_000, f'{sum(sizes)} bytes'


def test_the_program_killed_and_back(tmp_path, look):  # noqa: F811
    program = Program(tmp_path, '--without-ros')
    person = look()
    person.open(program.address)
    person.draw()
    children = program.children()
    assert len(children) == 2
    program.end(signal.SIGKILL)
    person.page.locator('#away').filter(has_text='onnection').wait_for()
    person.page.keyboard.press('Space')
    assert person.page.locator('#halt-said').inner_text() or 'onnection' in (
        person.page.locator('#halt').inner_text())
    deadline = time.monotonic() + 20
    while any(Path(f'/proc/{child}/stat').exists() for child in children):
        assert time.monotonic() < deadline, 'what was behind the page lives on'
        time.sleep(0.05)
    again = Program(tmp_path, '--without-ros', port=program.port)
    try:
        person.hidden('#away')
        person.ready()
        person.draw()
        person.learn()
    finally:
        assert again.end() == 0


def test_ctrl_c_ends_it_soon_and_frees_its_port(tmp_path):
    program = Program(tmp_path, '--without-ros')
    began = time.monotonic()
    assert program.end() == 0
    assert time.monotonic() - began < 10
    again = Program(tmp_path, '--without-ros', port=program.port)
    assert again.end(signal.SIGTERM) == 0
    assert 'Traceback' not in again.log.read_text() + program.log.read_text()
