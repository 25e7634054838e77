# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/your_own_arm.md that needs no launch, as it is printed there, in order."""

import os
from pathlib import Path
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from smallbot.share import share_directory

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'your_own_arm.md').read_text()
BLOCKS = re.findall(r'^```\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]


@pytest.mark.timeout(900)
def test_the_commands_run_one_after_another_as_printed(tmp_path):
    pytest.importorskip('rclpy')
    shutil.copy(share_directory() / 'urdf' / 'hobby_arm.urdf', tmp_path)
    here = {**os.environ, 'OMP_NUM_THREADS': '1', 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
            'ROS_DOMAIN_ID': str(os.getpid() % 100 + 1),
            'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])}
    own = [shlex.split(line) for line in COMMANDS if line.startswith('smallbot ')]
    assert [words[1] for words in own] == ['arm', 'demo', 'meta-train', 'evaluate', 'demo']
    for words in own:
        done = subprocess.run([sys.executable, '-m', *words], capture_output=True, text=True,
                              cwd=tmp_path, env=here, timeout=250)
        assert done.returncode == 0, f'{shlex.join(words)}\n{done.stdout}{done.stderr}'
    for made in ('arm.png', 'first/report.png', 'first/hobby_arm.safetensors',
                 'models/mine.safetensors', 'second/report.png'):
        assert (tmp_path / made).stat().st_size > 10_000, made


def test_launch_arguments_on_the_page_are_declared():
    launch = (ROOT / 'launch' / 'one_shot_demo.launch.py').read_text()
    given = [word for line in COMMANDS if line.startswith('ros2 launch')
             for word in shlex.split(line) if ':=' in word]
    assert given and all(f"'{word.split(':=')[0]}', default_value" in launch for word in given)
