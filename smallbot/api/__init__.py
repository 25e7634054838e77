"""The Python API: what `import smallbot` offers, over the rooms that do the work.

Nothing is worked out here; everything is put together as the command does it. Begin with
`movements`.
"""
