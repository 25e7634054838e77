"""ROS 2 shells: messages, parameters, time. The only room that imports rclpy.

For the command and for launch files. Begin with `snn_controller`.
"""

from pathlib import Path
import signal
import sys


def _starts_a_node() -> bool:
    """Return whether this interpreter runs a node of this folder, as a module or a script."""
    program, words = sys.argv[0] if sys.argv else '', sys.orig_argv
    if program == '-m':  # as long as the module is being looked for
        program = words[words.index('-m') + 1] if '-m' in words[:-1] else ''
        program = program.removeprefix(f'{__name__}.')
    return Path(__file__).with_name(f'{Path(program).stem}.py').is_file()


if _starts_a_node():
    # What is imported now takes seconds, in which there is nothing to stop: a Ctrl-C ends it at
    # once, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
