# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Where the package's launch files, configuration and robot description lie on this machine."""

from pathlib import Path


def share_directory() -> Path:
    """Return the folder that holds package.xml, urdf/, config/ and launch/.

    In a source checkout (and an editable install) that is the repository; otherwise it is
    `share/smallbot` of whichever prefix the package is installed in, found without asking ROS.
    Raises FileNotFoundError where neither exists.
    """
    package = Path(__file__).resolve().parent
    if (package.parent / 'package.xml').is_file():
        return package.parent
    for prefix in package.parents:
        share = prefix / 'share' / 'smallbot'
        if (share / 'package.xml').is_file():
            return share
    raise FileNotFoundError(
        f'no share/smallbot beside {package}: the installation is incomplete; install it again '
        f'with `pip install .` or `colcon build`')


def version() -> str:
    """Return the version of the package, which package.xml says and nothing else.

    Raises FileNotFoundError as `share_directory` does.
    """
    from xml.etree import ElementTree

    return ElementTree.parse(share_directory() / 'package.xml').findtext('version', '')


def default_demonstration() -> Path:
    """Return the pen stroke that is shown where nothing else is asked for."""
    return share_directory() / 'config' / 'demonstrations' / 'greek_60_drawer_18.csv'
