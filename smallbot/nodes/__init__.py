"""ROS 2 shells: messages, parameters, time. The only room that imports rclpy."""
