# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The linters that package.xml declares, as `colcon test` runs them where ROS is installed.

Without ROS `make lint` asks flake8, by the same settings of setup.cfg, ruff and `license_lines`.
"""

from pathlib import Path
import shutil

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = ['smallbot', 'launch', 'docs', 'benchmarks', 'test', 'setup.py']


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_flake8():
    linter = pytest.importorskip('ament_flake8.main')
    code, errors = linter.main_with_errors(argv=['--config', 'setup.cfg', *CODE])
    assert code == 0, '\n'.join(errors)


def test_pep257(capfd):
    """By PEP 257 itself; ament's own selection wants summaries on the second line."""
    linter = pytest.importorskip('ament_pep257.main')
    code = linter.main(argv=['smallbot', 'launch', 'setup.py', '--convention', 'pep257',
                             '--add-ignore', 'D105', 'D107'])
    assert code == 0, capfd.readouterr()


def test_copyright(capfd):
    linter = pytest.importorskip('ament_copyright.main')
    assert linter.main(argv=CODE[:-1]) == 0, capfd.readouterr()


def test_xmllint(capfd):
    """Its schema comes from the network, as package.xml says where."""
    linter = pytest.importorskip('ament_xmllint.main')
    if shutil.which('xmllint') is None:
        pytest.skip('xmllint is not installed')
    assert linter.main(argv=['package.xml']) == 0, capfd.readouterr()


def test_package_xml_is_what_the_tools_of_ros_take():
    package = pytest.importorskip('catkin_pkg.package')
    warnings = []
    found = package.parse_package(str(ROOT / 'package.xml'), warnings=warnings)
    found.validate(warnings=warnings)
    assert not warnings and found.name == 'smallbot' and found.licenses == ['Apache-2.0']
