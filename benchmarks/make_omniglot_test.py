# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Make the test characters that are shipped, from Omniglot's background set at 28 x 28.

    python benchmarks/make_omniglot_test.py omniglot28_background.npz [--out FILE]

They are the characters of the alphabets that `smallbot.few_shot.images.characters` keeps for
test, all drawings of each, with nothing of them lost.
"""

import argparse
import io
from pathlib import Path

import numpy as np

from smallbot.few_shot.images.characters import read_characters, split_by_group, TEST_FILE
from smallbot.files.writing import write_atomically


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('path', type=Path)
    parser.add_argument('--out', type=Path, default=TEST_FILE)
    args = parser.parse_args()
    characters = read_characters(args.path)
    chosen = split_by_group(characters).chosen(characters, 'test')
    stream = io.BytesIO()
    np.savez_compressed(
        stream, images=chosen.images.numpy(), labels=chosen.labels.numpy().astype(np.uint8),
        label_names=np.array(chosen.names), groups=np.array(chosen.groups))
    write_atomically(args.out, stream.getvalue())
    print(f'{args.out}: {len(chosen.names)} characters, {len(chosen.images)} images, '
          f'{len(stream.getvalue()) / 1000:.0f} kB, {chosen.digest}')


if __name__ == '__main__':
    main()
