"""One HTML file of a run, to be mailed: what was shown, what came of it, with what it was made.

Reads what verbs leave in a folder and computes nothing. Begin with `page`.
"""
