# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Arms that nobody has, drawn at random.

Two to seven driven joints, revolute, prismatic and continuous, mimics on the way, limits anywhere,
joints that are not driven, a gripper beside the tip.
"""

import math

import numpy as np


def random_urdf(number):
    """Return the text of a URDF, the joints to drive and the link that is the tip."""
    random = np.random.default_rng(number)
    count = 2 + number % 6
    kinds, links, joints, driven, name = [], ['base'], [], [], 'base'

    def some(low, high):
        return ' '.join(f'{x:.6f}' for x in random.uniform(low, high, 3))

    def direction():  # of length one: yourdfpy slides along it as it is
        axis = random.normal(size=3)
        return ' '.join(repr(float(x)) for x in axis / np.linalg.norm(axis))

    def limit(kind):
        if kind == 'continuous':
            return f'<limit velocity="{random.uniform(0.2, 4):.4f}" effort="1"/>'
        width = random.uniform(0.05, 0.6) if kind == 'prismatic' else random.uniform(0.3, 5)
        low = random.uniform(-1.3, 0.3) * width if random.random() < 0.7 else (
            random.uniform(-math.pi, math.pi))
        return (f'<limit lower="{low:.6f}" upper="{low + width:.6f}" '
                f'velocity="{random.uniform(0.05, 4):.4f}" effort="1"/>')

    def add(joint, kind, inside=''):
        nonlocal name
        child = f'after_{joint}'
        joints.append(
            f'<joint name="{joint}" type="{kind}"><parent link="{name}"/><child link="{child}"/>'
            f'<origin xyz="{some(-0.3, 0.3)}" rpy="{some(-math.pi, math.pi)}"/>'
            f'<axis xyz="{direction()}"/>{inside}</joint>')
        links.append(child)
        name = child

    while len(driven) < count:
        chance = random.random()
        joint = f'j{len(joints)}'
        if chance < 0.15:
            add(joint, 'fixed')
        elif chance < 0.3:
            kind = str(random.choice(['revolute', 'prismatic']))
            add(joint, kind, limit(kind))  # is not driven
        elif chance < 0.45 and driven:
            kind, leader = kinds[-1]
            factor = random.choice([-1.0, 0.5, 1.7])
            add(joint, kind, f'<mimic joint="{leader}" multiplier="{factor}" '
                             f'offset="{random.uniform(-0.5, 0.5):.4f}"/>'
                             '<limit velocity="9" effort="1"/>')
        else:
            kind = str(random.choice(['revolute', 'revolute', 'prismatic', 'continuous']))
            add(joint, kind, limit(kind))
            driven.append(joint)
            kinds.append((kind, joint))
    last = name
    add('finger', 'prismatic', limit('prismatic'))
    name = last
    add('tip_joint', 'fixed')
    text = '\n'.join([f'<robot name="arm {number}">', *(f'<link name="{x}"/>' for x in links),
                      *joints, '</robot>'])
    return text, tuple(random.permutation(driven).tolist()), name
