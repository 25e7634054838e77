# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Reports of runs, through the command: what they hold, that they keep quiet, what is refused."""

from base64 import b64decode
from html.parser import HTMLParser
import json
from pathlib import Path
import re

import numpy as np
from PIL import Image

from smallbot.cli.main import main
from smallbot.files.writing import write_json
from smallbot.plots.training import draw_training
from smallbot.report.folder import LARGEST_PICTURE
from smallbot.report.terms import TERMS

SPREAD = {'mean': 0.5149, 'sd': 0.2, 'median': 0.5, 'ci95': [0.4, 0.6]}
BEFORE = {'mean': 31.97, 'sd': 0.0, 'median': 31.97, 'ci95': None}
DEMO = {
    'synapses': 'chip', 'tasks': 1, 'tip_rmse_cm': {'before': BEFORE, 'after': SPREAD},
    'expected_tip_rmse_cm': SPREAD, 'velocity_rmse': {'base': {'mean': 0.16, 'sd': 0.0}},
    'cells_written': {'mean': 8883.0, 'fraction': 0.169}, 'devices_written': 13736.0,
    'pulses': None, 'energy_uj': 5.82, 'learn_seconds': 0.155, 'updates': 1, 'seed': 7,
    'model': 'ed_scorbot', 'weights': '7c77bc325188', 'arm': 'kinematic',
    'arm_tip_rmse_cm': 0.8255, 'demonstration': {
        'shown': 'greek_60', 'source': 'topic', 'digest': '87c35c73a4f339c1', 'seconds': 2.67,
        'joints': ['base']}, 'duration': 2.67, 'bag': '/home/anna/out/shown_1',
    'made_with': {'command': 'smallbot demo', 'versions': {'smallbot': '9.8.7', 'torch': None}}}
POINT = {'tasks': 4, 'tip_rmse_cm': {'after': SPREAD, 'before': BEFORE}, 'family': 'paper',
         'cells_written': {'mean': 1.0, 'fraction': 0.2}, 'synapses': 'chip',
         'model': 'ed_scorbot', 'weights': '7c77bc325188', 'seed': 1, 'stuck_devices': 0.0,
         'noise': 1.0}
TRAINING = {'iterations': 3, 'planned': 4, 'session_seconds': 2.0, 'training_seconds': 2.0,
            'seed': 0, 'model': None, 'recent_tip_cm': 1.0, 'course': {
                'figure': 'tip_cm', 'iterations': [1, 2, 3], 'values': [3.0, 2.0, 1.0]},
            'validations': [{'iteration': 2, 'seconds': 1.0, 'tip_cm': 1.234}]}


class Page(HTMLParser):
    """What a page names: tags with their attributes, and words."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ('meta', 'img'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.words.append(text)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def picture(path, size=(4, 3)):
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(path)


def reported(folder, *arguments):
    """Return the page that the command makes of a folder."""
    assert main(['report', str(folder), *map(str, arguments)]) == 0
    text = (folder / 'report.html').read_text()
    page = Page(text)
    assert page.open == []
    return text, page


def test_a_demonstration_leads_with_the_one_number(tmp_path):
    write_json(tmp_path / 'report.json', DEMO)
    picture(tmp_path / 'report.png')
    text, page = reported(tmp_path)
    said = ' '.join(' '.join(page.words).split())
    for expected in ('0.5 cm off, after one update', 'before the update: 32.0 cm', '0.8 cm',
                     'greek_60', 'shown_1', '8,883, 16.9 %', '5.82 µJ', 'kinematic', 'seed 7',
                     'ed_scorbot (weights 7c77bc325188)', 'smallbot 9.8.7', 'smallbot demo',
                     TERMS['tip_rmse_cm.after'].definition):
        assert expected in said
    assert '/home/anna' not in text, 'where something lay is not mailed'
    assert said.index('0.5 cm') < said.index('8,883')
    image, = page.all('img')
    kind, content = image['src'].split(',', 1)
    assert kind == 'data:image/png;base64' and 'tool-tip paths' in image['alt']
    assert b64decode(content) == (tmp_path / 'report.png').read_bytes()


def test_a_page_asks_nobody_and_runs_nothing(tmp_path):
    write_json(tmp_path / 'report.json', DEMO)
    picture(tmp_path / 'report.png')
    (tmp_path / 'more.svg').write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>x()'
                                       '</script></svg>')
    text, page = reported(tmp_path)
    policy, = (tag['content'] for tag in page.all('meta') if 'http-equiv' in tag)
    assert policy.startswith("default-src 'none'")
    assert not page.all('script') and not page.all('link') and not page.all('iframe')
    outward = [value for _, attributes in page.tags for name, value in attributes.items()
               if name in ('src', 'href', 'srcset', 'action')]
    assert outward and all(value.startswith('data:image/') for value in outward)
    assert not re.search(r'url\(|@import|https?://', text)
    assert 'prefers-color-scheme: dark' in text
    assert any(tag.get('content', '').startswith('width=device-width')
               for tag in page.all('meta'))


def test_what_people_name_is_escaped(tmp_path):
    name = '<script>alert(1)</script>"&\u202e'
    write_json(tmp_path / 'report.json', {
        **DEMO, 'demonstration': {**DEMO['demonstration'], 'shown': name},
        'made_with': {**DEMO['made_with'], 'command': f"smallbot demo '{name}'"}})
    picture(tmp_path / 'a"><script>.png')
    text, page = reported(tmp_path)
    assert not page.all('script') and '<script' not in text
    assert any(name in words for words in page.words)
    assert any('a"><script>.png' in tag['alt'] for tag in page.all('img'))


def test_a_folder_of_several_results_has_a_section_and_a_figure_for_each(tmp_path):
    write_json(tmp_path / 'a.json', {'sweep': 'stuck', 'model': 'm', 'seed': 1, 'points': [
        {'value': value, **POINT} for value in (0.0, 0.1)]})
    write_json(tmp_path / 'b.json', POINT)
    write_json(tmp_path / 'training.json', TRAINING)
    picture(tmp_path / 'b.png')
    picture(tmp_path / 'holiday.png')
    _, page = reported(tmp_path)
    said = ' '.join(' '.join(page.words).split())
    assert said.index('4 movements, each shown once') < said.index('share of stuck devices')
    assert '0.51 to 0.51 cm' in said and '1.23 cm' in said and '3 of 4 iterations' in said
    assert len(page.all('h2')) == 3, 'two more results, and the picture that is of none'
    captions = re.findall(r'<figcaption>(.*?)</figcaption>',
                          (tmp_path / 'report.html').read_text())
    assert captions == ['b.png', 'a.json, drawn', 'training.json, drawn', 'holiday.png']


def test_what_is_too_large_or_no_result_is_left_out_and_said(tmp_path):
    write_json(tmp_path / 'report.json', DEMO)
    (tmp_path / 'huge.png').write_bytes(b'x' * (LARGEST_PICTURE + 1))
    (tmp_path / 'broken.json').write_text('{')
    write_json(tmp_path / 'doctor.json', {'problems': 0, 'findings': []})
    write_json(tmp_path / 'out.json', {'x': 1}, 'another-format')
    _, page = reported(tmp_path, '--json', tmp_path / 'said.json')
    left = ' '.join(page.words).partition('Not in this report')[2]
    assert all(name in left for name in ('huge.png', 'broken.json', 'doctor.json'))
    assert 'out.json' not in left and not page.all('img')
    said = json.loads((tmp_path / 'said.json').read_text())
    assert said['results'] == ['doctor.json', 'report.json'] and said['pictures'] == []


def refused(capsys, *arguments):
    code = main(['report', *map(str, arguments)])
    captured = capsys.readouterr()
    assert code == 2 and captured.out == '' and len(captured.err.splitlines()) == 1
    return captured.err


def test_a_folder_without_a_result_is_refused(capsys, tmp_path):
    assert 'no result of smallbot in it' in refused(capsys, tmp_path)
    write_json(tmp_path / 'doctor.json', {'problems': 0, 'findings': []})
    assert 'none of its results has figures: doctor.json' in refused(capsys, tmp_path)
    assert not (tmp_path / 'report.html').exists()


def test_a_result_that_is_damaged_or_not_whole_is_named(capsys, tmp_path):
    write_json(tmp_path / 'report.json', {**DEMO, 'tip_rmse_cm': 'much'})
    said = refused(capsys, tmp_path)
    assert 'report.json: not a whole result' in said
    text = (tmp_path / 'report.json').read_text()
    (tmp_path / 'report.json').write_text(text.replace('"seed": 7', '"seed": 8'))
    assert 'does not match its checksum' in refused(capsys, tmp_path)


def test_a_page_that_cannot_be_written_is_refused_before_the_work(capsys, tmp_path):
    write_json(tmp_path / 'report.json', DEMO)
    (tmp_path / 'report.html').mkdir()
    assert '--out FILE.html writes it elsewhere' in refused(capsys, tmp_path)


def test_the_words_are_those_of_the_page_of_figures():
    page = (Path(__file__).parents[2] / 'docs' / 'reference' / 'figures.md').read_text()
    units = dict(re.findall(r'^\| `(\w+)` \|([^|]*)\|', page, re.MULTILINE))
    both = [field for field in TERMS if field.partition('.')[0] in units]
    assert len(both) > 10
    for field in both:
        assert units[field.partition('.')[0]].strip() == TERMS[field].unit, field


def test_the_course_of_a_training_is_drawn(tmp_path):
    draw_training(TRAINING, tmp_path / 'x.svg')
    said = re.findall(r'<!-- (.*?) -->', (tmp_path / 'x.svg').read_text())
    assert {'Training', 'tool-tip error, cm', 'validation: tool-tip error, cm'} <= set(said)
