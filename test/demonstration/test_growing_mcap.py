# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Bags that are written as they come: whole at every moment, whatever happens."""

import errno
import os
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
from rosbags.rosbag2 import Reader

from smallbot.demonstration.bag import BagWriter, mark_told, unfinished, write_bag
from smallbot.demonstration.reading import read_demonstration
from smallbot.demonstration.samples import DemonstrationError
from smallbot.demonstration.storage import growing_mcap
from smallbot.demonstration.storage.bag_files import read_bag_files

from .conftest import ARM, PATH, TIME

STAMPS = (TIME * 1e9).round().astype(np.int64) + 10 ** 18


def add(bag, rows):
    for row in rows:
        bag.add(int(STAMPS[row]), int(STAMPS[row]), ARM.driven, PATH[row])


def held(path):
    """Return the positions in a bag, which must be whole."""
    messages, _, remarks, _ = read_bag_files(path, lambda *_: True)
    assert not remarks
    return [np.frombuffer(message.content, np.float64, 2, len(message.content) - 24)
            for message in messages]


def test_a_bag_is_whole_between_any_two_writes_of_a_page(tmp_path, monkeypatch):
    path, states = tmp_path / 'bag', []

    def copying(file, content, at, write=os.pwrite):
        assert at // 4096 == (at + len(content) - 1) // 4096
        written = write(file, content, at)
        states.append((flushed, tmp_path / f'{len(states)}'))
        shutil.copytree(path, states[-1][1])
        return written
    bag, flushed, rng = BagWriter(path), 0, random.Random(3)
    monkeypatch.setattr(growing_mcap.os, 'pwrite', copying)
    while flushed < len(PATH):
        until = min(flushed + rng.choice([1, 2, 30, 60]), len(PATH))
        add(bag, range(flushed, until))
        bag.flush()
        flushed = until
        with Reader(path) as reader:  # which refuses a file without a footer
            assert sum(1 for _ in reader.messages()) == reader.message_count == flushed
    bag.close()
    assert len(states) > 20
    for flushed, state in states:
        kept = held(state)
        assert len(kept) >= flushed and np.array_equal(kept, PATH[:len(kept)])
    with Reader(path) as reader:
        assert sum(1 for _ in reader.messages()) == len(PATH)


@pytest.mark.parametrize('which', range(3))
def test_a_full_disk_leaves_the_bag_as_it_was_until_there_is_room(tmp_path, monkeypatch, which):
    bag = BagWriter(tmp_path / 'bag')
    add(bag, range(10))
    bag.flush()
    before, left = (tmp_path / 'bag/bag.mcap').read_bytes(), which

    def full(file, content, at, write=os.pwrite):
        nonlocal left
        if at + len(content) > len(before):
            left -= 1
            if left < 0:
                raise OSError(errno.ENOSPC, 'No space left on device')
        return write(file, content, at)
    add(bag, range(10, 100))
    with monkeypatch.context() as patch:
        patch.setattr(growing_mcap.os, 'pwrite', full)
        with pytest.raises(DemonstrationError, match='bag: cannot be written: No space left'):
            bag.flush()
    assert (tmp_path / 'bag/bag.mcap').read_bytes() == before
    bag.close()
    assert np.array_equal(held(tmp_path / 'bag'), PATH[:100])


def test_a_bag_that_is_taken_away_is_noticed_and_what_cannot_begin_leaves_nothing(tmp_path):
    bag = BagWriter(tmp_path / 'bag')
    add(bag, range(10))
    bag.flush()
    shutil.rmtree(tmp_path / 'bag')
    add(bag, range(10, 20))
    with pytest.raises(DemonstrationError, match='No such file or directory'):
        bag.flush()
    assert not bag.written
    with pytest.raises(DemonstrationError, match='cannot be written: File name too long'):
        BagWriter(tmp_path / ('x' * 253))
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_is_told_until_it_is_marked(tmp_path):
    program = f"""
import os, pathlib, signal
from smallbot.demonstration.bag import BagWriter
for name, count in (('with', 30), ('without', 0)):
    bag = BagWriter(pathlib.Path({str(tmp_path)!r}, name))
    for k in range(count):
        bag.add(k * 10 ** 7, k * 10 ** 7, ['base', 'shoulder'], [0.01 * k, 0.0])
    bag.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, '-c', program], check=False).returncode == -9
    alive = BagWriter(tmp_path / 'alive')
    write_bag(tmp_path / 'ended', STAMPS, ARM.driven, PATH)
    assert unfinished(tmp_path) == {tmp_path / 'with': 30, tmp_path / 'without': 0}
    assert unfinished(tmp_path / 'nowhere') == {}
    before = held(tmp_path / 'with')
    mark_told(tmp_path / 'with')
    assert unfinished(tmp_path) == {tmp_path / 'without': 0}
    assert np.array_equal(held(tmp_path / 'with'), before)
    with Reader(tmp_path / 'with') as reader:
        assert reader.message_count == 30
    alive.close()


def test_a_flipped_bit_in_a_bag_is_refused_or_changes_nothing(tmp_path):
    write_bag(tmp_path / 'bag', STAMPS[:120], ARM.driven, PATH[:120])
    whole = read_demonstration(tmp_path / 'bag', ARM)
    rng = random.Random(7)
    refused = 0
    for file in (tmp_path / 'bag').iterdir():
        content = file.read_bytes()
        for _ in range(60):
            at = rng.randrange(8 * len(content))
            flipped = bytearray(content)
            flipped[at // 8] ^= 1 << at % 8
            file.write_bytes(flipped)
            try:
                shown = read_demonstration(tmp_path / 'bag', ARM)
            except DemonstrationError as error:
                refused += 1
                assert '\n' not in str(error)
            else:
                assert np.array_equal(shown.position, whole.position), (file.name, at)
        file.write_bytes(content)
    assert refused > 40
