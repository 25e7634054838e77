"""Few-shot images on the chip: new classes of pictures told apart from a few examples of each.

For every room above; it needs no robot and no ROS. Begin with `characters.read_characters` and
`tasks.draw_tasks`.
"""
