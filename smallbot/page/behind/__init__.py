"""The processes behind the page: the arm's side, with ROS or without, and the laboratory.

They compute, and know nothing of browsers.
"""
