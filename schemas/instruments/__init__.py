"""The instruments, defined by TOML files, and their scoring. No wording of items is shipped."""
