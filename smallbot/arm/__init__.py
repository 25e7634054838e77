"""Arms without ROS: kinematics, limits and safety, demonstrations, simulated arms."""
