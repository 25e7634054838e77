# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The structure of the package: rooms in their order, imports only downwards.

A room is a folder of `smallbot/`; those of one line may not import each other. `foundation` is
what lies beside the rooms: errors, kinds and paths, share, standard output, the clock. The
package's own `__init__` hands out the names of `api` and lies above all, with `__main__`.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'smallbot'
ORDER = [
    {'__main__', '__init__'},
    {'cli'},
    {'cli/images'},
    {'cli/common'},
    {'page'},
    {'page/behind'},
    {'nodes'},
    {'nodes/common'},
    {'report'},
    {'plots'},
    {'plots/common'},
    {'api'},
    {'study'},
    {'simulation', 'outer_loop'},
    {'ed_scorbot/emulated'},
    {'ed_scorbot'},
    {'ed_scorbot/network'},
    {'one_shot', 'few_shot'},
    {'few_shot/images', 'demonstration'},
    {'demonstration/formats'},
    {'demonstration/storage'},
    {'experiment'},
    {'snn', 'synapses'},
    {'chip'},
    {'chip/device'},
    {'arm'},
    {'models'},
    {'files'},
    {'foundation'},
]
FLOOR = {room: len(ORDER) - number for number, rooms in enumerate(ORDER) for room in rooms}
ONLY_IN_NODES = {'rclpy', 'ament_index_python', 'rosidl_runtime_py', 'launch', 'launch_ros'}
CLIENT = PACKAGE / 'page' / 'behind' / 'with_ros.py'
"""The page's own client of the nodes."""
LONGEST, LICENSE = 480, 2
"""Lines of a file, beside those that say its licence."""
MOST = 12
"""Files of a room."""
FILES = sorted(PACKAGE.rglob('*.py'))


def room_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    if len(inside.parts) == 1:
        return inside.stem if inside.stem in ORDER[0] else 'foundation'
    return inside.parent.as_posix()


def imports(path: Path):
    """Yield the line and the module of every import, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}:{node.lineno}: relative import'
            # `from smallbot.chip import energy` names a module, `from smallbot.chip.energy import
            # READ_ENERGY` a name: whichever is a file or a folder counts.
            for alias in node.names:
                whole = f'{node.module}.{alias.name}'
                yield node.lineno, whole if file_of(whole) else node.module


def file_of(module: str) -> Path | None:
    """Return the file of a module of the package; None for others."""
    parts = module.split('.')
    if parts[0] != 'smallbot':
        return None
    place = PACKAGE.joinpath(*parts[1:])
    for found in (place.with_suffix('.py'), place / '__init__.py'):
        if found.is_file() and len(parts) > 1:
            return found
    return None


def upward(files, package=PACKAGE):
    """Return a line for every import that does not lead downwards."""
    found = []
    for path in files:
        own = room_of(path)
        for line, module in imports(path):
            target = file_of(module)
            if target is None or room_of(target) == own:
                continue
            other = room_of(target)
            if FLOOR[other] >= FLOOR[own]:
                found.append(f'{path.relative_to(package.parent)}:{line}: room {own} imports '
                             f'{module} of room {other}, which is not below it')
    return found


def test_every_folder_is_a_room_of_the_order():
    assert {room_of(path) for path in FILES} == set(FLOOR)


def test_imports_lead_downwards_only():
    wrong = upward(FILES)
    assert not wrong, '\n' + '\n'.join(wrong)


def test_an_import_that_leads_upwards_is_named(tmp_path, monkeypatch):
    """The test above can fail, and says file, line and both rooms."""
    package = tmp_path / 'smallbot'
    for room, line in (('chip', 'from smallbot.snn.neuron import step'),
                       ('snn', 'def f():\n    import smallbot.chip.core')):
        (package / room).mkdir(parents=True)
        (package / room / '__init__.py').write_text('')
        (package / room / {'chip': 'core.py', 'snn': 'neuron.py'}[room]).write_text(line)
    monkeypatch.setitem(globals(), 'PACKAGE', package)
    assert upward(sorted(package.rglob('*.py')), package) == [
        'smallbot/chip/core.py:1: room chip imports smallbot.snn.neuron of room snn, which is '
        'not below it']


def test_only_nodes_import_ros():
    wrong = [f'{path.relative_to(PACKAGE.parent)}:{line}: room {room_of(path)} imports {module}, '
             f'which is for room nodes'
             for path in FILES if not room_of(path).startswith('nodes') and path != CLIENT
             for line, module in imports(path) if module.split('.')[0] in ONLY_IN_NODES
             or module.split('.')[0].endswith(('_msgs', '_srvs', '_interfaces'))]
    assert not wrong, '\n' + '\n'.join(wrong)


def test_no_imports_in_circles():
    """Files of a room may import each other, but not in a circle."""
    after = {path: {file_of(module) for _, module in imports(path)} - {None, path}
             for path in FILES}
    done: set[Path] = set()

    def visit(path: Path, way: tuple[Path, ...]) -> None:
        assert path not in way, ' -> '.join(
            str(step.relative_to(PACKAGE)) for step in (*way[way.index(path):], path))
        if path not in done:
            for other in after[path]:
                visit(other, (*way, path))
            done.add(path)

    for path in FILES:
        visit(path, ())


@pytest.mark.parametrize('room', sorted(set(FLOOR) - ORDER[0] - {'foundation'}))
def test_a_room_is_small_and_says_what_it_is_for(room):
    files = sorted((PACKAGE / room).glob('*.py'))
    assert len(files) <= MOST, f'room {room} has {len(files)} files, at most {MOST}'
    said = ast.get_docstring(ast.parse((PACKAGE / room / '__init__.py').read_text()))
    assert said and len(said.splitlines()[0]) > 20


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_is_not_long_says_what_it_is_for_and_does_something_itself(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= LONGEST + LICENSE
    assert ast.get_docstring(tree), 'no docstring'
    if path.name not in ('__init__.py', '__main__.py'):
        own = [node for node in tree.body if not isinstance(
            node, ast.Import | ast.ImportFrom | ast.Expr)
            and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__')]
        assert own, 'it only hands on what others define'
