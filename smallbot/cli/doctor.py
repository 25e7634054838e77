# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Say what is installed and what is missing, with the command that mends it.

With ROS 2 running it also looks at the topics of this package: who publishes, how often, with
which QoS, and whether joint names fit the arm.
"""

import argparse
from importlib import metadata
from importlib.util import find_spec
import os
import platform
import sys

from smallbot.cli.common import progress
from smallbot.cli.common.arguments import add_common, write_result
from smallbot.errors import InputError
from smallbot.kinds import Real

VERB = 'doctor'
PACKAGES = (
    # distribution, needed for, required, what installs it
    ('numpy', 'everything', True, 'pip install numpy'),
    ('torch', 'everything', True,
     'pip install torch (2.4 or later; a CPU build is enough)'),
    ('scipy', 'demonstrations', True, 'pip install scipy'),
    ('matplotlib', 'report.png', True, 'pip install matplotlib'),
    ('jinja2', 'smallbot report', True, 'pip install jinja2'),
    ('pillow', 'few-shot images', True, 'pip install pillow'),
    ('pyyaml', 'configuration', True, 'pip install pyyaml'),
    ('pydantic', 'models, chips, checkpoints', True, "pip install 'pydantic>=2.5'"),
    ('rosbags', 'recorded bags', True, 'pip install rosbags'),
    ('safetensors', 'models and chips', True, 'pip install safetensors'),
    ('tqdm', 'progress', True, 'pip install tqdm'),
    ('tensorboard', 'curves of meta-train', False, 'pip install tensorboard'),
    ('paho-mqtt', 'the real ED-Scorbot and its emulator', False, 'pip install paho-mqtt'),
    ('mujoco', 'an arm with dynamics', False, 'pip install mujoco'),
    ('movement_primitives', 'movement primitives in evaluate --baselines', False,
     'pip install movement_primitives pytransform3d'),
)


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the options of `smallbot doctor`."""
    verb.add_argument('--listen', type=Real(0, 60), default=2.0, metavar='S',
                      help='seconds to listen to running ROS 2 nodes (default 2; 0: do not)')
    add_common(verb, 0, 'nothing here; accepted by every verb')


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 when something that is needed is missing."""
    with progress.stages({'packages': 0.5, 'arm and model': 2, 'ROS 2': 1 + args.listen}) as begin:
        findings = _environment()
        begin('arm and model')
        findings += _product()
        begin('ROS 2')
        findings += _ros(args.listen)
    for finding in findings:
        cure = f'\n      cure: {finding["cure"]}' if finding['cure'] else ''
        print(f'{finding["level"]:>4}  {finding["what"]}{cure}')
    missing = [finding for finding in findings if finding['level'] == 'FAIL']
    print(f'{len(missing)} problem(s)' if missing else 'all that is needed is here')
    write_result(args.json, {'problems': len(missing), 'findings': findings})
    return int(bool(missing))


def _finding(level: str, what: str, cure: str = '') -> dict[str, str]:
    return {'level': level, 'what': what, 'cure': cure}


def _environment() -> list[dict[str, str]]:
    fine = sys.version_info >= (3, 10)
    found = [_finding('ok' if fine else 'FAIL', f'Python {platform.python_version()}',
                      '' if fine else 'install Python 3.10 or later')]
    for name, purpose, required, cure in PACKAGES:
        try:
            found.append(_finding('ok', f'{name} {metadata.version(name)} ({purpose})'))
        except metadata.PackageNotFoundError:
            found.append(_finding('FAIL' if required else 'info',
                                  f'{name} is not installed ({purpose})', cure))
    return found


def _product() -> list[dict[str, str]]:
    found = []
    try:
        from smallbot.arm.kinematics import default_arm
        arm = default_arm()
        found.append(_finding('ok', f'arm {arm.name}: drives {", ".join(arm.driven)}'))
    except (ImportError, FileNotFoundError, InputError) as error:
        found.append(_finding('FAIL', f'arm: {error}', 'install smallbot again'))
    try:
        from smallbot.one_shot.model import load_model
        model = load_model()
        found.append(_finding('ok', f'model {model.name}: {model.n} neurons, {model.steps} steps'))
    except (ImportError, InputError) as error:
        found.append(_finding('FAIL', f'model: {error}', 'install smallbot again'))
    return found


def _ros(listen: float) -> list[dict[str, str]]:
    try:
        from smallbot.nodes.common.inspection import inspect_graph
    except ImportError as error:
        return [_finding('info', f'ROS 2 is not to be found ({error}); all but demo and the '
                                 f'nodes work without it, and demo with --without-ros',
                         'source /opt/ros/DISTRO/setup.bash, or `make demo`, which installs it '
                         'as wheels')]
    found = [_finding('ok', f'ROS 2 {os.environ.get("ROS_DISTRO", "as wheels")}, domain '
                            f'{os.environ.get("ROS_DOMAIN_ID", "0")}')]
    for name, purpose in (('launch', 'ros2 launch'), ('launch_ros', 'ros2 launch')):
        spec = find_spec(name)
        if spec is None or spec.origin is None:  # a folder of that name is no package
            found.append(_finding('info', f'{name} is not installed ({purpose})',
                                  f'apt install ros-$ROS_DISTRO-{name.replace("_", "-")}'))
    if listen > 0:
        found += [_finding(*line) for line in inspect_graph(listen)]
    return found
