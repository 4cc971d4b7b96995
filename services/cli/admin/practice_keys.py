"""Gives a practice or a sandbox the key that acts for it, or a network's key the practice."""

from services.cli.admin.audit import OperatorAction
from services.cli.admin.practices import SCOPES
from services.runtime.http.key_file import ApiKey, new_key
from services.runtime.process.cli_plugin import OperatorAct
from services.runtime.process.sandbox import is_sandbox


def key_for(keys: list[ApiKey], practice: str, network: str | None) -> tuple[str | None, OperatorAct]:
    """Create a key, or let the network's existing key act for the practice; return the key if it is new.

    What was done is returned for the log of who did what.
    """
    for index, key in enumerate(keys):
        # A network's key for sandboxes is another one than that for its practices.
        is_alike = is_sandbox(key.grants[0]) == is_sandbox(practice)
        if network is not None and key.network and key.label == network and is_alike:
            grants = (*(one for one in key.grants if one != practice), practice)
            keys[index] = key.model_copy(update={"grants": grants})
            return None, OperatorAct(practice, OperatorAction.GRANT_ADDED.value, f"key {key.key_id}")
    label = network or f"practice {practice}"
    key, issued = new_key([practice], SCOPES, network=network is not None, label=label)
    keys.append(key)
    return issued.secret, OperatorAct(practice, OperatorAction.KEY_ADDED.value, f"key {key.key_id}")
