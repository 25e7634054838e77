"""The picture of one demonstration: velocities, tool-tip path, spikes."""

from pathlib import Path

from matplotlib.figure import Figure

from smallbot.plots.saving import save_figure
from smallbot.study.reproduction import Reproduction

COLOURS = {'demonstrated': '#222222', 'before': '#b0b4ba', 'after': '#d1495b', 'arm': '#00798c'}
LABELS = {'demonstrated': 'demonstrated', 'before': 'before the update',
          'after': 'after one update', 'arm': 'arm'}


def draw_report(result: Reproduction, path: Path) -> None:
    """Draw a reproduction into a PNG file."""
    figure = Figure(figsize=(13, 8), layout='constrained')
    left, right = figure.subfigures(1, 2, width_ratios=[1.25, 1])
    joints = len(result.joints)
    axes = left.subplots(joints + 2, 1, sharex=True,
                         gridspec_kw={'height_ratios': [2] * joints + [1.6, 1.6]})
    for axis, joint, number in zip(axes, result.joints, range(joints)):
        for key in ('before', 'arm', 'after', 'demonstrated'):
            axis.plot(result.time, result.velocity[key][:, number], color=COLOURS[key],
                      lw=1.4 if key != 'arm' else 2.4, alpha=0.55 if key == 'arm' else 1.0,
                      label=LABELS[key], ls='--' if key == 'demonstrated' else '-')
        axis.set_ylabel(f'{joint}, rad/s')
        axis.grid(alpha=0.25)
    axes[0].legend(ncols=4, loc='lower center', bbox_to_anchor=(0.5, 1.0), frameon=False)
    step = result.time[0]
    for axis, key in zip(axes[joints:], ('before', 'after')):
        spikes = result.spikes[key]
        axis.scatter((spikes[:, 0] + 1) * step, spikes[:, 1], s=1.2, color=COLOURS[key]
                     if key == 'after' else '#6c757d', linewidths=0)
        axis.set_ylabel(f'neuron\n({key})')
        axis.set_ylim(-2, max(1, int(spikes[:, 1].max(initial=1))) + 2)
    axes[-1].set_xlabel('time of the playback, s')
    axes[-1].set_xlim(0, result.time[-1])

    _draw_tip(right, result)
    report = result.report
    error, cells = report['tip_rmse_cm'], report['cells_written']
    figure.suptitle(
        f'{report["demonstration"]["shown"]}: tool tip '
        f'{error["before"]["mean"]:.1f} cm off before, {error["after"]["mean"]:.1f} cm after one '
        f'update of {100 * cells["fraction"]:.0f} % of the cells ({report["synapses"]}); '
        f'{"emulated " if report.get("emulated") else ""}{report["arm"]} arm '
        f'{report["arm_tip_rmse_cm"]:.1f} cm', fontsize=11)
    save_figure(figure, path, 110)


def _draw_tip(panel, result: Reproduction) -> None:
    """Draw the tool tip as seen from behind the arm: sideways and upwards, then from above."""
    front, above = panel.subplots(2, 1, gridspec_kw={'height_ratios': [1.3, 1]})
    views = ((front, 1, 2, 'seen from the base', 'left - right (y), m', 'height (z), m'),
             (above, 1, 0, 'seen from above', 'left - right (y), m', 'reach (x), m'))
    for axis, across, up, title, across_label, up_label in views:
        for key in ('before', 'arm', 'after', 'demonstrated'):
            path = result.tip[key]
            axis.plot(path[:, across], path[:, up], color=COLOURS[key],
                      lw=1.6 if key != 'arm' else 2.8, alpha=0.55 if key == 'arm' else 1.0,
                      ls='--' if key == 'demonstrated' else '-')
        start = result.tip['demonstrated'][0]
        axis.plot(start[across], start[up], 'o', color=COLOURS['demonstrated'], ms=5)
        axis.annotate('start', (start[across], start[up]), xytext=(6, 6),
                      textcoords='offset points', fontsize=8)
        axis.set_aspect('equal', adjustable='datalim')
        axis.invert_xaxis()
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(across_label)
        axis.set_ylabel(up_label)
        axis.grid(alpha=0.25)
