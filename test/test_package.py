# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a ROS 2 user's tools expect of the package, checked without ROS."""

import ast
import importlib.util
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import smallbot

ROOT = Path(smallbot.__file__).resolve().parent.parent
SETUP = (ROOT / 'setup.py').read_text()
KEYS = {
    'python3-jinja2': ['jinja2'],
    'python3-matplotlib': ['matplotlib'], 'python3-numpy': ['numpy'],
    'python3-paho-mqtt': ['paho-mqtt'], 'python3-pil': ['pillow'],
    'python3-rosbags-pip': ['rosbags', 'lz4', 'backports.zstd'], 'python3-scipy': ['scipy'],
    'python3-setuptools': ['setuptools'], 'python3-torch': ['torch'], 'python3-tqdm': ['tqdm'],
    'python3-yaml': ['pyyaml']}
"""What rosdep's keys install, by the names of PyPI. Each stands in rosdep/python.yaml of
ros/rosdistro (of 22 August 2026) with a rule for Ubuntu 22.04 and 24.04; rosbags requires lz4 and
zstd itself."""
BY_PIP = {'safetensors': 'safetensors', 'pydantic': 'pydantic', 'annotated-types': 'pydantic'}
"""What no key installs, or none in a version that is new enough, and what brings it instead."""


def test_one_version_everywhere():
    """What package.xml says is what the package, its build, its pages and its citation say."""
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    assert package.get('format') == '3'
    version = package.findtext('version')
    assert smallbot.__version__ == version
    for command, said in ((['setup.py', '--version'], version),
                          (['-m', 'smallbot', '--version'], f'smallbot {version}')):
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True,
                              text=True, check=True)
        assert done.stdout.splitlines()[-1] == said
    assert f'\nversion: {version}\n' in (ROOT / 'CITATION.cff').read_text()
    assert 'version = release = __version__\n' in (ROOT / 'docs' / 'conf.py').read_text()
    assert package.findtext('license') == 'Apache-2.0' and (ROOT / 'LICENSE').is_file()
    assert package.find('export').findtext('build_type') == 'ament_python'


def test_the_release_tool_of_ros_can_write_a_version():
    """It is catkin_pkg.package_version that looks for one literal in setup.py, and for one tag."""
    version = re.escape(smallbot.__version__)
    assert len(re.findall(rf'version=([\'"]){version}\1,', SETUP)) == 1
    assert len(re.findall(r'version=[\'"]\d', SETUP)) == 1
    assert (ROOT / 'package.xml').read_text().count('<version') == 1


def test_every_console_script_names_a_module_with_that_function():
    written = SETUP.partition("'console_scripts'")[2].partition(']')[0]
    scripts = re.findall(r"f'(\w+) = \{NAME\}\.([\w.]+):(\w+)'", written)
    assert {name for name, _, _ in scripts} == {
        'smallbot', 'demo_recorder', 'one_shot_learner', 'snn_controller', 'arm_simulator',
        'ed_scorbot_driver', 'trajectory_display', 'demo_director'}
    for _, module, function in scripts:
        source = Path(importlib.util.find_spec(f'smallbot.{module}').origin).read_text()
        assert f'def {function}(' in source


def test_what_colcon_installs_has_nodes_for_ros2_run_and_the_command_on_the_path(tmp_path):
    """The words by which colcon calls setup.py; it puts `bin` on the path if a file is there."""
    source = tmp_path / 'src'
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(
        '.*', '__pycache__', 'build', 'docs', 'test', 'demo_out', 'runs'))
    prefix, base = tmp_path / 'install', tmp_path / 'build'
    base.mkdir()
    subprocess.run(
        [sys.executable, '-W', 'ignore', 'setup.py', '-q', 'egg_info', '--egg-base', base,
         'build', '--build-base', base, 'install', '--prefix', prefix, '--record',
         base / 'install.log', '--single-version-externally-managed', 'install_data', '--force'],
        cwd=source, check=True, capture_output=True, timeout=120)
    (packages,) = prefix.glob('**/site-packages')
    environment = {'PYTHONPATH': str(packages), 'PATH': f'{prefix / "bin"}:{os.environ["PATH"]}'}
    done = subprocess.run(['smallbot', '--version'], capture_output=True, text=True, cwd=tmp_path,
                          env=environment, check=True)
    assert done.stdout.strip() == f'smallbot {smallbot.__version__}'
    nodes = {path.name for path in (prefix / 'lib' / 'smallbot').iterdir()}
    assert {'smallbot', 'snn_controller', 'demo_director'} <= nodes
    assert (prefix / 'share' / 'smallbot' / 'launch' / 'one_shot_demo.launch.py').is_file()


def test_a_build_through_links_as_of_symlink_install_finds_its_files(tmp_path):
    for name in ('setup.py', 'setup.cfg', 'package.xml', 'smallbot', 'resource'):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run([sys.executable, '-W', 'ignore', 'setup.py', '--name', '--version'],
                          cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ['smallbot', smallbot.__version__]


def depends(kind):
    return {one.text for one in ElementTree.parse(ROOT / 'package.xml').getroot().iter(kind)}


def test_what_pip_installs_rosdep_installs_too():
    required = re.search(r'install_requires=\[(.*?)\]', SETUP, re.DOTALL)[1]
    wanted = {re.match(r'[\w.-]+', line)[0] for line in re.findall(r"'([^']+)'", required)}
    keys = {key for key in depends('exec_depend') if key.startswith('python3-')}
    assert keys - set(KEYS) == set(), 'is the key known to rosdep? then it belongs into KEYS'
    by_rosdep = {name for key in keys for name in KEYS[key]}
    extra = set(re.findall(r"'ed_scorbot': \['([\w.-]+)", SETUP))
    assert by_rosdep - extra == wanted - set(BY_PIP)
    for page in ('README.md', 'docs/how_to/ros2.md'):
        command = re.search(r'rosdep install .*?pip install (.*)', (ROOT / page).read_text())[1]
        assert set(re.findall(r'[a-z][\w.-]*[a-z]', command)) == set(BY_PIP.values())


@pytest.mark.parametrize(('folders', 'kinds'), [
    (('smallbot', 'launch'), ('exec_depend',)),
    (('test',), ('exec_depend', 'test_depend'))])
def test_every_ros_package_that_is_imported_is_declared(folders, kinds):
    declared = set().union(*map(depends, kinds))
    imported = set()
    for folder in folders:
        for path in (ROOT / folder).rglob('*.py'):
            for node in ast.walk(ast.parse(path.read_text())):
                modules = ([alias.name for alias in node.names] if isinstance(node, ast.Import)
                           else [node.module] if isinstance(node, ast.ImportFrom) and not
                           node.level else [])
                imported |= {module.split('.')[0] for module in modules}
    ros = {name for name in imported if re.fullmatch(
        r'\w+_(msgs|srvs|interfaces)|rclpy|launch\w*|ament_\w+|rosidl_\w+|tf2\w*', name)}
    assert len(ros) > 10 and ros <= declared, ros - declared


@pytest.mark.parametrize('share', ['share/smallbot', 'local/share/smallbot'])
def test_the_share_folder_is_found_in_an_install_space(tmp_path, share):
    packages = tmp_path / share.split('share')[0] / 'lib' / 'python3' / 'site-packages'
    shutil.copytree(ROOT / 'smallbot', packages / 'smallbot',
                    ignore=shutil.ignore_patterns('__pycache__'))
    (tmp_path / share).mkdir(parents=True)
    command = [sys.executable, '-c',
               'from smallbot.share import share_directory; print(share_directory())']
    environment = {'PYTHONPATH': str(packages)}
    missing = subprocess.run(command, capture_output=True, text=True, env=environment,
                             cwd=tmp_path)
    assert missing.returncode == 1 and 'the installation is incomplete' in missing.stderr
    (tmp_path / share / 'package.xml').write_text('<package/>')
    found = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path,
                           check=True)
    assert found.stdout.strip() == str(tmp_path / share)


def test_chip_and_networks_know_nothing_of_each_other():
    for room, other in (('chip', 'snn'), ('snn', 'chip'), ('arm', 'snn'), ('arm', 'one_shot')):
        for path in (ROOT / 'smallbot' / room).glob('*.py'):
            assert f'smallbot.{other}' not in path.read_text(), path
