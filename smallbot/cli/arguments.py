"""Argument types and options that several verbs share."""

import argparse
import math
from pathlib import Path
from typing import Any

from smallbot.errors import InputError
from smallbot.files import write_json
from smallbot.holding import Hold, hold

LAW_NAMES = ('hermes-two-device', 'hermes-one-device', 'pcm-like', 'ideal')
"""Of `smallbot.chip.device.laws.LAWS`, named here so that `--help` need not load torch."""
ROUNDINGS = ('exact', 'nearest', 'stochastic')
"""Of `smallbot.synapses.granularity.ROUNDINGS`, named here for the same reason."""

_HELD: dict[Path, Hold] = {}
"""Folders that are this process's until it ends."""


def whole(low: int, high: int = 2 ** 63 - 1):
    """Return an argument type: a whole number from `low` to `high`."""
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            bound = f'at least {low}' if high == 2 ** 63 - 1 else f'from {low} to {high}'
            raise argparse.ArgumentTypeError(f'{text!r}: expected a whole number, {bound}')
        return value
    return convert


def real(low: float, high: float = math.inf, above: bool = False):
    """Return an argument type: a finite number from `low` (or above it) to `high`."""
    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and low <= value <= high) or (above and value == low):
            least = f'above {low:g}' if above else f'at least {low:g}'
            most = '' if math.isinf(high) else f' and at most {high:g}'
            raise argparse.ArgumentTypeError(f'{text!r}: expected a number, {least}{most}')
        return value
    return convert


def add_common(verb: argparse.ArgumentParser, seed: int, seed_of: str) -> None:
    """Add the options that every verb takes."""
    verb.add_argument('--seed', type=whole(0), default=seed, metavar='N',
                      help=f'seed of {seed_of} (default {seed})')
    verb.add_argument('--json', type=Path, metavar='FILE',
                      help='also write the result to FILE as JSON')


def add_law(verb: argparse.ArgumentParser, of: str) -> None:
    """Add the choice of a device law."""
    verb.add_argument('--law', choices=LAW_NAMES, default=LAW_NAMES[0],
                      help=f'law of the devices{of} (default {LAW_NAMES[0]})')


def no_ros(error: ImportError) -> InputError:
    """Return what to raise where ROS 2 is needed and cannot be imported."""
    return InputError(f'ROS 2 is not to be found ({error}): source its setup.bash, or use '
                      f'`make demo`, which installs it as wheels')


def check_output(path: Path | None, option: str = '--json') -> None:
    """Refuse a file that an option names and that cannot be written, before the work begins."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise InputError(f'{option} {path}: expected a file in a folder that exists')


def made_folder(path: Path) -> Path:
    """Return the folder `--out`, made if need be and this process's own until it ends.

    Raises InputError where it cannot be made, or another process is at work in it.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f'--out {path}: expected a folder')
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'--out {path}: cannot be made: {error.strerror}') from None
    _HELD[path] = hold(path)
    return path


def write_result(path: Path | None, result: dict[str, Any]) -> None:
    """Write a result where `--json` asked for it, whole or not at all."""
    if path is not None:
        write_json(path, result)
