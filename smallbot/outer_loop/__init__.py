"""Meta-training: the outer loop that makes the models which `one_shot` runs.

For `study` and the command. Begin with `run.MetaTraining`.
"""
