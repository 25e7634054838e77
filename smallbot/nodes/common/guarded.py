# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What every node of ours is beside a ROS node: no message and no fault of a callback ends it.

A message that does not fit is refused: the callback raises InputError, the reason is logged at
most once a second for each topic and counted in `/diagnostics`. Whatever else a callback raises
is logged with its place, once in full, and brings the node to rest; it goes on answering. Here
too is what a node says of a clock that does not run and of publishers and subscribers that it
cannot hear or reach. Not here: what fits (`messages`), and how processes end (`spin`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
import inspect
from pathlib import Path
import time
import traceback

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.qos import qos_check_compatible, QoSCompatibility
from rclpy.subscription import Subscription

from smallbot.clock import steady
from smallbot.errors import InputError
from smallbot.nodes.common.company import named
from smallbot.nodes.common.messages import one_line, received, status, STREAM

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

TRANSITIONS = ('on_configure', 'on_activate', 'on_deactivate', 'on_cleanup', 'on_shutdown',
               'on_error')
AGAIN = 1.0
"""Least time between two lines of the log about the same topic or the same fault, s."""
CLOCK_WAIT = 3.0
"""How long simulated time may take to begin before it is missed, s; said again as often."""
LOOKED_FOR = 5.0
"""How long to look for the name of who has another quality of service, s."""
PACKAGE = Path(__file__).resolve().parents[2]


@dataclass
class Tally:
    """How often something went wrong, and what of it has been said."""

    count: int = 0
    last: str = ''
    _told: int = 0
    _told_at: float = -float('inf')
    _reported: int = 0

    def add(self, reason: str) -> str | None:
        """Count one more; returns the line to log, None where one was logged a moment ago."""
        self.count, self.last = self.count + 1, reason
        now = time.monotonic()
        if now < self._told_at + AGAIN:
            return None
        silent, self._told, self._told_at = self.count - 1 - self._told, self.count, now
        return reason + (f' ({silent} more since the line before)' if silent else '')

    def fresh(self) -> bool:
        """Return whether it has happened since this was asked last."""
        before, self._reported = self._reported, self.count
        return self.count > before


class Guarded:
    """Stands before `Node` among the bases of a node; all that is created is watched over.

    A node may have `on_failure(reason)`, which brings it to rest after an unexpected exception;
    without it that is `stop`.
    """

    def __init__(self, *names, **options):
        self.refusals: dict[str, Tally] = {}
        """Messages that did not fit, by topic."""
        self.failures: dict[str, Tally] = {}
        """Exceptions that nobody expected, by their place."""
        self._mismatched: dict[Subscription | Publisher, tuple[str, float]] = {}
        """What has met another quality of service: its topic, until when to look for whose."""
        self._began = time.monotonic()
        self._clock_missed = -float('inf')
        super().__init__(*names, **options)
        self._health = self.create_publisher(DiagnosticArray, '/diagnostics', STREAM)
        self._health_timer = self.create_timer(
            AGAIN, self._tell_health, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for name in TRANSITIONS:
            if name in cls.__dict__:
                setattr(cls, name, _transition(cls.__dict__[name]))

    def on_failure(self, reason: str) -> None:
        """Bring to rest whatever this node moves, for `reason`; it goes on answering."""
        self.stop()

    def refuse(self, topic: str, reason: str) -> None:
        """Count a message on `topic` that did not fit; log why, at most once a second."""
        line = self.refusals.setdefault(topic, Tally()).add(one_line(reason))
        if line is not None:
            self.get_logger().warning(f'{topic} dropped: {line}')

    def ros_time(self) -> float:
        """Return the time that stamps messages, s: simulated, where that is asked for, or real.

        Where it is real it is the steady clock's, which nobody sets.
        """
        clock = self.get_clock()
        return clock.now().nanoseconds * 1e-9 if clock.ros_time_is_active else steady()

    def failed(self, where: str, error: Exception) -> str:
        """Log an unexpected exception with its place, come to rest; returns it in a line."""
        trace = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in trace if PACKAGE in Path(frame.filename).parents
                and frame.filename != __file__] or trace
        place = f'{Path(ours[-1].filename).name}:{ours[-1].lineno}' if ours else 'unknown place'
        reason = one_line(f'{where}: {error!r} at {place}')
        tally = self.failures.setdefault(f'{place} {type(error).__name__}', Tally())
        line = tally.add(reason)
        if tally.count == 1:
            line = f'{reason}; this node goes on, at rest\n' + ''.join(
                traceback.format_exception(error)).encode(
                    'utf-8', 'backslashreplace').decode().rstrip()
        if line is not None:
            self.get_logger().error(line)
        try:
            self.on_failure(reason)
        except Exception as worse:
            self.get_logger().error(one_line(f'could not come to rest: {worse!r}'))
        return reason

    # --- what is created

    def create_subscription(self, msg_type, topic: str, callback: Callable[..., None],
                            qos_profile, **options):
        """Create a subscription whose messages are looked at before they are unpacked.

        `callback` takes a message, or a message and what the middleware says of it.
        """
        name = self.resolve_topic_name(topic)

        def act(content, *info) -> None:
            try:
                callback(received(content, msg_type), *info)
            except InputError as error:
                self.refuse(name, str(error))
            except Exception as error:
                self.failed(name, error)

        def take(content) -> None:
            act(content)

        def take_with_info(content, info) -> None:
            act(content, info)

        options.setdefault('event_callbacks', SubscriptionEventCallbacks(
            incompatible_qos=lambda _: self._mismatch(made, name)))
        made = super().create_subscription(
            msg_type, topic, take if _takes(callback, 1) else take_with_info, qos_profile,
            raw=True, **options)
        return made

    def create_publisher(self, msg_type, topic: str, qos_profile, **options):
        """Create a publisher that says whom it cannot reach."""
        name = self.resolve_topic_name(topic)
        options.setdefault('event_callbacks', PublisherEventCallbacks(
            incompatible_qos=lambda _: self._mismatch(made, name)))
        made = super().create_publisher(msg_type, topic, qos_profile, **options)
        return made

    def create_service(self, srv_type, srv_name: str, callback, **options):
        """Create a service that answers also when its callback raises."""
        def refused(response, error: Exception):
            if isinstance(error, InputError):
                text = one_line(str(error))
            else:
                text = f'internal error, {self.failed(srv_name, error)}'
            if hasattr(response, 'success'):
                response.success, response.message = False, text
            return response

        if inspect.iscoroutinefunction(callback):
            async def answer(request, response):
                try:
                    return await callback(request, response)
                except Exception as error:
                    return refused(response, error)
        else:
            def answer(request, response):
                try:
                    return callback(request, response)
                except Exception as error:
                    return refused(response, error)
        return super().create_service(srv_type, srv_name, answer, **options)

    def create_timer(self, timer_period_sec: float, callback, *options, **others):
        """Create a timer that goes on when its callback raises."""
        def due() -> None:
            try:
                callback()
            except Exception as error:
                self.failed(f'timer of {getattr(callback, "__name__", "a callback")}', error)
        return super().create_timer(timer_period_sec, due, *options, **others)

    # --- what is said

    def _tell_health(self) -> None:
        self._look_at_clock()
        # Who they are is known only a moment after it is known that they do not match.
        self._mismatched = {
            made: (topic, until) for made, (topic, until) in self._mismatched.items()
            if not self._told(made, topic) and time.monotonic() < until}
        fresh = [name for name, tally in self.refusals.items() if tally.fresh()]
        failed = [tally.last for tally in self.failures.values() if tally.fresh()]
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        said = status(
            f'{self.get_name()}: messages', not failed,
            failed[-1] if failed else f'{fresh[-1]}: {self.refusals[fresh[-1]].last}'
            if fresh else 'all fit',
            failures=sum(tally.count for tally in self.failures.values()),
            **{f'refused {name}': tally.count for name, tally in self.refusals.items()})
        if fresh and not failed:
            said.level = DiagnosticStatus.WARN
        message.status = [said]
        self._health.publish(message)

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        if (self.get_clock().ros_time_is_active and not self.get_clock().now().nanoseconds
                and now > max(self._began, self._clock_missed) + CLOCK_WAIT):
            self._clock_missed = now
            self.get_logger().error(
                f'use_sim_time is true, but nothing was heard on /clock for '
                f'{now - self._began:.0f} s: start what publishes it, or give the parameter '
                f'use_sim_time:=false')

    def _mismatch(self, made: Subscription | Publisher, topic: str) -> None:
        self._mismatched[made] = (topic, time.monotonic() + LOOKED_FOR)

    def _told(self, made: Subscription | Publisher, topic: str) -> bool:
        """Log who has another quality of service than `made`, and the cure; False: not known."""
        hears = isinstance(made, Subscription)
        others = (self.get_publishers_info_by_topic(topic) if hears else
                  self.get_subscriptions_info_by_topic(topic))
        found = []
        for info in others:
            pair = (info.qos_profile, made.qos_profile)
            verdict, why = qos_check_compatible(*(pair if hears else reversed(pair)))
            if verdict == QoSCompatibility.ERROR:
                found.append((named(info),
                              one_line(why).removeprefix('ERROR: ').rstrip(';')))
        for name, why in found:
            wanted = ' and '.join(policy.name.lower().replace('_', ' ') for policy in (
                made.qos_profile.reliability, made.qos_profile.durability))
            self.get_logger().warning(
                f'{topic}: {name} publishes it with another quality of service and is not heard; '
                f'{why}: make it {wanted}' if hears else
                f'{topic}: {name} subscribes to it with another quality of service and hears '
                f'nothing; {why}: let it ask for no more than {wanted}')
        return bool(found)


def _takes(callback: Callable, count: int) -> bool:
    """Return whether a callback can be called with `count` arguments."""
    try:
        inspect.signature(callback).bind(*range(count))
    except TypeError:
        return False
    return True


def _transition(change: Callable) -> Callable:
    """Return a lifecycle callback that reports an exception and brings the node to rest."""
    @wraps(change)
    def guarded(self, state) -> TransitionCallbackReturn:
        try:
            return change(self, state)
        except Exception as error:
            self.failed(change.__name__, error)
            return TransitionCallbackReturn.ERROR
    return guarded
