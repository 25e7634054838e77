# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Real node processes over DDS, and a probe that listens and calls.

Every test has a namespace of its own in a domain of its own, on this machine only: nodes of one
that linger, or of another worker, are not heard.
"""

from collections import defaultdict
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from rcl_interfaces.srv import ListParameters  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float32MultiArray, Float64MultiArray  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
import torch  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from smallbot.models.weights_file import save_model  # noqa: E402
from smallbot.nodes.common.messages import to_trajectory, values_of  # noqa: E402
from smallbot.one_shot.model import initial_weights, ModelConfig, OneShotModel  # noqa: E402

from .fork_server import ForkServer  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EVERYTHING = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE,
                        durability=DurabilityPolicy.VOLATILE)
LATCHED = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)
STATES = QoSProfile(depth=1000, reliability=ReliabilityPolicy.BEST_EFFORT)
JOINTS = ('base', 'shoulder')
DOMAINS, WORKERS = 100, 4
"""Domains to choose from, as those above 101 take ports that the system gives to anyone; and how
many workers share them out."""


@pytest.fixture(scope='session')
def environment(tmp_path_factory):
    """Return the environment of all processes of this session."""
    environment = {
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_LOG_DIR': str(tmp_path_factory.mktemp('ros_log')),
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')])),
    }
    before = {key: os.environ.get(key) for key in environment}
    os.environ.update(environment)
    yield environment
    for key, value in before.items():
        os.environ.pop(key) if value is None else os.environ.update({key: value})


@pytest.fixture
def domain(environment, monkeypatch):
    """Give the test a domain of its own, from those of its worker."""
    worker = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
    number = 1 + worker % WORKERS + WORKERS * random.SystemRandom().randrange(DOMAINS // WORKERS)
    monkeypatch.setenv('ROS_DOMAIN_ID', str(number))
    return number


@pytest.fixture
def context(domain):
    made = Context()
    rclpy.init(context=made, signal_handler_options=SignalHandlerOptions.NO)
    yield made
    rclpy.try_shutdown(context=made)


@pytest.fixture(scope='session')
def small_model(tmp_path_factory):
    """Return the path of an untrained model whose network moves an arm at about 0.5 rad/s."""
    config = ModelConfig(steps=100, neurons=40, generator_neurons=40)
    weights = initial_weights(config, torch.Generator().manual_seed(5))
    bound = 0.9 * config.weight_limits()
    weights['trainee'] = weights['trainee'].clamp(-bound, bound)
    weights['readout'] = weights['readout'] * 8
    return save_model(OneShotModel(config, weights, 'small'), tmp_path_factory.mktemp('model'))


class Process:
    """A node, or a script of this folder, in a process of its own; what it writes is kept.

    Without a server the interpreter starts from nothing, as it does for a user.
    """

    def __init__(self, name: str, namespace: str, log: Path, arguments=(),
                 server: ForkServer | None = None, **parameters):
        self.name, self._log = name, log
        settings = []
        for key, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            settings += ['-p', f'{key}:={text or repr(text)}']
        script = name.endswith('.py')
        command = [str(HERE / name) if script else name, '--ros-args', '-r', f'__ns:=/{namespace}',
                   *settings, *arguments]
        environment = dict(os.environ)
        if server is not None:
            self.popen = server.start(command, log, environment)
            return
        environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
        if not script:
            command[:1] = ['-m', f'smallbot.nodes.{name}']
        with log.open('wb') as output:
            self.popen = subprocess.Popen([sys.executable, *command], stdout=output,
                                          stderr=subprocess.STDOUT, env=environment,
                                          cwd=log.parent)

    @property
    def said(self) -> str:
        return self._log.read_text(errors='replace')

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def exit_code(self, timeout: float = 60.0) -> int:
        return self.popen.wait(timeout)

    def end(self) -> None:
        """Leave nothing behind, paused processes included."""
        if self.popen.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGINT)
            try:
                self.popen.wait(30.0)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait(30.0)
                raise AssertionError(f'{self.name} did not end on SIGINT:\n{self.said}') from None


class Probe:
    """A node of the test: hears everything in its namespace, waits for conditions, calls."""

    def __init__(self, context: Context, namespace: str):
        self.node = Node('probe', namespace=f'/{namespace}', context=context)
        self.heard = defaultdict(list)
        self._news = threading.Condition()
        self._calls = {}
        self._publishers = {}
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._ending = False
        self.listen(JointState, 'joint_states', STATES)
        self.listen(Float64MultiArray, 'velocity_controller/commands', EVERYTHING)
        self.listen(DiagnosticStatus, 'progress', LATCHED)
        self.listen(DiagnosticStatus, 'programmed', LATCHED)
        self.listen(Float32MultiArray, 'eligibility', LATCHED)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._ending:
            self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        if self._ending:
            return
        self._ending = True
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()

    def listen(self, kind, topic: str, qos) -> None:
        def keep(message):
            with self._news:
                self.heard[topic].append(message)
                self._news.notify_all()
        self.node.create_subscription(kind, topic, keep, qos)

    def wait(self, condition, what: str, timeout: float = 30.0):
        """Return the first true value of `condition`, asked at every message and often."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                value = condition()
                if value:
                    return value
                left = deadline - time.monotonic()
                assert left > 0, f'waited {timeout:g} s in vain for {what}'
                self._news.wait(min(left, 0.05))

    def call(self, name: str, timeout: float = 30.0) -> Trigger.Response:
        if name not in self._calls:
            self._calls[name] = self.client(Trigger, name, timeout)
        future = self._calls[name].call_async(Trigger.Request())
        self.wait(future.done, f'an answer of {name}', timeout)
        return future.result()

    def client(self, kind, name: str, timeout: float = 30.0):
        """Return a client of service `name` whose answers will arrive.

        A service is ready once this side sees it; the other side may not yet know where to send
        its answer, and drops it. Endpoints become known in the order they were made, so an
        answer from a service asked later, which may be asked again, proves the way back.
        """
        client = self.node.create_client(kind, name)
        again = self.node.create_client(ListParameters, f'{name.split("/")[0]}/list_parameters')
        self.wait(lambda: client.service_is_ready() and again.service_is_ready(),
                  f'service {name}', timeout)
        deadline = time.monotonic() + timeout
        future = again.call_async(ListParameters.Request())
        while not future.done():
            assert time.monotonic() < deadline, f'no answer of {name.split("/")[0]}'
            try:
                self.wait(future.done, 'an answer', 2.0)
            except AssertionError:
                future = again.call_async(ListParameters.Request())
        self.node.destroy_client(again)
        return client

    def publish(self, kind, topic: str, message, qos=LATCHED) -> None:
        """Publish once somebody listens."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(kind, topic, qos)
        publisher = self._publishers[topic]
        self.wait(publisher.get_subscription_count, f'a subscriber of {topic}')
        publisher.publish(message)

    def publisher(self, topic: str):
        """Return the publisher that `publish` has made for a topic."""
        return self._publishers[topic]

    def show(self, seconds: float = 1.0, start=(0.05, -0.05), extent: float = 0.2) -> None:
        """Publish a demonstration, half a cosine in both joints."""
        time_, position = wave(seconds, start, extent)
        self.publish(JointTrajectory, 'demonstration', to_trajectory(JOINTS, time_, position))

    def phase(self) -> str:
        return self.heard['progress'][-1].message if self.heard['progress'] else ''

    def wait_phase(self, *phases: str, timeout: float = 30.0) -> str:
        self.wait(lambda: self.phase() in phases, f'phase {" or ".join(phases)}', timeout)
        return self.phase()

    def commands(self) -> list[list[float]]:
        return [list(m.data) for m in list(self.heard['velocity_controller/commands'])]

    def wait_moving(self) -> None:
        """Wait until the arm is being played on and commanded to move."""
        self.wait_phase('playing')
        self.wait(lambda: any(abs(v) > 0.02 for v in self.commands()[-1]), 'a fast command')

    def position(self) -> np.ndarray:
        message = self.heard['joint_states'][-1]
        return np.array([message.position[list(message.name).index(j)] for j in JOINTS])

    def speed(self) -> float:
        message = self.heard['joint_states'][-1]
        return max(abs(v) for v in message.velocity)

    def programmed(self) -> dict[str, str]:
        return values_of(self.heard['programmed'][-1])

    def version(self) -> str:
        """Return the version in the label of the newest traces."""
        return self.heard['eligibility'][-1].layout.dim[0].label.split('version=')[1].split(';')[0]


def wave(seconds: float, start=(0.05, -0.05), extent: float = 0.2):
    """Return time [S] and positions [S, 2] of half a cosine."""
    time_ = np.arange(0, seconds + 1e-9, 0.01)
    shape = extent * (1 - np.cos(np.pi * time_ / seconds)) / 2
    return time_, np.stack([start[0] + shape, start[1] - shape], axis=1)


@pytest.fixture(scope='session')
def fork_server(environment):
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture
def bench(context, tmp_path, fork_server):
    """Return a function that starts node processes, and a probe beside them."""
    namespace = f't{random.SystemRandom().randrange(10 ** 9)}'
    started, probes = [], []

    class Bench:
        folder = tmp_path

        def start(self, name: str, *arguments: str, from_nothing=False, **parameters) -> Process:
            log = tmp_path / f'{len(started)}_{name}.log'
            server = None if from_nothing else fork_server
            started.append(Process(name, namespace, log, arguments, server, **parameters))
            return started[-1]

        def probe(self) -> Probe:
            probes.append(Probe(context, namespace))
            return probes[-1]

    yield Bench()
    for probe in probes:
        probe.close()
    stuck = []
    for process in started:
        try:
            process.end()
        except AssertionError as error:
            stuck.append(str(error))
    assert not stuck, '\n'.join(stuck)
