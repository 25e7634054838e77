# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Which processes stand behind the page; what they compute with is imported in them alone."""

from smallbot.page.behind.child import Line, Main
from smallbot.page.behind.choice import Chosen


def sides(without_ros: bool) -> dict[str, Main]:
    """Return what runs behind the page, by name."""
    return {'arm': simulated if without_ros else with_ros, 'laboratory': laboratory}


def simulated(line: Line, chosen: Chosen) -> None:
    """Run the arm's side without ROS."""
    from smallbot.page.behind import without_ros

    without_ros.main(line, chosen)


def with_ros(line: Line, chosen: Chosen) -> None:
    """Run the arm's side as a client of the nodes; without ROS where there are none."""
    try:
        from smallbot.page.behind import with_ros
    except ImportError:
        simulated(line, chosen)
        return
    if not with_ros.main(line, chosen):
        simulated(line, chosen)


def laboratory(line: Line, chosen: Chosen) -> None:
    """Run the laboratory."""
    from smallbot.page.behind import laboratory

    laboratory.main(line, chosen)
