# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The arm itself: the primitive shapes of its URDF at some moments, or moving.

Needs no OpenGL. Meshes are not drawn; where a link has nothing else, the skeleton shows.
"""

from collections.abc import Callable, Sequence
import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import proj3d
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
import numpy as np
from PIL import Image

from smallbot.arm.kinematics import Arm
from smallbot.arm.shapes import primitive_shapes, Shape
from smallbot.arm.workspace import workspace
from smallbot.files.writing import write_atomically
from smallbot.one_shot.families import start_pose
from smallbot.plots.common.saving import save_figure
from smallbot.plots.common.style import COLOURS, DASHES, GREEN, INK, MUTED, put_title, styled
from smallbot.plots.common.view import widest_view
from smallbot.study.reproduction import Reproduction

PATCH = 0.06
"""Longest edge of a patch of a surface, m: smaller ones hide one another more truly."""
SIDES = 20
"""Sides of a drawn cylinder."""
LIGHT = np.array([0.45, -0.4, 0.8])
MOMENTS = (0.0, 0.35, 0.7, 1.0)
"""Parts of the playback at which a still shows the arm, the last one in full colour."""
FRAMES, PER_SECOND = 70, 25
"""Of a film's playback."""
FILM, FILM_DPI = (6.4, 4.8), 100
"""Size, inches, and dots of an inch."""
PALETTE = 96
"""Colours of a film."""
NEARLY_WHITE = 244
BREATH, PAUSE = 700, 2600
"""How long the end of the showing, and that of the film, stand still, ms."""
ROOM = ((0.03, 0.03), (0.97, 0.86))
"""Of the arm: left and bottom, right and top, shares of a figure."""
ELEVATION, ASIDE = 16, 34
"""From where an arm is looked at, degrees: above the ground, and aside of the path's view."""


@styled
def draw_arm(result: Reproduction, arm: Arm, path: Path, frames: int = FRAMES,
             drawn: Callable[[int], None] = lambda count: None) -> None:
    """Draw a reproduction on its arm: at four moments, or, where `path` ends in .gif, moving.

    A film has `frames` of the playback, after half as many of the showing; `drawn` is called with
    the number of pictures that were drawn.
    """
    film = path.suffix == '.gif'
    figure = Figure(figsize=FILM if film else (8.4, 6.3))
    stage = _Stage(figure, result, arm)
    positions = result.position['arm']
    if film:
        _write_film(stage, result, path, frames, drawn)
        return
    stage.draw_path('demonstrated')
    stage.draw_path('arm')
    for part in MOMENTS:
        stage.draw_arm(positions[round(part * (len(positions) - 1))], 0.1 if part < 1 else 1.0)
    stage.say(*_result_words(result))
    save_figure(figure, path)
    drawn(1)


class _Stage:
    """The room that an arm moves in: its ground, paths, the arm, and words in a corner."""

    def __init__(self, figure: Figure, result: Reproduction, arm: Arm):
        self.figure, self._tip, self._arm = figure, result.tip, arm
        self._shapes = faces_of(arm.urdf)
        self.axis = figure.add_axes((0, 0, 1, 1), projection='3d', computed_zorder=False,
                                    facecolor='none')
        self.axis.set_axis_off()
        points = np.concatenate([_corners(self._shapes, arm, row)
                                 for row in result.position['arm'][::25]]
                                + [self._tip['demonstrated'], self._tip['arm']])
        _frame(self.axis, points)
        self.axis.view_init(elev=ELEVATION, azim=_azimuth(self._tip['demonstrated']))
        ground = self._draw_ground(points)
        self._fit(np.concatenate([points, ground]))
        height = figure.get_figheight()
        self._words = [figure.text(0.035, 1 - at / height, '', fontsize=size, color=colour,
                                   weight=weight, va='center', parse_math=False)
                       for at, size, colour, weight in (
                           (0.32, 13, INK, 'bold'), (0.62, 10.5, MUTED, 'normal'))]

    def say(self, first: str, second: str, colour: str = INK, size: float = 13) -> None:
        """Put words into the corner in place of those there."""
        self._words[0].set(text=first, color=colour, fontsize=size)
        self._words[1].set_text(second)

    def draw_path(self, key: str, share: float = 1.0) -> list:
        """Add the first `share` of a path; returns what was added."""
        path = self._tip[key]
        return self.axis.plot(*path[:max(2, round(share * len(path)))].T,
                              color=COLOURS['after' if key == 'arm' else key], lw=2.4, zorder=3,
                              ls=DASHES.get(key, '-'))

    def draw_arm(self, position: np.ndarray, opacity: float) -> list:
        """Add the arm in one pose; returns what was added."""
        return _add(self.axis, self._shapes, self._arm, position, opacity)

    def _draw_ground(self, points: np.ndarray) -> np.ndarray:
        """Add a grid on which the arm stands; returns its lines' ends [P, 3]."""
        (left, back), (right, front) = (points.min(0)[:2], points.max(0)[:2])
        level = min(points[:, 2].min(), 0.0)
        step = 0.1 if max(right - left, front - back) < 1 else 0.25
        across, along = (np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
                         for low, high in ((left, right), (back, front)))
        lines = [[(x, along[0], level), (x, along[-1], level)] for x in across]
        lines += [[(across[0], y, level), (across[-1], y, level)] for y in along]
        self.axis.add_collection3d(Line3DCollection(lines, colors=['#dfe3e6'], linewidths=0.8,
                                                    zorder=0))
        return np.array(lines).reshape(-1, 3)

    def _fit(self, points: np.ndarray) -> None:
        """Make all `points` [P, 3] fill what the words leave of the figure."""
        across, up, _ = proj3d.proj_transform(*points.T, self.axis.get_proj())
        seen = self.axis.transAxes.inverted().transform(
            self.axis.transData.transform(np.column_stack([across, up])))
        low, high = seen.min(0), seen.max(0)
        room = np.array(ROOM[1]) - ROOM[0]
        scale = (room / (high - low)).min()
        left, bottom = np.array(ROOM[0]) + room / 2 - scale * (low + high) / 2
        self.axis.set_position((left, bottom, scale, scale))


def _azimuth(path: np.ndarray) -> float:
    """Return from where a path is looked at, degrees: a little to the side of its plane's view."""
    sight = np.cross(*(lambda view: (view.up, view.across))(widest_view(path)))
    if abs(sight[2]) > 0.9:  # lies flat: any side does
        return 215.0
    return float(np.degrees(np.arctan2(-sight[1], -sight[0]))) + ASIDE


def _result_words(result: Reproduction) -> tuple[str, str]:
    report = result.report
    return (f'{report["arm_tip_rmse_cm"]:.1f} cm off, after one update',
            f'dashed: {report["demonstration"]["shown"]}, as shown; line: {report["arm"]} arm')


def _write_film(stage: _Stage, result: Reproduction, path: Path, frames: int,
                drawn: Callable[[int], None]) -> None:
    """Write the arm being shown the movement, then playing it, as a GIF that begins again."""
    canvas = FigureCanvasAgg(stage.figure)
    pictures: list[Image.Image] = []
    canvas.figure.set_dpi(FILM_DPI)

    def take(*added: list) -> None:
        canvas.draw()
        pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert('RGB'))
        for part in (one for parts in added for one in parts):
            part.remove()
        drawn(len(pictures))

    shows = max(2, frames // 2)
    for key, count, words in (
            ('demonstrated', shows, ('shown once', 'the movement to be learned')),
            ('arm', frames, ('played', 'after one update, driven by a clock alone'))):
        stage.say(*words)
        positions = result.position[key]
        for share in np.linspace(0, 1, count):
            row = positions[round(share * (len(positions) - 1))]
            take(stage.draw_path(key, share), stage.draw_arm(row, 1.0))
        stage.draw_path(key)
    stage.say(f'{result.report["arm_tip_rmse_cm"]:.1f} cm off', 'after one update',
              COLOURS['after'], 26)
    take(stage.draw_arm(result.position['arm'][-1], 1.0))
    # One palette for all, of the first and the last picture, which have every colour: what stands
    # still is equal from picture to picture, and takes no place.
    both = Image.fromarray(np.concatenate([np.asarray(pictures[k]) for k in (0, -1)]))
    palette = both.quantize(PALETTE, Image.Quantize.MEDIANCUT)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[colours.min(1) > NEARLY_WHITE] = 255  # which was mixed with what borders on it
    palette.putpalette(colours.ravel().tolist())
    quantised = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    durations = [1000 // PER_SECOND] * len(pictures)
    durations[shows - 1] = BREATH
    durations[-1] = PAUSE
    content = io.BytesIO()
    quantised[0].save(content, 'GIF', save_all=True, append_images=quantised[1:],
                      duration=durations, loop=0, optimize=False)
    write_atomically(path, content.getvalue())


def pictures_of(path: Path, frames: int = FRAMES) -> int:
    """Return how many pictures `draw_arm` draws into a file of such a name."""
    return max(2, frames // 2) + frames + 1 if path.suffix == '.gif' else 1


@styled
def draw_description(arm: Arm, path: Path) -> None:
    """Draw an arm where movements begin, faintly at some other poses, and where its tip can be."""
    figure = Figure(figsize=(7, 6.8))
    axis = figure.add_axes((0.01, 0.03, 0.93, 0.93), projection='3d', computed_zorder=False)
    shapes, home = faces_of(arm.urdf), start_pose(arm)
    tips = workspace(arm).tips
    axis.scatter(*tips[::2].T, s=2, color=GREEN, alpha=0.3, zorder=1,
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
        axis.text(*at, f' {", ".join(names)} ', fontsize=8, zorder=6, parse_math=False,
                  bbox={'facecolor': 'white', 'alpha': 0.75, 'lw': 0, 'pad': 0.5})
    tip = frames[arm.chain[-1].child][:3, 3]
    axis.scatter(*tip, s=40, color=COLOURS['after'], zorder=5, label=arm.chain[-1].child)
    figure.legend(loc='upper right', markerscale=1.5)
    put_title(figure, arm.name, 'where movements begin; pale: at other poses')
    _frame(axis, np.concatenate([_corners(shapes, arm, home), tips]))
    save_figure(figure, path)


def faces_of(urdf: str) -> list[tuple[str, np.ndarray, tuple[float, ...]]]:
    """Return link, quadrilaterals [F, 4, 3] in its frame, m, and colour of every primitive shape.

    Spheres are drawn as cubes.
    """
    return [(shape.link, _moved(shape.place, _faces(shape)), to_rgb(shape.colour))
            for shape in primitive_shapes(urdf)]


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


def _faces(shape: Shape) -> np.ndarray:
    """Return a shape as quadrilaterals [F, 4, 3] about its middle."""
    if shape.kind == 'cylinder':
        return _cylinder(*shape.size)
    return _box(shape.size if shape.kind == 'box' else [2 * shape.size[0]] * 3)


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
