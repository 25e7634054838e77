"""Demonstrations from files of any kind: rosbag2 directories, CSV of joints or of the tool tip."""

from pathlib import Path

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.bag import read_bag
from smallbot.demonstration.csv_file import read_csv
from smallbot.demonstration.samples import Demonstration, DemonstrationError, from_joint_states
from smallbot.demonstration.tip_path import from_tip_path


def read_demonstration(path: str | Path, arm: Arm) -> Demonstration:
    """Read a demonstration of `arm` from a bag directory or a CSV file.

    Tool-tip files are turned into joint positions by inverse kinematics. The result holds the
    driven joints in their order and has passed `check_samples`. Raises DemonstrationError.
    """
    path = Path(path)
    if not path.exists():
        raise DemonstrationError(f'{path}: no such file or directory')
    if path.is_dir():
        return read_bag(path, arm)
    if path.suffix.lower() != '.csv':
        raise DemonstrationError(f'{path}: expected a .csv file or a rosbag2 directory')
    names, rows = read_csv(path)
    time, values = rows[:, 0], rows[:, 1:]
    if names == ['x', 'y', 'z']:
        return from_tip_path(time, values, arm, str(path))
    return from_joint_states(time, names, values, arm, str(path))
