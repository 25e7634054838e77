# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The names of `import smallbot`: cheap to import, found by people, tools and type checkers."""

import ast
import inspect
from pathlib import Path
import subprocess
import sys

import pytest

import smallbot

SOURCE = Path(smallbot.__file__)
HEAVY = ('torch', 'numpy', 'scipy', 'matplotlib', 'pydantic', 'safetensors', 'yaml', 'tqdm')
USER = """
import smallbot

model = smallbot.load_model()
shown = smallbot.demonstrate(model, 'wave.csv')
chip = smallbot.Chip(model, smallbot.Conditions(age=86400.0, stuck=0.05), seed=1)
learned = smallbot.learn(chip, shown)
cells: int = learned.written.cells
error: float = smallbot.play(chip, shown).tip_rmse_cm
evaluation = smallbot.evaluate(model, chip.conditions, tasks=2)
digest: str = smallbot.meta_train('ur5e', ['elbow_joint'], limits=[(-1, 1)]).digest
told: list[str] = smallbot.classify('mine', ['new.jpg']).told
right = smallbot.evaluate_images(smallbot.load_image_model(), ways=5).accuracy.mean()
"""


def test_importing_loads_nothing_that_the_names_need():
    """Which is what makes it cheap; how long it takes depends on the machine."""
    code = 'import sys, smallbot; print(*sys.modules)'
    loaded = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                            check=True, cwd=SOURCE.parents[1]).stdout.split()
    plain = subprocess.run([sys.executable, '-c', 'import sys, typing; print(*sys.modules)'],
                           capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith('smallbot')] == ['smallbot']
    assert not set(HEAVY) & set(loaded)
    assert set(loaded) - set(plain) == {'smallbot'}


def test_every_name_is_there_and_says_what_it_is():
    assert set(smallbot.__all__) <= set(dir(smallbot))
    for name in smallbot.__all__:
        found = getattr(smallbot, name)
        assert inspect.getdoc(found) and found.__module__.startswith('smallbot.'), name
        assert getattr(smallbot, name) is found is vars(smallbot)[name]


def test_star_brings_them_and_what_is_not_there_is_said():
    brought: dict = {}
    exec('from smallbot import *', brought)
    assert set(smallbot.__all__) <= set(brought)
    with pytest.raises(AttributeError, match="module 'smallbot' has no attribute 'load_modle'"):
        _ = smallbot.load_modle
    with pytest.raises(ImportError, match='cannot import name'):
        from smallbot import load_modle  # noqa: F401


def test_tools_that_do_not_run_it_see_the_same_names():
    typed, = (node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in typed.body if isinstance(node, ast.ImportFrom)
            for alias in node.names}
    assert set(seen) == set(smallbot.__all__)
    for name, module in seen.items():
        assert getattr(smallbot, name) is getattr(sys.modules[module], name), name


def test_a_users_type_checker_knows_them(tmp_path):
    pytest.importorskip('mypy')
    (tmp_path / 'right.py').write_text(USER)
    (tmp_path / 'wrong.py').write_text(USER + """
smallbot.learn(model, shown)
smallbot.Chip(model, seed='1')
smallbot.play(chip, shown).tip_rmse_mm
""")
    told = {}
    for name in ('right.py', 'wrong.py'):
        told[name] = subprocess.run(
            [sys.executable, '-m', 'mypy', '--strict', '--follow-imports', 'silent',
             '--ignore-missing-imports', '--cache-dir', str(tmp_path / 'cache'), name],
            cwd=tmp_path, capture_output=True, text=True,
            env={'PYTHONPATH': str(SOURCE.parents[1]), 'MYPYPATH': str(SOURCE.parents[1])})
    assert told['right.py'].returncode == 0, told['right.py'].stdout
    said = told['wrong.py'].stdout
    for line, wrong in enumerate(('to "learn" has incompatible', 'to "Chip" has incompatible',
                                  'has no attribute "tip_rmse_mm"'), USER.count('\n') + 2):
        assert any(one.startswith(f'wrong.py:{line}: error') and wrong in one
                   for one in said.splitlines()), said


def test_the_mark_of_types_is_shipped():
    assert (SOURCE.parent / 'py.typed').is_file()
    assert "NAME: ['py.typed']" in (SOURCE.parents[1] / 'setup.py').read_text()
