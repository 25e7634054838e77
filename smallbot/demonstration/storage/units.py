# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Words for units of time, angle and length, and how a heading carries them."""

import math
import re

TIME = {'s': 1.0, 'ms': 1e-3, 'us': 1e-6, 'ns': 1e-9, 'min': 60.0}
"""s in one of each."""
ANGLE = {'rad': 1.0, 'mrad': 1e-3, 'deg': math.pi / 180, 'turn': 2 * math.pi}
"""rad in one of each."""
LENGTH = {'m': 1.0, 'cm': 1e-2, 'mm': 1e-3, 'in': 0.0254}
"""m in one of each."""
_SAME = {
    'sec': 's', 'secs': 's', 'second': 's', 'seconds': 's', 'msec': 'ms', 'msecs': 'ms',
    'millis': 'ms', 'millisecond': 'ms', 'milliseconds': 'ms', 'µs': 'us', 'μs': 'us',
    'usec': 'us', 'usecs': 'us', 'micros': 'us', 'microsecond': 'us', 'microseconds': 'us',
    'nsec': 'ns', 'nsecs': 'ns', 'nanos': 'ns', 'nanosec': 'ns', 'nanosecond': 'ns',
    'nanoseconds': 'ns', 'minute': 'min', 'minutes': 'min', 'rads': 'rad', 'radian': 'rad',
    'radians': 'rad', 'milliradian': 'mrad', 'milliradians': 'mrad', '°': 'deg', 'º': 'deg',
    'degs': 'deg', 'degree': 'deg', 'degrees': 'deg', 'grad': 'gon', 'turns': 'turn',
    'rev': 'turn', 'revs': 'turn', 'revolution': 'turn', 'revolutions': 'turn',
    'meter': 'm', 'meters': 'm', 'metre': 'm', 'metres': 'm', 'centimeter': 'cm',
    'centimeters': 'cm', 'centimetre': 'cm', 'centimetres': 'cm', 'millimeter': 'mm',
    'millimeters': 'mm', 'millimetre': 'mm', 'millimetres': 'mm', 'inch': 'in', 'inches': 'in'}
_BRACKETED = re.compile(r'^(.*?)\s*[\[({<]\s*([^\])}>]*?)\s*[\])}>]\s*$')
_AFTER = re.compile(r'^(.+?)(?:[_\s./:-]+|,\s*)([^_\s./:-]+)$')
_OTHER = re.compile(r'/|·|\^|²|^(n|nm|ncm|mnm|kg|g|a|ma|v|mv|w|c|°c|k|f|%|hz|khz|rpm|pa|kpa|bar|'
                    r'counts?|ticks?|steps?|pulses?)$', re.IGNORECASE)


def unit_word(text: str) -> str:
    """Return the short name of a unit: `seconds` is `s`, `°` is `deg`; others as they are."""
    word = text.strip().strip('.').lower()
    return _SAME.get(word, word)


def is_unit(word: str) -> bool:
    """Return whether a short name is a unit of time, angle or length."""
    return word in TIME or word in ANGLE or word in LENGTH


def is_of_another_quantity(word: str) -> bool:
    """Return whether a unit is one of speed, force, current and the like."""
    return bool(_OTHER.search(word))


def bracketed(heading: str) -> tuple[str, str]:
    """Return name and unit of `base [rad]`, `base (deg)`; the unit is empty where there is none.

    A number in brackets counts elements and stays with the name.
    """
    found = _BRACKETED.match(heading)
    if not found or found[2].strip().isdigit() or not found[1].strip():
        return heading.strip(), ''
    return found[1].strip(), unit_word(found[2])


def suffixed(heading: str) -> tuple[str, str]:
    """Return name and unit of `time_ms`, `base deg`, `x/mm`; the unit is empty without one."""
    found = _AFTER.match(heading.strip())
    if found and is_unit(unit_word(found[2])):
        return found[1].strip(), unit_word(found[2])
    return heading.strip(), ''
