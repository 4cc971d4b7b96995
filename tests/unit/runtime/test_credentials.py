"""Keys say which tenants a caller may act for and until when, and can be rotated."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.runtime.http.credentials import CredentialStore, Grant
from services.runtime.http.health import Health
from services.runtime.http.key_file import add_key, changing_keys, read_keys, rotate_key
from services.runtime.http.problem import Problem
from services.runtime.http.revocation import remove_tenant, revoke_key
from services.runtime.process.metrics import Metrics
from tests.support.clock import ManualClock

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the credentials file."""
    return tmp_path / "keys.json"


def status(
    store: CredentialStore, secret: str | None, tenant: str | None = None, scope: str = "write"
) -> int:
    """Return the status of the response: 200 or that of a problem."""
    try:
        store.authenticate(None if secret is None else f"Bearer {secret}", tenant, scope)
    except Problem as problem:
        return problem.status
    return 200


def test_a_key_of_one_tenant_acts_for_it_without_a_header(path: Path) -> None:
    key = add_key(path, grants=["a"], scopes=["write"])

    assert CredentialStore(path).authenticate(f"Bearer {key.secret}", None, "write") == Grant("a", key.key_id)


def test_the_key_of_a_sandbox_shows_what_it_is_for(path: Path) -> None:
    made_up = add_key(path, grants=["a.sandbox"], scopes=["write"])
    real = add_key(path, grants=["a"], scopes=["write"])

    assert made_up.secret.startswith("rpt_sandbox_")
    assert not real.secret.startswith("rpt_sandbox_")
    assert CredentialStore(path).authenticate(f"Bearer {made_up.secret}", None, "write").tenant == "a.sandbox"


@pytest.mark.parametrize(("key_for", "asked"), [("a", "a.sandbox"), ("a.sandbox", "a")])
def test_a_key_leads_neither_into_a_sandbox_nor_out_of_it(path: Path, key_for: str, asked: str) -> None:
    key = add_key(path, grants=[key_for], scopes=["write"], network=True)

    assert status(CredentialStore(path), key.secret, asked) == 404


def test_no_key_is_for_sandboxes_and_for_others(path: Path) -> None:
    with pytest.raises(ValueError, match="never for both"):
        add_key(path, grants=["a", "b.sandbox"], scopes=["write"], network=True)


def test_a_network_key_acts_for_the_tenant_that_the_header_names(path: Path) -> None:
    key = add_key(path, grants=["a", "b"], scopes=["write"], network=True)

    assert CredentialStore(path).authenticate(f"bearer {key.secret}", "b", "write") == Grant("b", key.key_id)


def test_a_network_key_needs_the_header_that_names_its_tenant(path: Path) -> None:
    key = add_key(path, grants=["a"], scopes=["write"], network=True)

    assert status(CredentialStore(path), key.secret) == 400


@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize("tenant", ["b", "unknown"])
def test_a_foreign_tenant_is_not_found_whether_it_exists_or_not(
    path: Path, *, network: bool, tenant: str
) -> None:
    add_key(path, grants=["b"], scopes=["write"])
    key = add_key(path, grants=["a"], scopes=["write"], network=network)

    assert status(CredentialStore(path), key.secret, tenant) == 404


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer nothing"])
def test_a_missing_or_unknown_key_is_not_authenticated(path: Path, authorization: str | None) -> None:
    add_key(path, grants=["a"], scopes=["write"])

    with pytest.raises(Problem) as caught:
        CredentialStore(path).authenticate(authorization, None, "write")

    assert caught.value.status == 401
    assert caught.value.headers == {"WWW-Authenticate": "Bearer"}


def test_a_key_without_the_scope_is_not_allowed(path: Path) -> None:
    key = add_key(path, grants=["a"], scopes=["read"])

    assert status(CredentialStore(path), key.secret) == 403


def test_a_key_expires_at_its_end(path: Path) -> None:
    clock = ManualClock(NOW)
    key = add_key(path, grants=["a"], scopes=["write"], not_after=NOW + timedelta(seconds=10))
    store = CredentialStore(path, clock)

    before = status(store, key.secret)
    clock.move(10)

    assert (before, status(store, key.secret)) == (200, 401)


def test_rotation_lets_both_keys_act_during_the_overlap(path: Path) -> None:
    clock = ManualClock(NOW)
    old = add_key(path, grants=["a"], scopes=["write"])
    store = CredentialStore(path, clock)

    new = rotate_key(path, old.key_id, overlap=timedelta(hours=1), now=NOW)
    during = (status(store, old.secret), status(store, new.secret))
    clock.move(3600)

    assert during == (200, 200)
    assert (status(store, old.secret), status(store, new.secret)) == (401, 200)


def test_rotation_never_postpones_the_end_of_a_key(path: Path) -> None:
    old = add_key(path, grants=["a"], scopes=["write"], not_after=NOW + timedelta(minutes=1))

    rotate_key(path, old.key_id, overlap=timedelta(days=1), now=NOW)

    assert read_keys(path)[0].not_after == NOW + timedelta(minutes=1)


def test_grants_are_read_again_when_the_file_changed(path: Path) -> None:
    key = add_key(path, grants=["a"], scopes=["write"], network=True)
    store = CredentialStore(path)
    before = status(store, key.secret, "b")

    with changing_keys(path) as keys:
        keys[0] = keys[0].model_copy(update={"grants": ("a", "b")})

    assert (before, status(store, key.secret, "b")) == (404, 200)


def test_a_damaged_file_leaves_the_last_valid_keys_in_force(path: Path) -> None:
    key = add_key(path, grants=["a"], scopes=["write"])
    store = CredentialStore(path)
    status(store, key.secret)

    path.write_text("{ half a fi")

    assert status(store, key.secret) == 200


def test_without_a_file_the_answer_is_503_and_the_check_says_how_to_add_a_key(path: Path) -> None:
    health = Health(ManualClock(NOW), Metrics("sample"))
    store = CredentialStore(path, health=health, added_by="`keys add`")

    assert status(store, "rpt_any") == 503
    assert "add a key with `keys add`" in health.checks["credentials"]
    assert not health.can_answer


def test_the_check_is_bad_while_the_file_is_damaged_and_the_last_keys_stay(path: Path) -> None:
    key = add_key(path, grants=["a"], scopes=["write"])
    health = Health(ManualClock(NOW), Metrics("sample"))
    store = CredentialStore(path, health=health)
    health.probe()
    at_first = health.checks["credentials"]
    whole = path.read_text()
    read_at = health.metrics.registry.get_sample_value("rapport_credentials_last_read_timestamp_seconds")
    path.write_text("{ half a fi")
    health.probe()
    damaged, meanwhile = health.checks["credentials"], status(store, key.secret)
    path.write_text(whole)
    health.probe()

    assert (at_first, meanwhile, health.checks["credentials"]) == ("good", 200, "good")
    assert read_at is not None
    assert abs(read_at - time.time()) < 60
    assert "is not a credentials file" in damaged


def test_a_file_that_may_not_be_read_is_named_and_the_last_keys_stay(path: Path) -> None:
    key = add_key(path, grants=["a"], scopes=["write"])
    health = Health(ManualClock(NOW), Metrics("sample"))
    store = CredentialStore(path, health=health)
    health.probe()
    path.unlink()
    path.mkdir()  # whoever runs as root may read every file, but no folder as one
    health.probe()

    assert str(path) in health.checks["credentials"]
    assert status(store, key.secret) == 200


def test_the_file_holds_a_hash_and_never_the_key(path: Path) -> None:
    key = add_key(path, grants=["a"], scopes=["write"])

    text = path.read_text()

    assert key.secret not in text
    assert len(json.loads(text)["keys"][0]["sha256"]) == 64
    assert "sha256" not in repr(read_keys(path)[0])


def test_a_key_has_256_random_bits(path: Path) -> None:
    first = add_key(path, grants=["a"], scopes=["write"]).secret
    second = add_key(path, grants=["a"], scopes=["write"]).secret

    assert len(first.removeprefix("rpt_")) == 43
    assert first != second


def test_only_a_network_key_may_act_for_several_tenants(path: Path) -> None:
    with pytest.raises(ValueError, match="network key"):
        add_key(path, grants=["a", "b"], scopes=["write"])


def test_a_revoked_key_acts_for_nobody_and_the_others_stay(path: Path) -> None:
    gone, kept = (add_key(path, grants=[name], scopes=["write"]) for name in ("a", "b"))
    revoke_key(path, gone.key_id)

    assert status(CredentialStore(path), gone.secret) == 401
    assert status(CredentialStore(path), kept.secret) == 200
    with pytest.raises(KeyError):
        revoke_key(path, gone.key_id)


def test_no_key_acts_for_a_tenant_that_was_removed(path: Path) -> None:
    own = add_key(path, grants=["a"], scopes=["write"])
    network = add_key(path, grants=["a", "b"], scopes=["write"], network=True)

    assert remove_tenant(path, "a") == ([own.key_id], [network.key_id])
    assert [(key.key_id, key.grants) for key in read_keys(path)] == [(network.key_id, ("b",))]
    assert remove_tenant(path, "a") == ([], [])


def test_keys_that_are_added_at_the_same_time_are_all_kept(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda n: add_key(path, grants=[f"t{n}"], scopes=["write"]), range(40)))

    assert {key.key_id for key in read_keys(path)} == {key.key_id for key in added}


def test_a_change_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    add_key(path, grants=["a"], scopes=["write"])
    before = path.read_bytes()

    def clear_and_fail() -> None:
        with changing_keys(path) as keys:
            keys.clear()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        clear_and_fail()
    assert path.read_bytes() == before
