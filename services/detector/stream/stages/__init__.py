"""The stages that a batch passes through, one file each; `pipeline.py` gives their order."""
