# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The arm's side as one more client of the ROS 2 nodes: services and topics that anybody has."""

from collections.abc import Callable
import os
import sys
import threading
import time

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, Int32MultiArray
from std_srvs.srv import Trigger
import torch
from trajectory_msgs.msg import JointTrajectory

from smallbot.arm.kinematics import Arm
from smallbot.demonstration.samples import Demonstration
from smallbot.errors import InputError
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    demonstration_message,
    from_events,
    from_matrix,
    is_ok,
    joint_positions,
    LATCHED,
    nanoseconds,
    RELIABLE,
    STATE,
    STREAM,
    to_demonstration,
    to_progress,
    to_traces,
    values_of,
)
from smallbot.nodes.common.spin import HostedExecutor, spin
from smallbot.one_shot.model import arm_of, load_model, OneShotModel
from smallbot.one_shot.playback import Phase
from smallbot.page.behind.arm_side import ArmSide
from smallbot.page.behind.child import Line
from smallbot.page.behind.choice import Chosen
from smallbot.page.behind.robot import Motion, Watcher

FOUND_WITHIN, READY_WITHIN = 4.0, 20.0
"""How long nodes are looked for at the start, and how long those that are there may take, s."""
PATIENCE = 10.0
"""How long an answer of a service may take, s."""
LOOK = 0.5
"""Time between two looks at which nodes are there, s."""
SILENT = 1.5
"""Age of joint states that is worth a word, s."""
SIMULATOR = 'arm_simulator'
SERVICES = ('demo_recorder/start', 'demo_recorder/stop', 'demo_recorder/discard',
            'one_shot_learner/learn', 'snn_controller/execute', 'snn_controller/forget',
            'snn_controller/halt', 'snn_controller/reset')
NEEDED = ('snn_controller', 'one_shot_learner')
LAUNCH = 'ros2 launch smallbot one_shot_demo.launch.py'


class PageNode(Guarded, Node):
    """See `robot.Robot`; the node is named `page`.

    Its thread hears and publishes; what is asked comes from others.
    """

    def __init__(self, model: OneShotModel, arm: Arm, watcher: Watcher):
        super().__init__('page')
        self._model, self._arm, self._watcher = model, arm, watcher
        self.simulated: bool | None = None
        self._motion = Motion()
        self._pose: np.ndarray | None = None
        self._heard_at = -float('inf')
        self._shown: Demonstration | None = None
        self._offered = ''
        """Digest of what this page published last."""
        self._version = ''
        self._other_model = ''
        self._programmed: dict[str, str] = {}
        self._executing = False
        self._demonstration = self._publisher()
        for kind, topic, callback, quality in (
                (JointState, 'joint_states', self._on_state, STATE),
                (JointTrajectory, 'demonstration', self._on_demonstration, LATCHED),
                (DiagnosticStatus, 'programmed', self._on_programmed, LATCHED),
                (DiagnosticStatus, 'progress', self._on_progress, LATCHED),
                (Int32MultiArray, 'spikes', self._on_spikes, STREAM),
                (Float32MultiArray, 'eligibility', self._on_eligibility, LATCHED),
                (Float32MultiArray, 'weight_update', self._on_update, RELIABLE)):
            self.create_subscription(kind, topic, callback, quality)
        self._calls = {name: self.create_client(Trigger, name) for name in SERVICES}
        self.complete = False
        """Whether nothing is missing, as far as was seen."""
        self.create_timer(LOOK, self._look)

    def stop(self) -> None:
        """Nothing to stop: what moves is the controller's."""

    # --- what is asked, in threads of others

    def pose(self) -> np.ndarray | None:
        """Return where every movable joint is [M], rad; None: not heard."""
        return self._pose

    def as_told(self, shown: Demonstration) -> Demonstration:
        """Return it with the times of a message, whole nanoseconds."""
        return to_demonstration(demonstration_message(shown), self._arm)

    def offer(self, shown: Demonstration) -> None:
        """Publish a movement as the demonstration."""
        self._offered = shown.digest
        self._demonstration.publish(demonstration_message(shown))
        self._wait(lambda: self._shown is not None and self._shown.digest == shown.digest,
                   'the demonstration to come back from topic demonstration')

    def learn(self) -> str:
        """Forget, if something was learned, then learn the demonstration with one update."""
        if self._shown is None:
            raise InputError('nothing has been shown yet: draw a movement, or record one')
        if self._motion.learned:
            before = self._version
            self._call('snn_controller/forget')
            self._wait(lambda: self._version != before, 'new traces after forgetting')
        self._programmed = {}
        said = self._call('one_shot_learner/learn')
        self._wait(lambda: bool(self._programmed), 'what was written, on topic programmed')
        return said

    def execute(self, allow_poor: bool) -> str:
        """Have what was learned played; `allow_poor` is a parameter of the controller."""
        said = self._call('snn_controller/execute')
        self._executing = True
        return said

    def halt(self, reason: str) -> str:
        """Have the controller brake, and stay halted until `reset`."""
        return self._call('snn_controller/halt')

    def reset(self) -> str:
        """Allow movements again."""
        return self._call('snn_controller/reset')

    def record(self, action: str) -> str:
        """Start, stop or discard a recording."""
        return self._call(f'demo_recorder/{action}')

    def close(self) -> None:
        """Halt what this page has set moving."""
        if self._executing and self._motion.moving:
            try:
                self.halt('the page has ended')
            except InputError as error:
                print(f'smallbot page: the arm was not halted: {error}', file=sys.stderr,
                      flush=True)

    def _call(self, name: str) -> str:
        client = self._calls[name]
        node = name.split('/')[0]
        if not client.service_is_ready():
            raise InputError(f'{node} is not running (no service {name}): {LAUNCH}')
        answered = threading.Event()
        future = client.call_async(Trigger.Request())
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(PATIENCE):
            client.remove_pending_request(future)
            raise InputError(f'{node} did not answer {name} within {PATIENCE:g} s')
        answer = future.result()
        if not answer.success:
            raise InputError(answer.message)
        return answer.message

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise InputError(f'waited {PATIENCE:g} s in vain for {what}')
            time.sleep(0.005)

    # --- what is heard, in the node's own thread

    def found(self) -> bool:
        """Return whether the controller is there."""
        return self._calls['snn_controller/execute'].service_is_ready()

    def announced(self) -> bool:
        """Return whether a node of ours is in the graph, ready or not."""
        space = self.get_namespace()
        return any(name in NEEDED and at == space
                   for name, at in self.get_node_names_and_namespaces())

    def _publisher(self):
        return self.create_publisher(JointTrajectory, 'demonstration', LATCHED)

    def _on_state(self, message: JointState) -> None:
        position = joint_positions(message, self._arm.driven)
        if position is None:
            return
        self._heard_at = time.monotonic()
        named = dict(zip(message.name, message.position))
        whole = self._arm.whole(position)
        self._pose = np.array([
            named[name] if np.isfinite(named.get(name, np.nan)) else own
            for name, own in zip(self._arm.movable, whole)])
        self._watcher.moved(nanoseconds(message.header.stamp), position)

    def _on_demonstration(self, message: JointTrajectory) -> None:
        shown = to_demonstration(message, self._arm) if message.points else None
        if self._offered and (shown is None or shown.digest != self._offered):
            # Another's counts now: who comes later must not hear ours.
            self._offered = ''
            self.destroy_publisher(self._demonstration)
            self._demonstration = self._publisher()
        self._watcher.demonstrated(shown)
        self._shown = shown

    def _on_programmed(self, message: DiagnosticStatus) -> None:
        values = values_of(message)
        if is_ok(message) and 'cells_written' in values:
            self._watcher.programmed(values)
            self._programmed = values

    def _on_progress(self, message: DiagnosticStatus) -> None:
        progress = to_progress(message)
        fraction = float(values_of(message).get('fraction', 0) or 0)
        before = self._motion
        self._motion = Motion(progress.phase, fraction, progress.duration, progress.reason,
                              progress.demonstration, progress.began or 0)
        self._watcher.progressed(self._motion)
        if not self._motion.moving:
            self._executing = False
        if progress.phase is Phase.HALTED and before.phase is not Phase.HALTED:
            self._watcher.said(f'halted: {progress.reason}')

    def _on_spikes(self, message: Int32MultiArray) -> None:
        events, labels = from_events(message, self._model)
        if 'trial' in labels:
            self._watcher.traced(events)
        elif 'playback' in labels:
            self._watcher.spiked(events)

    def _on_eligibility(self, message: Float32MultiArray) -> None:
        try:
            matrix, self._version = to_traces(message, self._model)
            self._other_model = ''
        except InputError as error:
            self._other_model = f'{error}; --model names the one that the nodes use'
            raise
        # Also for whoever came too late for the trial's spikes: a trace steps up at each.
        trace = matrix[:, self._model.n + self._model.n_in:]
        grown = trace[1:] - self._model.config.trainee.membrane_decay * trace[:-1]
        self._watcher.traced(np.argwhere(grown > 0.5))

    def _on_update(self, message: Float32MultiArray) -> None:
        delta, _ = from_matrix(message)
        self._watcher.updated(delta)

    def _look(self) -> None:
        """See which nodes are there, and say what is missing."""
        names = {info.node_name for info in self.get_publishers_info_by_topic('joint_states')}
        self.simulated = SIMULATOR in names if names else None
        missing = [name for name in NEEDED if not any(
            self._calls[service].service_is_ready() for service in SERVICES
            if service.startswith(f'{name}/'))]
        if missing:
            text = f'{" and ".join(missing)} not running: {LAUNCH}'
        elif not names:
            text = 'nobody publishes joint_states: is the driver or the simulator running?'
        elif time.monotonic() - self._heard_at > SILENT:
            text = 'no message on joint_states with the driven joints'
        else:
            text = self._other_model
        self.complete = not text
        self._watcher.troubled(text)


def main(line: Line, chosen: Chosen) -> bool:
    """Run until the page has gone; returns False at once where no nodes are running."""
    torch.set_num_threads(1)
    space = ['-r', f'__ns:=/{chosen.namespace}'] if chosen.namespace else []
    rclpy.init(args=['--ros-args', '--log-level', 'error', *space],
               signal_handler_options=SignalHandlerOptions.NO)
    line.say({'waiting': f'looking for the nodes in domain {os.environ.get("ROS_DOMAIN_ID", 0)}'})
    model = load_model(chosen.model)
    arm = arm_of(model.config)
    side = ArmSide(line, model, arm, chosen, 'ros')
    node = PageNode(model, arm, side)
    executor, ending = HostedExecutor(), threading.Event()
    executor.add_node(node)
    thread = threading.Thread(target=spin, args=(node, executor, ending.is_set), daemon=True,
                              name='node')
    thread.start()
    try:
        began = time.monotonic()
        while not node.found():
            wait = READY_WITHIN if node.announced() else FOUND_WITHIN
            if time.monotonic() > began + wait:
                line.say({'told': f'no nodes are running here, so the arm is simulated in this '
                                  f'program; {LAUNCH} starts them, then start the page again'})
                return False
            time.sleep(0.02)
        while not node.complete and time.monotonic() < began + FOUND_WITHIN:
            time.sleep(0.02)
        side.run(node)
        return True
    finally:
        ending.set()
        thread.join(2.0)
        node.destroy_node()
        rclpy.try_shutdown()
