"""The arm itself: the primitive shapes of its URDF at some moments, or moving.

Needs no OpenGL. Meshes are not drawn; where a link has nothing else, the skeleton shows.
"""

from collections.abc import Sequence
import io
from pathlib import Path
from xml.etree import ElementTree

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
import numpy as np
from PIL import Image

from smallbot.arm.description import transform_of
from smallbot.arm.kinematics import Arm
from smallbot.arm.workspace import workspace
from smallbot.files.writing import write_atomically
from smallbot.one_shot.families import start_pose
from smallbot.plots.report import COLOURS, LABELS
from smallbot.plots.saving import save_figure
from smallbot.study.reproduction import Reproduction

PATCH = 0.06
"""Longest edge of a patch of a surface, m: smaller ones hide one another more truly."""
SIDES = 20
"""Sides of a drawn cylinder."""
LIGHT = np.array([0.45, -0.4, 0.8])
MOMENTS = (0.0, 0.35, 0.7, 1.0)
"""Parts of the playback at which a still shows the arm, the last one in full colour."""
FRAMES, PER_SECOND = 75, 25
"""Of a film."""
PLAIN = (0.6, 0.62, 0.66)


def draw_arm(result: Reproduction, arm: Arm, path: Path, frames: int = FRAMES) -> None:
    """Draw a reproduction on its arm: at four moments, or, where `path` ends in .gif, moving."""
    figure = Figure(figsize=(8.4, 7.2), layout='constrained')
    axis = figure.add_subplot(projection='3d', computed_zorder=False)
    shapes = primitive_shapes(arm.urdf)
    for key in ('demonstrated', 'arm'):
        axis.plot(*result.tip[key].T, color=COLOURS[key], lw=2.2, zorder=3,
                  ls='--' if key == 'demonstrated' else '-', label=f'tool tip, {LABELS[key]}')
    axis.legend(loc='upper left', frameon=False)
    positions = result.position['arm']
    _frame(axis, np.concatenate([_corners(shapes, arm, row) for row in positions[::25]]
                                + [result.tip['demonstrated']]))
    error = result.report['arm_tip_rmse_cm']
    axis.set_title(f'{result.report["demonstration"]["shown"]} on the '
                   f'{result.report["arm"]} arm: tool tip {error:.1f} cm off')
    if path.suffix == '.gif':
        film(figure, axis, shapes, arm, positions, path, frames)
        return
    for part in MOMENTS:
        row = positions[round(part * (len(positions) - 1))]
        _add(axis, shapes, arm, row, 0.12 if part < 1 else 1.0)
    save_figure(figure, path, 110)


def draw_description(arm: Arm, path: Path) -> None:
    """Draw an arm where movements begin, faintly at some other poses, and where its tip can be."""
    figure = Figure(figsize=(7.6, 7.2), layout='constrained')
    axis = figure.add_subplot(projection='3d', computed_zorder=False)
    shapes, home = primitive_shapes(arm.urdf), start_pose(arm)
    tips = workspace(arm).tips
    axis.scatter(*tips[::2].T, s=1.5, color=COLOURS['demonstrated'], alpha=0.25, zorder=1,
                 label='where the tool tip can be')
    low, high = (np.nan_to_num(limit, posinf=np.pi, neginf=-np.pi)
                 for limit in (arm.limits.lower, arm.limits.upper))
    for share in (0.25, 0.75):
        _add(axis, shapes, arm, low + share * (high - low), 0.12)
    _add(axis, shapes, arm, home, 1.0)
    frames = arm.frames(home)
    if shapes:
        _skeleton(axis, arm, frames, 0.6)
    labels: dict[tuple[float, ...], list[str]] = {}
    for name in arm.driven:
        at = frames[arm.description.joint(name).child][:3, 3]
        labels.setdefault(tuple(at.round(3).tolist()), []).append(name)
    for at, names in labels.items():
        axis.text(*at, f'  {", ".join(names)}', fontsize=8, zorder=6)
    tip = frames[arm.chain[-1].child][:3, 3]
    axis.scatter(*tip, s=40, color=COLOURS['after'], zorder=5, label=arm.chain[-1].child)
    axis.legend(loc='upper left', frameon=False)
    axis.set_title(f'{arm.name} where movements begin')
    _frame(axis, np.concatenate([_corners(shapes, arm, home), tips]))
    save_figure(figure, path, 110)


def film(figure: Figure, axis, shapes, arm: Arm, positions: np.ndarray, path: Path,
         frames: int) -> None:
    """Write the arm moving through `positions` [T, J] as a GIF."""
    pictures = []
    for number in range(frames):
        row = positions[round(number / (frames - 1) * (len(positions) - 1))]
        shown = _add(axis, shapes, arm, row, 1.0)
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=80, format='png')
        pictures.append(Image.open(drawn).convert('RGB'))
        for part in shown:
            part.remove()
    content = io.BytesIO()
    pictures[0].save(content, 'GIF', save_all=True, append_images=pictures[1:],
                     duration=1000 // PER_SECOND, loop=0)
    write_atomically(path, content.getvalue())


def primitive_shapes(urdf: str) -> list[tuple[str, np.ndarray, tuple[float, ...]]]:
    """Return link, quadrilaterals [F, 4, 3] in its frame, m, and colour of every primitive shape.

    Spheres are drawn as cubes; meshes are left out.
    """
    root = ElementTree.fromstring(urdf)
    colours = {material.get('name'): _colour(material) for material in root.findall('material')}
    shapes = []
    for link in root.findall('link'):
        for visual in link.findall('visual'):
            faces = _faces(visual.find('geometry'))
            if faces is None:
                continue
            origin, material = visual.find('origin'), visual.find('material')
            if origin is not None:
                faces = _moved(transform_of(_three(origin, 'xyz'), _three(origin, 'rpy')), faces)
            colour = PLAIN
            if material is not None:
                colour = _colour(material) or colours.get(material.get('name')) or PLAIN
            shapes.append((link.get('name'), faces, colour))
    return shapes


def _add(axis, shapes, arm: Arm, position: np.ndarray, opacity: float) -> list:
    """Add the arm in one pose; returns what was added."""
    frames = arm.frames(position)
    if not shapes:
        return [_skeleton(axis, arm, frames, opacity)]
    faces = np.concatenate([_moved(frames[link], quads) for link, quads, _ in shapes])
    colours = np.concatenate([np.tile(colour, (len(quads), 1)) for _, quads, colour in shapes])
    normal = np.cross(faces[:, 1] - faces[:, 0], faces[:, 3] - faces[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-12)
    lit = 0.62 + 0.38 * np.abs(normal @ (LIGHT / np.linalg.norm(LIGHT)))
    colours = np.column_stack([colours * lit[:, None], np.full(len(faces), opacity)])
    # Edges in the colour of the face close the seams; on a transparent one they would show.
    edges = colours if opacity == 1 else 'none'
    added = Poly3DCollection(faces, facecolors=colours, edgecolors=edges, linewidths=0.4, zorder=2)
    return [axis.add_collection3d(added)]


def _skeleton(axis, arm: Arm, frames: dict[str, np.ndarray], opacity: float):
    """Add a line for each link, from joint to joint."""
    bones = [(frames[joint.parent][:3, 3], frames[joint.child][:3, 3])
             for joint in arm.description.joints
             if joint.parent in frames and joint.child in frames]
    return axis.add_collection3d(Line3DCollection(
        bones, colors=[COLOURS['arm']], linewidths=4, alpha=opacity, capstyle='round'))


def _frame(axis, points: np.ndarray) -> None:
    """Show all `points` [P, 3] at the same scale in all directions."""
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2, 0.5 * (high - low).max()
    axis.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half),
             zlim=(low[2], low[2] + 2 * half), xlabel='x, m', ylabel='y, m', zlabel='z, m')
    axis.set_box_aspect((1, 1, 1))
    axis.view_init(elev=22, azim=-38)


def _corners(shapes, arm: Arm, position: np.ndarray) -> np.ndarray:
    frames = arm.frames(position)
    return np.concatenate([np.array([frame[:3, 3] for frame in frames.values()])]
                          + [_moved(frames[link], quads).reshape(-1, 3)
                             for link, quads, _ in shapes])


def _moved(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ transform[:3, :3].T + transform[:3, 3]


def _three(element: ElementTree.Element, attribute: str) -> list[float]:
    return [float(x) for x in element.get(attribute, '0 0 0').split()]


def _colour(material: ElementTree.Element) -> tuple[float, ...] | None:
    colour = material.find('color')
    if colour is None:
        return None
    return to_rgb([float(x) for x in colour.get('rgba', '0.6 0.6 0.6 1').split()[:3]])


def _faces(geometry: ElementTree.Element | None) -> np.ndarray | None:
    """Return a primitive shape as quadrilaterals [F, 4, 3] about its middle; None: it is none."""
    shape = None if geometry is None or not len(geometry) else geometry[0]
    if shape is None or shape.tag not in ('box', 'cylinder', 'sphere'):
        return None
    if shape.tag == 'cylinder':
        return _cylinder(float(shape.get('radius')), float(shape.get('length')))
    return _box(_three(shape, 'size') if shape.tag == 'box'
                else [2 * float(shape.get('radius'))] * 3)


def _box(size: Sequence[float]) -> np.ndarray:
    faces = []
    for axis in range(3):
        across, up = (axis + 1) % 3, (axis + 2) % 3
        for side in (-0.5, 0.5):
            u, v = (np.linspace(-0.5, 0.5, 2 + int(size[k] / PATCH)) * size[k]
                    for k in (across, up))
            corner = np.zeros((len(u) - 1, len(v) - 1, 4, 3))
            corner[..., axis] = side * size[axis]
            for number, (i, j) in enumerate(((0, 0), (1, 0), (1, 1), (0, 1))):
                corner[..., number, across] = u[i:len(u) - 1 + i, None]
                corner[..., number, up] = v[None, j:len(v) - 1 + j]
            faces.append(corner.reshape(-1, 4, 3))
    return np.concatenate(faces)


def _cylinder(radius: float, length: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, SIDES + 1)
    rim = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    heights = np.linspace(-0.5, 0.5, 2 + int(length / PATCH)) * length
    faces = [[[*rim[k], low], [*rim[k + 1], low], [*rim[k + 1], high], [*rim[k], high]]
             for low, high in zip(heights, heights[1:]) for k in range(SIDES)]
    faces += [[[0, 0, z], [*rim[k], z], [*rim[k + 1], z], [0, 0, z]]
              for z in heights[[0, -1]] for k in range(SIDES)]
    return np.array(faces)
