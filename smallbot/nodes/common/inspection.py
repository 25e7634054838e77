# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Looks at the running ROS 2 graph for `smallbot doctor`."""

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState

from smallbot.arm.kinematics import default_arm
from smallbot.nodes.common.spin import onlooker

TOPICS = {
    # topic: type, must be latched, who publishes it
    'joint_states': ('sensor_msgs/msg/JointState', False,
                     'arm_simulator, or the driver of the arm'),
    'demonstration': ('trajectory_msgs/msg/JointTrajectory', True, 'demo_recorder'),
    'eligibility': ('std_msgs/msg/Float32MultiArray', True, 'snn_controller'),
    'weight_update': ('std_msgs/msg/Float32MultiArray', False, 'one_shot_learner'),
    'programmed': ('diagnostic_msgs/msg/DiagnosticStatus', True, 'snn_controller'),
    'velocity_controller/commands': ('std_msgs/msg/Float64MultiArray', False, 'snn_controller'),
}
SLOWEST, SLOW = 5.0, 50.0
"""Rates of joint states, Hz, below which the controller halts, and below which its reactions
suffer; the real ED-Scorbot says where it is 10 to 15 times a second."""


def inspect_graph(seconds: float) -> list[tuple[str, str, str]]:
    """Listen for `seconds`; returns findings as level, what, cure."""
    heard: list[JointState] = []
    with onlooker('smallbot_doctor') as looking:
        looking.node.create_subscription(
            JointState, 'joint_states', heard.append,
            QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT))
        looking.wait(seconds)
        findings = [finding for topic in TOPICS for finding in _topic(looking.node, topic)]
    if findings and all(level == 'info' for level, _, _ in findings):
        return [('info', 'no node of smallbot is running in this domain',
                 'ros2 launch smallbot one_shot_demo.launch.py')]
    return findings + _joint_states(heard, seconds)


def _topic(node: Node, topic: str) -> list[tuple[str, str, str]]:
    kind, latched, publisher = TOPICS[topic]
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return [('info', f'{topic}: nobody publishes', f'start {publisher}')]
    names = ', '.join(sorted({info.node_name for info in publishers}))
    for info in publishers:
        if info.topic_type != kind:
            return [('FAIL', f'{topic}: {info.node_name} publishes {info.topic_type}',
                     f'it must be {kind}: remap one of them')]
        if latched and info.qos_profile.durability != DurabilityPolicy.TRANSIENT_LOCAL:
            return [('FAIL', f'{topic}: {info.node_name} publishes it without transient local '
                             f'durability', 'nodes that start later hear nothing: set it')]
    if len(publishers) > 1 and topic != 'joint_states':
        return [('FAIL', f'{topic}: {len(publishers)} publishers ({names})',
                 'stop one of them, or give it a namespace')]
    return [('ok', f'{topic}: from {names}', '')]


def _joint_states(heard: list[JointState], seconds: float) -> list[tuple[str, str, str]]:
    if not heard:
        return []
    findings = []
    rate = len(heard) / seconds
    findings.append(('ok', f'joint_states: {rate:.0f} Hz', '') if rate >= SLOW else
                    ('FAIL' if rate < SLOWEST else 'info', f'joint_states: only {rate:.0f} Hz',
                     f'the controller wants at least {SLOW:.0f} Hz where the arm can'))
    missing = set(default_arm().driven) - set(heard[-1].name)
    findings.append(('FAIL', f'joint_states: no joint {", ".join(sorted(missing))} among '
                             f'{", ".join(heard[-1].name)}',
                     'rename the joints, or use the model and URDF of your arm') if missing else
                    ('ok', f'joint_states: joints {", ".join(heard[-1].name)}', ''))
    return findings
