"""What the nodes share: messages and QoS, guards, parameters, executors, an arm's controllers, the graph.

For `nodes` alone. Begin with `messages` and `guarded`.
"""
