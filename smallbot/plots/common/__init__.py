"""What all figures have in common: their style, the view of a path, sheets, files.

Nothing here knows what is drawn. Begin with `style`.
"""
