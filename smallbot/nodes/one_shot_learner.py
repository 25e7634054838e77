# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Turns a demonstration and the trainee's traces into one weight update; has no chip."""

from collections.abc import Sequence
import time

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import GetState
import numpy as np
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.task import Future
from std_msgs.msg import Float32MultiArray
from std_srvs.srv import Trigger
import torch
from trajectory_msgs.msg import JointTrajectory

from smallbot.demonstration.trial_grid import trial_of
from smallbot.errors import InputError
from smallbot.nodes.common.guarded import Guarded
from smallbot.nodes.common.messages import (
    is_ok,
    LATCHED,
    RELIABLE,
    to_matrix,
    to_traces,
    values_of,
)
from smallbot.nodes.common.parameters import declare, model_arm, MODEL_ARM_PARAMETERS, Parameter
from smallbot.nodes.common.shown import Shown, shown_in
from smallbot.nodes.common.spin import run
from smallbot.one_shot.learner import Eligibility, movement_update, traces_of
from smallbot.one_shot.model import DEFAULT_MODEL, load_model

PARAMETERS = {
    'model': Parameter(DEFAULT_MODEL, 'shipped model, or path of a .safetensors file'),
    **MODEL_ARM_PARAMETERS,
    'acknowledge_timeout': Parameter(
        5.0, 'how long to wait for the controller after an update, s', 0.1, 60.0),
}
ALIVE = 2.0
"""How long the controller may take to answer whether it lives, s."""
TURN = 2e-3
"""Time between looks at whether the controller has answered, s."""


class OneShotLearner(Guarded, Node):
    """Takes `demonstration` and `eligibility`; on `~/learn` publishes one `weight_update`."""

    def __init__(self, **options):
        super().__init__('one_shot_learner', **options)
        chosen = declare(self, PARAMETERS)
        torch.set_num_threads(1)
        self.model = load_model(chosen['model'])
        self.arm = model_arm(chosen, self.model)
        self._timeout = chosen['acknowledge_timeout']
        self._shown: Shown | None = None
        """What is demonstrated now; None: nothing, or no longer."""
        self._demonstrations: Subscription | None = None
        self._eligibility: tuple[str, Eligibility] | None = None
        self._learned: str | None = None
        self._waiting: Future | None = None
        group = ReentrantCallbackGroup()
        self._update = self.create_publisher(Float32MultiArray, 'weight_update', RELIABLE)
        traces = self.create_subscription(Float32MultiArray, 'eligibility', self._on_eligibility,
                                          LATCHED, callback_group=group)
        self._traces = traces.topic_name
        self.create_subscription(DiagnosticStatus, 'programmed', self._on_programmed, LATCHED,
                                 callback_group=group)
        self.create_service(Trigger, '~/learn', self._on_learn, callback_group=group)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._group = group
        self._state = self.create_client(GetState, 'snn_controller/get_state',
                                         callback_group=group)
        self._listen()

    def stop(self) -> None:
        """Answer a call that still waits."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _listen(self) -> None:
        """Hear topic demonstration from the beginning: what is latched on it now, or nothing."""
        if self._demonstrations is not None:
            self.destroy_subscription(self._demonstrations)
        self._shown = None
        self._demonstrations = self.create_subscription(
            JointTrajectory, 'demonstration', self._on_demonstration, LATCHED,
            callback_group=self._group)

    def _on_demonstration(self, message: JointTrajectory) -> None:
        self._shown = shown_in(message, self.arm, self.get_clock().now().nanoseconds)

    def _on_eligibility(self, message: Float32MultiArray) -> None:
        matrix, version = to_traces(message, self.model)
        self._eligibility = (version, traces_of(self.model, matrix))
        self._learned = None

    def _on_programmed(self, message: DiagnosticStatus) -> None:
        if self._waiting is not None and not self._waiting.done():
            if values_of(message).get('version') == self._eligibility[0]:
                self._waiting.set_result(message)

    async def _on_learn(self, _, response: Trigger.Response) -> Trigger.Response:
        response.success = False
        try:
            response.message = await self._learn()
            response.success = True
        except InputError as error:
            response.message = str(error)
            self.get_logger().error(f'not learned: {error}')
        return response

    async def _answers(self) -> bool:
        """Return whether the controller lives: one that was killed stays in the graph for 20 s."""
        asked, answered = self._state.call_async(GetState.Request()), Future()

        def over(_=None) -> None:
            if not answered.done():
                answered.set_result(asked.done())
        asked.add_done_callback(over)
        timer = self.create_timer(ALIVE, over, clock=self._steady, callback_group=self._group)
        try:
            return await _without_haste(answered)
        finally:
            self.destroy_timer(timer)
            self._state.remove_pending_request(asked)

    async def _learn(self) -> str:
        if self._waiting is not None:
            raise InputError('a learn call is under way already')
        if self._shown is None:
            raise InputError('no demonstration yet on topic demonstration, or it was withdrawn: '
                             'record one with demo_recorder/start and stop')
        if self._eligibility is None:
            raise InputError('no traces yet on topic eligibility: is snn_controller active? '
                             '`ros2 lifecycle set snn_controller activate`')
        if not self.count_publishers(self._traces):
            raise InputError('snn_controller is not running: nobody publishes eligibility any '
                             'more; start it, then learn')
        if self._learned is not None:
            if not await self._answers():
                raise InputError(f'snn_controller does not answer within {ALIVE:g} s: is it '
                                 f'running? start it, then learn')
            raise InputError(f'demonstration {self._learned} has been learned with the one update '
                             f'there is: call snn_controller/forget first')
        began = time.perf_counter()
        version, eligibility = self._eligibility
        movement, shown, digest = self._shown, self._shown.demonstration, self._shown.digest
        positions = trial_of(shown, self.arm, self.model.steps)
        arm = shown.posed(self.arm)
        delta = movement_update(self.model, arm, positions, eligibility)
        computed = time.perf_counter() - began
        self._waiting = Future()
        timer = self.create_timer(self._timeout, self.stop, clock=self._steady,
                                  callback_group=self._group)
        try:
            self._update.publish(to_matrix(
                delta.numpy(), 'neuron', f'{self.model.n_in} inputs, {self.model.n} neurons',
                version=version, demonstration=digest))
            answer = await _without_haste(self._waiting)
        finally:
            self._waiting = None
            self.destroy_timer(timer)
        if answer is None:
            raise InputError(f'no answer on topic programmed within {self._timeout:g} s: is '
                             f'snn_controller running and active?')
        if not is_ok(answer):
            if values_of(answer).get('shown', digest) != digest and self._shown is movement:
                self._listen()  # the controller has another, or none: what is latched now counts
            raise InputError(f'{answer.message} (asked for {movement.named()})')
        self._learned = digest
        extent = ', '.join(f'{name} by {travel:.2f} rad' for name, travel in zip(
            shown.joints, np.ptp(shown.position, axis=0)))
        return (f'learned {movement.named()}: {digest}, {extent}; '
                f'{answer.message}; computed in {computed:.3f} s, done in '
                f'{time.perf_counter() - began:.3f} s')


class _Turn:
    """Awaited, it lets the executor do everything else once."""

    def __await__(self):
        yield


async def _without_haste(future: Future):
    """Return the result of `future`.

    Executors resume a task that waits over and over; nodes in the same interpreter, and be it the
    one whose answer is waited for, need it more.
    """
    while not future.done():
        time.sleep(TURN)
        await _Turn()
    return future.result()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the learner."""
    return run(OneShotLearner, arguments)


if __name__ == '__main__':
    raise SystemExit(main())
