"""Takes keys, and tenants' grants, out of the file of keys; running services refuse them within seconds."""

from pathlib import Path

from services.runtime.http.key_file import ApiKey, changing_keys, index_of


def revoke_key(path: Path, key_id: str) -> ApiKey:
    """Delete a key, and return it.

    Raises:
        KeyError: there is no such key.
    """
    with changing_keys(path) as keys:
        return keys.pop(index_of(keys, key_id))


def remove_tenant(path: Path, tenant: str) -> tuple[list[str], list[str]]:
    """Let no key act for a tenant; return the ids of keys deleted, and of keys that lost only this grant."""
    deleted, reduced = [], []
    with changing_keys(path) as keys:
        for key in [key for key in keys if tenant in key.grants]:
            index = keys.index(key)
            if left := tuple(one for one in key.grants if one != tenant):
                keys[index] = key.model_copy(update={"grants": left})
                reduced.append(key.key_id)
            else:
                del keys[index]
                deleted.append(key.key_id)
    return deleted, reduced
