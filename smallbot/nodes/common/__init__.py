"""What the nodes share: messages, guards, parameters, executors, an arm's controllers, the graph.

For `nodes` alone. Begin with `messages` and `guarded`.
"""
