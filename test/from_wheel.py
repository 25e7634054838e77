# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What somebody gets who installs the wheel, without ROS and outside the checkout.

`make wheel-check` runs it, the other tests do not: it builds sdist and wheel, and installs the
wheel with pipx, and what the page needs, into an environment that is empty. What is to work from a
wheel is run here, each verb in a function of its own.
"""

import json
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
import zipfile

import pytest
from websockets.sync.client import connect

from smallbot import __version__

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 8 * 2 ** 20
"""Bytes of the wheel: models, drawings and characters are in it."""
NOT_SHIPPED = ('.ci/', '.gitignore', 'MANIFEST.in')
"""Of the repository, what nobody needs who has no checkout; the last goes along all the same."""


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=600, **options)
    assert done.returncode == 0, f'{command}\n{done.stdout}{done.stderr}'
    return done


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """Return sdist and wheel, the wheel built from the sdist."""
    folder = tmp_path_factory.mktemp('dist')
    run(sys.executable, '-m', 'build', '--outdir', folder, ROOT)
    (sdist,), (wheel,) = folder.glob('*.tar.gz'), folder.glob('*.whl')
    return sdist, wheel


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    return tmp_path_factory.mktemp('home')


@pytest.fixture(scope='module')
def bare(built, home):
    """Return an environment with the installed command in it and nothing beside that."""
    places = {'PIPX_HOME': home / 'pipx', 'PIPX_BIN_DIR': home / 'bin', 'PIPX_MAN_DIR': home}
    environment = {key: value for key, value in os.environ.items()
                   if not key.startswith(('PYTHON', 'ROS', 'AMENT', 'VIRTUAL_ENV'))}
    run(sys.executable, '-m', 'pipx', 'install', '--python', sys._base_executable, '--pip-args',
        f'--no-compile --constraint {ROOT / "constraints.txt"}', f'{built[1]}[page]',
        env={**environment, **{name: str(path) for name, path in places.items()}}, cwd=home)
    yield {'PATH': f'{home / "bin"}:/usr/bin:/bin', 'HOME': str(home), 'OMP_NUM_THREADS': '1'}
    shutil.rmtree(home / 'pipx')


@pytest.fixture
def smallbot(bare, home):
    """Return a function that runs the installed command."""
    return lambda *arguments: run('smallbot', *arguments, cwd=home, env=bare)


def test_the_sdist_holds_the_repository(built):
    tracked = run('git', '-C', ROOT, 'ls-files').stdout.split()
    with tarfile.open(built[0]) as archive:
        held = {name.partition('/')[2] for name in archive.getnames()}
    assert not [name for name in tracked if name not in held
                and not name.startswith(NOT_SHIPPED)]


def test_the_wheel_holds_the_package_its_data_and_no_tests(built):
    with zipfile.ZipFile(built[1]) as archive:
        names = archive.namelist()
    tracked = run('git', '-C', ROOT, 'ls-files', 'smallbot').stdout.split()
    assert set(tracked) <= set(names)
    assert not [name for name in names if '/bin/' in name], 'pip makes the command itself'
    share = 'smallbot-[^/]+.data/data/share/(smallbot/|ament_index/)'
    wrong = [name for name in names
             if not re.match(rf'smallbot/|smallbot-[^/]+.dist-info/|{share}', name)]
    assert not wrong
    held = {re.sub('^.*/share/smallbot/', '', name) for name in names}
    assert set(run('git', '-C', ROOT, 'ls-files', 'config', 'urdf', 'launch',
                   'package.xml').stdout.split()) <= held


def test_the_wheel_is_small_and_for_any_machine(built):
    print(f'{built[1].name}: {built[1].stat().st_size / 1e6:.1f} MB')
    assert built[1].stat().st_size < LARGEST
    assert built[1].name.endswith('-py3-none-any.whl')


def test_an_index_would_take_both(built):
    run(sys.executable, '-m', 'twine', 'check', '--strict', *built)


def test_the_sdist_runs_tests(built, tmp_path):
    with tarfile.open(built[0]) as archive:
        archive.extractall(tmp_path, filter='data')
    (unpacked,) = tmp_path.iterdir()
    run(sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'test/test_package.py',
        'test/test_docs.py', 'test/snn', '-k', 'not printed and not sphinx', cwd=unpacked,
        env={**os.environ, 'PYTHONPATH': str(unpacked)})


def test_the_version(smallbot):
    assert smallbot('--version').stdout.strip() == f'smallbot {__version__}'


def test_the_installation_is_whole(smallbot, home):
    smallbot('doctor', '--listen', '0', '--json', home / 'doctor.json')
    findings = json.loads((home / 'doctor.json').read_text())
    assert findings['problems'] == 0
    assert any('ROS 2 is not to be found' in one['what'] for one in findings['findings'])


def test_a_movement_is_shown_learned_and_played(smallbot, home):
    said = smallbot('demo', '--without-ros', '--out', home / 'out').stdout
    assert str(ROOT) not in said
    report = json.loads((home / 'out' / 'report.json').read_text())
    assert report['arm_tip_rmse_cm'] < 3 and report['updates'] == 1
    assert (home / 'out' / 'report.png').stat().st_size > 10_000
    assert Path(report['bag'], 'metadata.yaml').is_file()


def test_models_drawings_characters_and_robots_come_with_it(smallbot, home):
    smallbot('evaluate', '--family', 'pen', '--tasks', '1', '--synapses', 'software')
    smallbot('few-shot', 'classify', '--synapses', 'software', '--out', home / 'told')
    assert 'tool_tip' in smallbot('arm', 'describe', 'hobby_arm').stdout


def test_the_page_is_served_and_its_arm_gets_ready(bare, home):
    page = subprocess.Popen([home / 'bin' / 'smallbot', 'page', '--port', '0', '--no-browser',
                             '--without-ros'], cwd=home, env=bare, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        address = page.stdout.readline().split()[0]
        for part in ('', 'static/main.js', 'static/vendor/three/three.module.min.js'):
            with urllib.request.urlopen(f'{address.rstrip("/")}/{part}', timeout=30) as answer:
                assert answer.status == 200 and answer.read(), part
        origin = address.rstrip('/')
        with connect(f'{origin.replace("http", "ws")}/live?client=wheel',
                     additional_headers={'origin': origin}) as socket:
            while not json.loads(socket.recv(timeout=60)).get('state', {}).get('ready'):
                pass
    finally:
        page.send_signal(signal.SIGINT)
        said = page.communicate(timeout=30)
    assert page.returncode == 0, said
