# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Ask what becomes of wrong command lines: exit code 2, one line that says why, nothing touched.

    python benchmarks/wrong_commands.py [--processes] [--timeout S] [--only WORD]

Each line runs in a fresh copy of a small folder, forked from a process that has everything
imported, or with `--processes` as a command of its own. Prints every line that ended otherwise,
and counts. A line that is still at work after the time-out counts as one that hangs.
"""

import argparse
import collections
import contextlib
import os
from pathlib import Path
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LONG, DEEP = 'x' * 300, '/'.join(['x' * 100] * 50)
BYTES = os.fsdecode(b'\xff\xfe')
MOVEMENT = 'time,base,shoulder\n' + ''.join(
    f'{k / 50},{0.004 * k},{0.3 + 0.002 * k}\n' for k in range(100))
LINES = """
few-shot
few-shot nonsense
few-shot train
few-shot train --data nowhere
few-shot train --data good.csv
few-shot train --data . --minutes 1
few-shot train --data good.csv --resume nowhere
few-shot train --data good.csv --seed 2000
few-shot evaluate --data nowhere
few-shot evaluate --data good.csv
few-shot evaluate --data .
few-shot evaluate --part training
few-shot evaluate --ways 1
few-shot evaluate --ways 91
few-shot evaluate --shots 0
few-shot evaluate --shots 16
few-shot evaluate --queries nan
few-shot evaluate --updates 5
few-shot evaluate --updates -1
few-shot evaluate --statistics mine
few-shot evaluate --sweep colour=1
few-shot evaluate --sweep noise=1 --baselines
few-shot evaluate --synapses software --recalibrate
few-shot evaluate --synapses software --sweep age=1,2
few-shot evaluate --model ed_scorbot
few-shot evaluate --model nobody
few-shot evaluate --model good.csv
few-shot evaluate --figure nowhere/x.png
few-shot classify --support nowhere --image good.csv
few-shot classify --support . --image good.csv
few-shot classify --support .
few-shot classify --image good.csv
few-shot classify --out good.csv
nonsense
demo evaluate
--tasks 3
evaluate --nonsense
evaluate --tasks
evaluate --tasks ''
evaluate --tasks nan
evaluate --tasks 1e3
evaluate --tasks 0
evaluate --tasks -5
evaluate --tasks 1000000000000000000
evaluate --tasks 99999999999999999999999999
evaluate --tasks 3 extra
evaluate --cells nan
evaluate --cells -0.1
evaluate --cells 1e300
evaluate --cells inf
evaluate --age 1e300
evaluate --age nan
evaluate --age -1
evaluate --noise 1e300
evaluate --noise inf
evaluate --noise ''
evaluate --stuck 1.01
evaluate --step 1e-300
evaluate --step 0
evaluate --seed -1
evaluate --seed 99999999999999999999
evaluate --seed 1.5
evaluate --processes 0
evaluate --processes 1000000000
evaluate --processes nan
evaluate --sweep
evaluate --sweep noise
evaluate --sweep noise=
evaluate --sweep noise=1,,2
evaluate --sweep noise=1e300
evaluate --sweep age=1,nan
evaluate --sweep colour=1
evaluate --sweep stuck=2
evaluate --sweep cells=-1
evaluate --arm wooden
evaluate --arm kinematic --time-scale 0
evaluate --arm kinematic --time-scale 1e9
evaluate --arm kinematic --time-scale nan
evaluate --arm kinematic --correction 11
evaluate --arm kinematic --correction -1
evaluate --time-scale 2
evaluate --family pens
evaluate --family file
evaluate --demonstrations nowhere
evaluate --demonstrations good.csv
evaluate --demonstrations fifo
evaluate --demonstrations /dev/null
evaluate --demonstrations {long}
evaluate --demonstrations {deep}
evaluate --demonstrations {bytes}
evaluate --demonstrations empty_folder
evaluate --demonstrations file/below
evaluate --model nobody
evaluate --model ''
evaluate --model empty_folder
evaluate --model file
evaluate --model fifo.safetensors
evaluate --model /dev/zero
evaluate --model {long}
evaluate --model {long}.safetensors
evaluate --model {deep}.safetensors
evaluate --model {bytes}.safetensors
evaluate --model file/below.safetensors
evaluate --model empty.safetensors
evaluate --model no_card.safetensors
evaluate --figure out.exe
evaluate --figure out
evaluate --figure empty_folder
evaluate --figure nowhere/out.png
evaluate --figure file/out.png
evaluate --figure {long}.png
evaluate --figure {deep}.png
evaluate --figure /proc/out.png
evaluate --figure /dev/null
evaluate --figure ''
evaluate --json empty_folder
evaluate --json nowhere/out.json
evaluate --json file/out.json
evaluate --json {long}.json
evaluate --json {deep}.json
evaluate --json /proc/out.json
evaluate --json /sys/out.json
evaluate --json ''
evaluate --json .
evaluate --law magic
evaluate --rounding up
evaluate --rate 0 --demonstrations shown
evaluate --rate 1e300 --demonstrations shown
evaluate --rate nan --demonstrations shown
evaluate --publisher 0 --demonstrations shown
evaluate --publisher 99999999999999999999 --demonstrations shown
evaluate --publisher ² --demonstrations shown
evaluate --episode -3 --demonstrations shown
evaluate --episode 99999999999999999999 --demonstrations shown
evaluate --episode nan --demonstrations shown
evaluate --part 3:1 --demonstrations shown
evaluate --part nan:1 --demonstrations shown
evaluate --part 1 --demonstrations shown
evaluate --part 1e300:1e301 --demonstrations shown
evaluate --columns base --demonstrations shown
evaluate --columns =base --demonstrations shown
evaluate --columns a=base,b=base --demonstrations shown
evaluate --topic '' --demonstrations shown
evaluate --time-unit year --demonstrations shown
demo --demonstration nowhere.csv
demo --demonstration ''
demo --demonstration empty_folder
demo --demonstration file
demo --demonstration empty.csv
demo --demonstration fifo.csv
demo --demonstration fifo
demo --demonstration socket.csv
demo --demonstration /dev/zero
demo --demonstration /dev/stdin
demo --demonstration zero.csv
demo --demonstration {long}.csv
demo --demonstration {deep}.csv
demo --demonstration {bytes}.csv
demo --demonstration file/below.csv
demo --demonstration link_to_itself.csv
demo --synapses wet
demo --arm wooden
demo --time-scale 0.5
demo --time-scale 1000
demo --time-scale 1e300
demo --time-scale inf
demo --correction nan
demo --correction 100
demo --duration nan
demo --duration 601
demo --duration -1
demo --duration 1e-300
demo --out file
demo --out file/below
demo --out /proc/out
demo --out /dev/null
demo --out {long}
demo --out {deep}
demo --out ''
demo --out fifo
demo --picture out.exe
demo --picture empty_folder
demo --picture nowhere/out.png
demo --picture {long}.png
demo --picture file/out.gif
demo --json nowhere/out.json
demo --json {long}
demo --json empty_folder
demo --json file/out.json
demo --model nobody
demo --model {deep}
demo --urdf nowhere.urdf
demo --urdf fifo.urdf
demo --urdf empty_folder
demo --urdf empty.urdf
demo --urdf {long}.urdf
demo --urdf /dev/zero
demo --urdf ur5e --model ur5e
demo --urdf ur5e --tip nobody
demo --urdf ur5e --joints ,
demo --urdf ur5e --joints ''
demo --urdf ur5e --joints elbow_joint,elbow_joint
demo --urdf ur5e --joints elbow_joint --limits nan:nan
demo --urdf ur5e --joints elbow_joint --limits 1:-1
demo --urdf ur5e --joints elbow_joint --limits=-1:1:nan
demo --urdf ur5e --joints elbow_joint --limits=-1:1:-1
demo --urdf ur5e --joints elbow_joint --limits=-1:inf
demo --urdf ur5e --joints elbow_joint --hold wrist_1_joint=nan
demo --urdf ur5e --joints elbow_joint --hold nobody=0
demo --urdf ur5e --joints elbow_joint --hold wrist_1_joint=1e300
demo --urdf ur5e --joint-limits fifo.yaml
demo --urdf ur5e --joint-limits nested.yaml
demo --broker host
demo --arm ed_scorbot --yes --broker {long}
demo --arm ed_scorbot --yes --broker ''
demo --arm ed_scorbot --yes --broker 'a b'
demo --arm ed_scorbot --yes --broker {bytes}
demo --arm ed_scorbot --yes --broker a..b
demo --arm ed_scorbot --yes --port 0
demo --arm ed_scorbot --yes --port 65536
demo --arm ed_scorbot --yes --port 1 --broker 127.0.0.1
demo --convention 2026
meta-train --config nowhere.yaml
meta-train --config fifo.yaml
meta-train --config empty_folder
meta-train --config /dev/zero
meta-train --config {long}.yaml
meta-train --config {deep}
meta-train --config nested.yaml
meta-train --config utf16.csv
meta-train --config list.yaml
meta-train --minutes nan
meta-train --minutes 1e300
meta-train --minutes 0
meta-train --iterations -1
meta-train --iterations 1000000000000000000
meta-train --minutes 1 --iterations 1
meta-train --resume nowhere
meta-train --resume file
meta-train --resume fifo
meta-train --resume {long}
meta-train --resume {deep}
meta-train --start nobody
meta-train --start fifo.safetensors
meta-train --out file
meta-train --out /proc/out
meta-train --out {long}
meta-train --out {deep}
meta-train --out file/below
meta-train --iterations 0 --name a/b
meta-train --iterations 0 --name ''
meta-train --iterations 0 --name {long}
meta-train --iterations 0 --name {bytes}
meta-train --iterations 0 --name ..
meta-train --iterations 0 --out /proc/out
meta-train --processes 1000000000
meta-train --processes 0
meta-train --seed 2000
meta-train --seed 99999999999999999999
meta-train --json file/out.json
meta-train --urdf ur5e --joints elbow_joint --limits nan:1
meta-train --urdf ur5e --hold elbow_joint=inf
arm
arm describe
arm describe nowhere.urdf
arm describe fifo.urdf
arm describe empty_folder
arm describe ''
arm describe /dev/zero
arm describe {long}
arm describe {deep}
arm describe topic:
arm describe topic:{bytes}
arm describe 'topic:a b'
arm describe node:
arm describe ur5e --figure out.exe
report
report nowhere
report empty_folder
report /dev/zero
report {long}
report {deep}
report empty_folder --out x.pdf
report empty_folder --out nowhere/x.html
meta-train --iterations 0 --name training
meta-train --iterations 0 --figure x.png
few-shot classify --figure x.gif
chip benchmark --figure nowhere/x.png
arm describe ur5e --figure {long}.png
arm describe ur5e --figure empty_folder
arm describe ur5e --figure nowhere/out.png
arm describe ur5e --tip ''
arm describe ur5e --joints ''
arm describe ur5e --joints {long}
arm describe ur5e --limits nan:nan
arm describe ur5e --limits 1
arm describe ur5e --limits ''
arm describe ur5e --joints elbow_joint --limits=-1e300:1e300
arm describe ur5e --joint-limits nowhere.yaml
arm describe ur5e --joint-limits fifo.yaml
arm describe ur5e --joint-limits empty_folder
arm describe ur5e --joint-limits nested.yaml
arm describe ur5e --joint-limits {long}
arm describe ur5e --hold elbow_joint
arm describe ur5e --hold elbow_joint=inf
arm describe ur5e --json /proc/out.json
arm describe ur5e --json {long}
chip
chip paint
chip characterise --law magic
chip characterise --out file
chip characterise --out /proc
chip characterise --out /proc/out
chip characterise --out /sys/kernel
chip characterise --out {long}
chip characterise --out {deep}
chip characterise --out ''
chip characterise --seed nan
chip characterise --json nowhere/out.json
chip benchmark --json empty_folder
chip benchmark --json {long}
ed-scorbot
ed-scorbot paint
ed-scorbot emulate --broker {long}
ed-scorbot emulate --broker ''
ed-scorbot emulate --broker {bytes}
ed-scorbot emulate --broker a..b
ed-scorbot emulate --port 0
ed-scorbot emulate --port 1
ed-scorbot emulate --port nan
ed-scorbot emulate --robot ''
ed-scorbot emulate --robot a/b
ed-scorbot emulate --robot '#'
ed-scorbot emulate --robot {bytes}
ed-scorbot emulate --robot {tall}
ed-scorbot emulate --convention 1999
ed-scorbot emulate --homing -1
ed-scorbot emulate --homing 1e300
ed-scorbot emulate --misbehave nicely
ed-scorbot emulate --trace empty_folder
ed-scorbot emulate --trace nowhere/out.csv
ed-scorbot emulate --trace {long}.csv
ed-scorbot emulate --trace file/out.csv
ed-scorbot emulate --trace fifo
ed-scorbot emulate --json file/out.json
doctor --listen nan
doctor --listen -1
doctor --listen 1e300
doctor --json nowhere/out.json
doctor --json {long}
doctor --json empty_folder
"""


def lines() -> list[list[str]]:
    """Return the command lines as arguments."""
    words = {'long': LONG, 'deep': DEEP, 'bytes': BYTES, 'tall': 'x' * 70_000}
    return [[word.format(**words) for word in shlex.split(line)]
            for line in LINES.strip().splitlines()]


def furnish(folder: Path) -> None:
    """Make what the lines name."""
    (folder / 'empty_folder').mkdir()
    (folder / 'shown').mkdir()
    for name, text in (('file', 'hello\n'), ('good.csv', MOVEMENT), ('shown/a.csv', MOVEMENT),
                       ('empty.csv', ''), ('empty.urdf', ''), ('empty.safetensors', ''),
                       ('no_card.safetensors', 'x'), ('list.yaml', '[1, 2]'),
                       ('nested.yaml', '[' * 100_000)):
        (folder / name).write_text(text)
    (folder / 'utf16.csv').write_bytes(MOVEMENT.encode('utf-16'))
    for name in ('fifo', 'fifo.csv', 'fifo.yaml', 'fifo.urdf', 'fifo.safetensors'):
        os.mkfifo(folder / name)
    (folder / 'zero.csv').symlink_to('/dev/zero')
    (folder / 'link_to_itself.csv').symlink_to('link_to_itself.csv')
    os.mknod(folder / 'socket.csv', 0o600 | 0o140000)


def there(folder: Path) -> dict[str, object]:
    """Return what is in a folder and below, with sizes."""
    return {str(path.relative_to(folder)): path.lstat().st_size for path in folder.rglob('*')}


def fork(arguments: list[str], folder: Path) -> int:
    """Run a command line in a forked process; returns its number."""
    process = os.fork()
    if process:
        return process
    try:
        os.setsid()
        os.chdir(folder)
        for number, name in ((0, '/dev/null'), (1, folder.with_suffix('.out')),
                             (2, folder.with_suffix('.err'))):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
        from smallbot.cli.main import main
        code = 1
        with contextlib.suppress(SystemExit):
            try:
                code = main(arguments)
            except SystemExit as ended:
                code = ended.code
            except BaseException:
                import traceback
                traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1)


def start(arguments: list[str], folder: Path) -> int:
    """Run a command line as a command of its own; returns its process."""
    with folder.with_suffix('.out').open('w') as out, folder.with_suffix('.err').open('w') as err:
        return subprocess.Popen([sys.executable, '-m', 'smallbot', *arguments], cwd=folder,
                                stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                start_new_session=True).pid


def waited(process: int, timeout: float) -> int | None:
    """Return the exit code, None where it has to be killed."""
    ends = time.monotonic() + timeout
    while time.monotonic() < ends:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def verdict(code: int | None, err: str, touched: bool) -> str:
    """Return what was wrong with how a wrong command line ended; empty: nothing."""
    if code is None:
        return 'hangs or works'
    if 'Traceback' in err:
        return 'traceback'
    if code != 2:
        return f'code {code}'
    if touched:
        return 'left or changed something'
    said = err.strip().splitlines()
    return '' if len(said) == 1 else 'not one line'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--processes', action='store_true')
    parser.add_argument('--timeout', type=float, default=12.0)
    parser.add_argument('--only', default='')
    args = parser.parse_args()
    if not args.processes:
        # What the verbs import, so that a fork has it.
        import smallbot.nodes.hosted_demo
        import smallbot.outer_loop.run
        import smallbot.plots.evaluation
        import smallbot.study.evaluation  # noqa: F401
    gigabyte = 2 ** 30
    resource.setrlimit(resource.RLIMIT_DATA, (6 * gigabyte, 6 * gigabyte))
    found, tried = collections.Counter(), 0
    for arguments in lines():
        said = shlex.join(arguments)
        if args.only not in said:
            continue
        tried += 1
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / 'here'
            folder.mkdir()
            furnish(folder)
            before = there(folder)
            code = waited((start if args.processes else fork)(arguments, folder), args.timeout)
            err = folder.with_suffix('.err').read_text(errors='replace')
            wrong = verdict(code, err, there(folder) != before)
            shutil.rmtree(folder)
        if wrong:
            found[wrong] += 1
            last = (err.strip().splitlines() or ['(nothing)'])[-1]
            print(f'{wrong:26} {said[:90]!a}: {last[:200]!a}', flush=True)
    print(f'{tried} wrong command lines, {sum(found.values())} ended wrongly: '
          + ', '.join(f'{count} {what}' for what, count in found.most_common()))


if __name__ == '__main__':
    main()
