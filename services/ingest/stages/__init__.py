"""The stages that a request passes through, one file each; `pipeline.py` gives their order."""
