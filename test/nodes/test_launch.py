# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The launch files under the real `launch`: what is refused leaves nobody behind, what ends says.

Skipped where `launch` is not installed, as it is not among ROS's wheels.
"""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('launch_ros')

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource

from .fork_server import NODES

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource as File
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    File(sys.argv[1]), launch_arguments=[word.split(':=', 1) for word in sys.argv[2:]])]))
sys.exit(service.run())
"""
"""What `ros2 launch` does with a file and its arguments."""
ALONE = ('rviz:=false', 'robot_state_publisher:=false')
DESCRIBER = """#!{python}
import os, sys, time, yaml
for number, word in enumerate(sys.argv):
    if word == '--params-file':
        for said in yaml.safe_load(open(sys.argv[number + 1])).values():
            print(said['ros__parameters'].get('robot_description'), flush=True)
if os.path.exists({broken!r}):
    sys.exit(3)
time.sleep(1000)
"""
"""Stands for robot_state_publisher and for rviz2: says what it was given, fails if asked to."""


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """Install the package and two stand-ins where `launch` looks, nodes as programs."""
    share = tmp_path / 'share'
    (share / 'ament_index' / 'resource_index' / 'packages').mkdir(parents=True)
    (share / 'smallbot').symlink_to(ROOT)
    programs = {('smallbot', name): '#!{python}\nimport sys\n'
                f'from smallbot.nodes.{name} import main\nsys.exit(main())\n' for name in NODES}
    programs |= {(name, name): DESCRIBER for name in ('robot_state_publisher', 'rviz2')}
    for (package, name), text in programs.items():
        (share / 'ament_index' / 'resource_index' / 'packages' / package).touch()
        path = tmp_path / 'lib' / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(python=sys.executable,
                                    broken=str(tmp_path / f'{name}.broken')))
        path.chmod(0o755)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    monkeypatch.delenv('_ROS_WHEELS_BOOTSTRAP_COMPLETE', raising=False)
    return tmp_path


class Launched:
    """A launch in a session of its own, in which whoever is left is found."""

    def __init__(self, folder, file, *arguments):
        self._log = folder / 'launch.log'
        with self._log.open('wb') as output:
            self.popen = subprocess.Popen(
                [sys.executable, '-c', LAUNCH, str(ROOT / 'launch' / file), *arguments],
                stdout=output, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True)

    @property
    def said(self) -> str:
        return self._log.read_text(errors='replace')

    def wait_for(self, text: str, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.said:
            assert self.popen.poll() is None, self.said
            assert time.monotonic() < deadline, f'waited in vain for {text!r}:\n{self.said}'
            time.sleep(0.1)

    def ended(self, seconds: float = 120.0) -> int:
        return self.popen.wait(seconds)

    def errors(self) -> list[str]:
        return [line for line in self.said.splitlines() if 'Caught exception' in line]

    def left(self) -> list[int]:
        found = []
        for entry in Path('/proc').iterdir():
            try:
                session = int(entry.joinpath('stat').read_text().rpartition(')')[2].split()[3])
            except (OSError, IndexError, ValueError):
                continue
            if session == self.popen.pid and int(entry.name) != self.popen.pid:
                found.append(int(entry.name))
        return found

    def end(self) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGINT)
            self.popen.wait(60.0)
        for one in self.left():
            os.kill(one, signal.SIGKILL)


@pytest.fixture
def launch(domain, prefix):
    started = []

    def start(*arguments, file='one_shot_demo.launch.py'):
        started.append(Launched(prefix, file, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_nothing_stands_before_what_looks_at_everything(prefix):
    """A process that were started beside the checks would outlive a launch that they refuse."""
    source = PythonLaunchDescriptionSource(str(ROOT / 'launch' / 'one_shot_demo.launch.py'))
    entities = source.get_launch_description(LaunchContext()).entities
    assert len(entities) > 30 and isinstance(entities[-1], OpaqueFunction)
    assert all(isinstance(entity, DeclareLaunchArgument) for entity in entities[:-1])


@pytest.mark.parametrize(('arguments', 'said'), [
    (['seed:=x', *ALONE], 'seed:=x, expected a whole number'),
    (['params_file:=/nope.yaml', *ALONE], 'params_file:=/nope.yaml: it cannot be read'),
    (['model:=nobody', *ALONE], 'nobody'),
    (['urdf:=ur5e', *ALONE], 'urdf:=ur5e is what robot_state_publisher publishes'),
])
def test_what_is_refused_starts_nothing(launch, arguments, said):
    launched = launch(*arguments)
    assert launched.ended() == 1
    (line,) = launched.errors()
    assert said in line and 'process started' not in launched.said
    assert not launched.left()


def test_what_is_not_installed_is_named_with_what_does_without(launch, prefix):
    for name in ('robot_state_publisher', 'rviz2'):
        (prefix / 'share' / 'ament_index' / 'resource_index' / 'packages' / name).unlink()
    launched = launch()
    assert launched.ended() == 1
    (line,) = launched.errors()
    assert 'robot_state_publisher and rviz2 are not installed' in line
    assert 'robot_state_publisher:=false rviz:=false does without' in line
    assert 'process started' not in launched.said and not launched.left()


def test_a_node_that_cannot_start_ends_all(launch, prefix):
    (prefix / 'chip').write_text('no chip')
    launched = launch(*ALONE, 'auto:=false', f'chip_file:={prefix / "chip"}')
    assert launched.ended() == 1
    (line,) = launched.errors()
    assert 'snn_controller' in line and 'ended with exit code 2' in line
    assert not launched.left()


def test_a_director_that_fails_fails_the_launch(launch, prefix):
    launched = launch(*ALONE, 'shutdown_when_done:=true', 'demonstration:=nowhere.csv')
    assert launched.ended() == 1
    (line,) = launched.errors()
    assert 'demo_director' in line and 'ended with exit code 2' in line
    assert 'nowhere.csv' in launched.said and not launched.left()


@pytest.mark.parametrize(('arguments', 'described'), [
    (['arm:=external'], False), (['arm:=external', 'robot_state_publisher:=true'], True),
    (['arm:=kinematic', 'auto:=false'], True)])
def test_an_external_arm_brings_its_own_description(launch, arguments, described):
    launched = launch('rviz:=true', 'model:=ur5e', 'use_sim_time:=true', *arguments)
    launched.wait_for('rviz2-')
    if described:
        launched.wait_for('name="ur5e"')
        assert 'name="ed_scorbot"' not in launched.said
    for name in ('demo_recorder', 'one_shot_learner', 'snn_controller', 'trajectory_display'):
        launched.wait_for(f'[{name}]: use_sim_time is true, but nothing was heard on /clock')
    assert ('robot_state_publisher-' in launched.said) == described
    launched.popen.send_signal(signal.SIGINT)
    launched.ended()
    assert not launched.left()


@pytest.mark.parametrize(('name', 'rest'), [('rviz2', True), ('robot_state_publisher', False)])
def test_what_shows_the_arm_and_fails_is_said_with_what_does_without(launch, prefix, name, rest):
    (prefix / f'{name}.broken').touch()
    launched = launch('auto:=false')
    launched.wait_for(f'{name.removesuffix("2")}:=false does')
    if not rest:
        assert launched.ended() == 1 and not launched.left()
    else:
        assert launched.popen.poll() is None
