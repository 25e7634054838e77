"""What the nodes share: messages and QoS, parameters, executors, an arm's controllers, the graph.

For `nodes` alone. Begin with `messages`.
"""
