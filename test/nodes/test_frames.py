# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Frames of an arm without robot_state_publisher: complete, where the tool tip is, or missed."""

import time

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
import torch

from smallbot.nodes.common.frames import transforms
from smallbot.one_shot.model import arm_of, load_model

from .conftest import EVERYTHING, LATCHED


def where(frames, link, root):
    """Return the place of a link [3], m, in `root`."""
    above = {one.child_frame_id: one for one in frames}
    point = np.zeros(3)
    while link != root:
        one = above[link]
        turn, shift = one.transform.rotation, one.transform.translation
        point = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).apply(point) + [
            shift.x, shift.y, shift.z]
        link = one.header.frame_id
    return point


@pytest.mark.parametrize('model', ['ed_scorbot', 'hobby_arm', 'ur5e'])
def test_frames_are_complete_from_the_driven_joints_alone_and_end_at_the_tool_tip(model):
    config = load_model(model).config
    arm = arm_of(config)
    for seed in range(5):
        at = np.random.default_rng(seed).uniform(arm.limits.lower, arm.limits.upper)
        named = dict(zip(arm.driven, at))
        frames = [*transforms(arm, {}, False, Time()), *transforms(arm, named, True, Time(sec=3))]
        assert len({one.child_frame_id for one in frames}) == len(frames)
        assert {joint.child for joint in arm.description.joints} == {
            one.child_frame_id for one in frames}
        tip = arm.tip(torch.as_tensor(at)).numpy()
        np.testing.assert_allclose(where(frames, config.arm.tip, arm.root), tip, atol=1e-9)


def test_without_tf2_msgs_it_is_said_that_nobody_publishes_them(bench):
    try:
        import tf2_msgs  # noqa: F401
        pytest.skip('tf2_msgs is here')
    except ImportError:
        pass
    process = bench.start('trajectory_display')
    probe = bench.probe()
    probe.wait(lambda: "nobody publishes the arm's frames" in process.said, 'a word of tf', 15.0)
    assert 'robot_state_publisher:=true' in process.said and 'tf2_msgs' in process.said


def test_beside_a_description_nothing_is_said(bench):
    urdf = bench.folder / 'described.urdf'
    urdf.write_text(arm_of(load_model('ed_scorbot').config).urdf)
    bench.start('state_publisher.py', urdf=str(urdf))
    process = bench.start('trajectory_display')
    probe = bench.probe()
    began = []
    probe.wait(lambda: probe.node.count_publishers(
        probe.node.resolve_topic_name('demonstrated_path')) or None, 'the display')
    began.append(time.monotonic())
    probe.wait(lambda: time.monotonic() > began[0] + 4.5, 'longer than it is waited for')
    assert "arm's frames" not in process.said


def test_with_tf2_msgs_they_are_published_until_somebody_else_does(bench):
    tf2 = pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs is not among the packages of PyPI')
    bench.start('arm_simulator')
    bench.start('trajectory_display')
    probe = bench.probe()
    probe.listen(tf2.TFMessage, 'tf', EVERYTHING)
    probe.listen(tf2.TFMessage, 'tf_static', LATCHED)
    probe.wait(lambda: probe.heard['tf'] and probe.heard['tf_static'], 'frames')
    frames = [*probe.heard['tf_static'][-1].transforms, *probe.heard['tf'][-1].transforms]
    arm = arm_of(load_model('ed_scorbot').config)
    assert np.isfinite(where(frames, 'tool_tip', arm.root)).all()
