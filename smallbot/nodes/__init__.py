"""ROS 2 shells: messages, parameters, time. The only room that imports rclpy.

For the command and for launch files. Begin with `snn_controller`.
"""
