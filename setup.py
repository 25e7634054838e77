# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Build of smallbot, for colcon (ament_python) and for pip alike."""

from glob import glob
from pathlib import Path
import sys
from xml.etree import ElementTree

from setuptools import find_packages, setup

NAME = 'smallbot'
# Where this file really is: with --symlink-install colcon runs a link to it from elsewhere.
ROOT = Path(__file__).resolve().parent
SHARE = f'share/{NAME}'
# Scripts go where `ros2 run` looks for them (setup.cfg), and that is not on the path of a sourced
# workspace. pip makes a wheel, and the command itself.
ON_PATH = ([] if any(word.endswith('_wheel') for word in sys.argv)
           else [('bin', [f'resource/bin/{NAME}'])])

setup(
    name=NAME,
    # What counts is package.xml. catkin_prepare_release writes there, and refuses a setup.py in
    # which it finds no version to write beside it; this one is for it alone: version='0.1.0',
    version=ElementTree.parse(ROOT / 'package.xml').findtext('version'),
    description='One-shot movement learning for robot arms with spiking networks on '
                'simulated phase-change memory',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    author='The smallbot founders',
    license='Apache-2.0',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={
        NAME: ['py.typed'],
        f'{NAME}.demonstration': ['pen_drawings.npz', 'pen_drawings.LICENSE'],
        f'{NAME}.few_shot.images': ['omniglot_test.npz', 'omniglot_test.LICENSE',
                                    'examples/LICENSE', 'examples/support/*/*',
                                    'examples/unknown/*'],
        f'{NAME}.models': ['*.safetensors', '*.json'],
        f'{NAME}.page': ['static/*', 'static/*/*', 'static/*/*/*'],
        f'{NAME}.report': ['page.html'],
    },
    data_files=[
        *ON_PATH,
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (SHARE, ['package.xml']),
        (f'{SHARE}/launch', glob('launch/*.py')),
        (f'{SHARE}/config', glob('config/*.*')),
        (f'{SHARE}/config/meta', glob('config/meta/*')),
        (f'{SHARE}/config/few_shot', glob('config/few_shot/*')),
        (f'{SHARE}/config/demonstrations', glob('config/demonstrations/*')),
        (f'{SHARE}/urdf', glob('urdf/*')),
    ],
    python_requires='>=3.10',
    install_requires=[
        'annotated-types>=0.5',
        'backports.zstd; python_version<"3.14"',
        'jinja2>=3',
        'lz4',
        'matplotlib>=3.5',
        'numpy>=1.23',
        'pillow>=9',
        'pydantic>=2.5',
        'pyyaml>=5.4',
        'rosbags>=0.11',
        'safetensors>=0.4',
        'scipy>=1.8',
        'setuptools',
        'torch>=1.13',
        'tqdm>=4.57',
    ],
    extras_require={
        'baselines': ['movement_primitives>=0.9', 'pytransform3d>=3'],
        'lerobot': ['pyarrow>=14'],
        'train': ['tensorboard>=2.11'],
        'ed_scorbot': ['paho-mqtt>=1.6'],
        'mujoco': ['mujoco>=3.2'],
        'page': ['starlette>=0.40', 'uvicorn>=0.30', 'websockets>=13'],
        'xacro': ['xacro>=2'],
        'dist': ['build>=1', 'pipx>=1.5', 'twine>=6'],
        'docs': ['furo>=2024', 'myst-nb>=1.1', 'sphinx>=7'],
        'test': ['catkin-pkg>=1', 'flake8>=6', 'flake8-builtins>=2',
                 'flake8-class-newline>=1.6', 'flake8-comprehensions>=3',
                 'flake8-docstrings>=1.7', 'flake8-import-order>=0.18', 'flake8-quotes>=3',
                 'httpx>=0.27', 'hypothesis>=6', 'ipykernel>=6', 'mypy>=1.13', 'nbclient>=0.10',
                 'playwright>=1.45', 'pyarrow>=14', 'pytest>=7', 'pytest-rerunfailures>=12',
                 'pytest-timeout>=2', 'pytest-xdist>=3', 'ruff>=0.8', 'xacro>=2',
                 'yourdfpy>=0.0.56'],
    },
    zip_safe=False,
    entry_points={
        'console_scripts': [
            f'smallbot = {NAME}.cli.main:main',
            f'demo_recorder = {NAME}.nodes.demo_recorder:main',
            f'one_shot_learner = {NAME}.nodes.one_shot_learner:main',
            f'snn_controller = {NAME}.nodes.snn_controller:main',
            f'arm_simulator = {NAME}.nodes.arm_simulator:main',
            f'ed_scorbot_driver = {NAME}.nodes.ed_scorbot_driver:main',
            f'trajectory_display = {NAME}.nodes.trajectory_display:main',
            f'demo_director = {NAME}.nodes.demo_director:main',
        ],
        'ament_copyright.license': [f'apache2_spdx = {NAME}.license:APACHE_2'],
    },
)
