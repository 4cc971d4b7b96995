"""The stages that an episode change passes through, one file each; `pipeline.py` gives their order."""
