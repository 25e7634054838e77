# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What a robot looks like: the primitive shapes of its URDF. Meshes are left out."""

from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from smallbot.arm.description import transform_of

PLAIN = (0.6, 0.62, 0.66)
"""Colour of a shape whose URDF says none."""
PRIMITIVE = ('box', 'cylinder', 'sphere')


@dataclass(frozen=True)
class Shape:
    """A primitive shape that is fixed to a link."""

    link: str
    kind: str
    """One of `PRIMITIVE`; a cylinder stands along z."""
    size: tuple[float, ...]
    """m: of a box its three sides, of a cylinder radius and length, of a sphere its radius."""
    place: np.ndarray
    """[4, 4], of its middle in the link's frame."""
    colour: tuple[float, ...]
    """Red, green and blue, 0 to 1."""


def primitive_shapes(urdf: str) -> list[Shape]:
    """Return the shapes in the text of a URDF, in its order.

    Raises ValueError where a number is none.
    """
    root = ElementTree.fromstring(urdf)
    named = {material.get('name'): _colour(material) for material in root.findall('material')}
    shapes = []
    for link in root.findall('link'):
        for visual in link.findall('visual'):
            geometry, origin = visual.find('geometry'), visual.find('origin')
            primitive = None if geometry is None or not len(geometry) else geometry[0]
            if primitive is None or primitive.tag not in PRIMITIVE:
                continue
            place = np.eye(4) if origin is None else transform_of(
                three(origin, 'xyz'), three(origin, 'rpy'))
            material = visual.find('material')
            colour = None if material is None else (_colour(material)
                                                    or named.get(material.get('name')))
            shapes.append(Shape(link.get('name', ''), primitive.tag, _size(primitive), place,
                                colour or PLAIN))
    return shapes


def three(element: ElementTree.Element, attribute: str) -> list[float]:
    """Return three numbers of an attribute, zeros where there is none."""
    return [float(number) for number in element.get(attribute, '0 0 0').split()]


def _size(primitive: ElementTree.Element) -> tuple[float, ...]:
    if primitive.tag == 'box':
        return tuple(three(primitive, 'size'))
    names = ('radius', 'length') if primitive.tag == 'cylinder' else ('radius',)
    return tuple(float(primitive.get(name, '0')) for name in names)


def _colour(material: ElementTree.Element) -> tuple[float, ...] | None:
    colour = material.find('color')
    if colour is None:
        return None
    return tuple(float(part) for part in colour.get('rgba', '0.6 0.6 0.6 1').split()[:3])
