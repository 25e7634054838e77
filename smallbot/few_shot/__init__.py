"""Few-shot images on the chip: new characters told apart after one or a few examples of each.

The second experiment of the paper, beside the robot's in `one_shot`; it needs no ROS. One's own
pictures come in through `pictures`.
"""
