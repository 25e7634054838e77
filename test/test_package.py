"""What a ROS 2 user's tools expect of the package, checked without ROS."""

import importlib.util
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


def test_one_version_everywhere():
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    assert package.get('format') == '3'
    assert package.findtext('version') == smallbot.__version__
    assert re.search(r"version='([^']+)'", SETUP).group(1) == smallbot.__version__
    assert package.findtext('license') == 'Apache-2.0' and (ROOT / 'LICENSE').is_file()
    assert package.find('export').findtext('build_type') == 'ament_python'


def test_every_console_script_names_a_module_with_that_function():
    scripts = re.findall(r"f'(\w+) = \{NAME\}\.([\w.]+):(\w+)'", SETUP)
    assert {name for name, _, _ in scripts} == {
        'smallbot', 'demo_recorder', 'one_shot_learner', 'snn_controller', 'arm_simulator',
        'ed_scorbot_driver', 'trajectory_display', 'demo_director'}
    for _, module, function in scripts:
        source = Path(importlib.util.find_spec(f'smallbot.{module}').origin).read_text()
        assert f'def {function}(' in source


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


def test_only_the_nodes_import_ros():
    for path in (ROOT / 'smallbot').rglob('*.py'):
        if 'nodes' not in path.parts:
            code = path.read_text()
            assert not re.search(r'^(from|import) (rclpy|\w+_msgs|std_srvs)', code, re.M), path


def test_chip_and_networks_know_nothing_of_each_other():
    for room, other in (('chip', 'snn'), ('snn', 'chip'), ('arm', 'snn'), ('arm', 'one_shot')):
        for path in (ROOT / 'smallbot' / room).glob('*.py'):
            assert f'smallbot.{other}' not in path.read_text(), path
