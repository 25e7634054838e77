# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""An arm as the browser draws it: links with their shapes, joints, plane and reach, as JSON."""

import base64
from typing import Any

import numpy as np
import torch

from smallbot.arm.kinematics import Arm
from smallbot.arm.shapes import primitive_shapes, Shape
from smallbot.demonstration.drawing_plane import DrawingPlane

BONE = 0.045
"""Radius of the bones of an arm without primitive shapes, share of its longest one."""
BONE_COLOUR = (0.55, 0.6, 0.66)
MARGIN = 0.04
"""Share of the reach's longer side that is shown around it."""


def scene_of(arm: Arm) -> dict[str, Any]:
    """Return links and joints as docs/reference/page.md says; lengths in m."""
    description = arm.description
    shapes: dict[str, list[dict[str, Any]]] = {name: [] for name in description.links}
    found = primitive_shapes(arm.urdf)
    for shape in found:
        if shape.link in shapes:
            shapes[shape.link].append(_shape(shape))
    if not found:
        far = max((float(np.linalg.norm(joint.origin[:3, 3])) for joint in description.joints),
                  default=0.1)
        for joint in description.joints:
            to = joint.origin[:3, 3]
            if joint.parent in shapes and np.linalg.norm(to) > 1e-4:
                shapes[joint.parent].append({
                    'kind': 'bone', 'to': to.tolist(), 'radius': BONE * far,
                    'matrix': np.eye(4).ravel().tolist(), 'rgba': [*BONE_COLOUR, 1.0]})
    return {
        'root': arm.root, 'tip': arm.chain[-1].child,
        'links': [{'name': name, 'shapes': own} for name, own in shapes.items()],
        'joints': [{'name': joint.name, 'parent': joint.parent, 'child': joint.child,
                    'kind': joint.kind if joint.moves else 'fixed',
                    'matrix': joint.origin.ravel().tolist(), 'axis': list(map(float, joint.axis))}
                   for joint in description.joints]}


def plane_of(plane: DrawingPlane) -> dict[str, Any]:
    """Return `plane`, `reach` and `start` for the browser."""
    reach = plane.reach()
    rows, columns = reach.reached.shape
    home = plane.arm.tip(torch.as_tensor(plane.arm.home)[None]).numpy()
    flat = abs(plane.axes[1][2]) < 0.5
    return {
        'plane': {'across': 'right', 'up': 'away from the arm' if flat else 'up',
                  'u': [float(reach.low[0]), float(reach.high[0])],
                  'v': [float(reach.low[1]), float(reach.high[1])],
                  'origin': plane.origin.tolist(), 'e1': plane.axes[0].tolist(),
                  'e2': plane.axes[1].tolist()},
        'reach': {'columns': columns, 'rows': rows, 'data': packed(reach.reached)},
        'start': plane.on(home)[0].tolist()}


def packed(values: np.ndarray) -> str:
    """Return an array as the base64 of its bytes, a byte for each value of -128 to 255."""
    kind = np.int8 if np.issubdtype(values.dtype, np.signedinteger) else np.uint8
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def _shape(shape: Shape) -> dict[str, Any]:
    size = {'box': lambda: {'size': list(shape.size)},
            'cylinder': lambda: dict(zip(('radius', 'length'), shape.size)),
            'sphere': lambda: {'radius': shape.size[0]}}[shape.kind]()
    return {'kind': shape.kind, **size, 'matrix': shape.place.ravel().tolist(),
            'rgba': [*map(float, shape.colour), 1.0]}
