"""The verbs of the few-shot images: `smallbot few-shot` and its parts."""
