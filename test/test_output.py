# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Standard output that is closed, full or left costs a line and code 1, and nothing else."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

import smallbot

ROOT = Path(smallbot.__file__).resolve().parents[1]
WRITES = """from pathlib import Path
import sys
from smallbot.files.writing import write_json
from smallbot.output import told

@told
def main():
    print('a result \\xb5 \\u2192', flush=True)
    Path('opened').open('w').close()
    print('more ' * 300_000)
    write_json(Path('result.json'), {'a': 1})
    print('said', file=sys.stderr)
    return 0

sys.exit(main())
"""


def ran(command, folder, **environment):
    """Return what a shell says to a command in `folder`."""
    (folder / 'writes.py').write_text(WRITES)
    return subprocess.run(
        ['bash', '-c', command], cwd=folder, text=True, capture_output=True, timeout=100,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHON': sys.executable, **environment})


@pytest.mark.parametrize(('end', 'code', 'said'), [
    ('> /dev/full', 1, 'No space left'),
    ('>&-', 1, 'Bad file descriptor'),
    ('<&- >&-', 1, 'Bad file descriptor'),
    ('| true; exit ${PIPESTATUS[0]}', 1, 'nobody reads it'),
    ('| head -1 > /dev/null; exit ${PIPESTATUS[0]}', 1, 'nobody reads it'),
    ('<&- >&- 2>&-', 1, None),
    ('2>/dev/full', 0, None), ('2>&-', 0, None),
    ('| cat > /dev/null; exit ${PIPESTATUS[0]}', 0, ''),
])
@pytest.mark.parametrize('locale', [{}, {
    'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}], ids=['own', 'C'])
def test_files_are_written_all_the_same(end, code, said, locale, tmp_path):
    found = ran(f'"$PYTHON" writes.py {end}', tmp_path, **locale)
    lines = [] if said is None else ['said', f'smallbot: standard output cannot be written: {said}'
                                     ][:2 if said else 1]
    assert found.returncode == code
    assert len(found.stderr.splitlines()) == len(lines), found.stderr
    assert all(line in found.stderr for line in lines), found.stderr
    assert (tmp_path / 'result.json').read_text().startswith('{\n  "a": 1')
    assert (tmp_path / 'opened').read_bytes() == b'', 'it had the number of standard output'


@pytest.mark.parametrize('end', ['> /dev/full', '>&-'])
def test_help_that_cannot_be_printed_has_failed(end, tmp_path):
    found = ran(f'"$PYTHON" -m smallbot --help {end}', tmp_path)
    assert found.returncode == 1 and found.stderr.count('\n') == 1


def test_figures_need_no_home_and_no_scratch_folder(tmp_path):
    draw = ('from pathlib import Path; from matplotlib.figure import Figure\n'
            'from smallbot.plots.common.saving import save_figure as save\n'
            'save(Figure((1, 1)), Path("x.png"))')
    draw = draw.replace('from matplotlib', 'import smallbot.plots; from matplotlib', 1)
    found = ran(f"unset HOME; \"$PYTHON\" -c '{draw}'", tmp_path, TMPDIR='/none',
                MPLCONFIGDIR='/none')
    assert (found.returncode, found.stderr) == (0, '')
    assert (tmp_path / 'x.png').read_bytes()[1:4] == b'PNG'
