"""An instrument of one's own is a file in a folder: ratings by it are accepted like those by shipped ones."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.ingest.process import environment
from tests.support.ingest.running import RATING, MovedClock, running_ingest
from tests.support.schemas.instruments import folder_with_small

BY_SMALL = {**RATING, "instrument": "small", "items": [4, 3]}


async def test_ratings_by_an_instrument_of_the_folder_are_accepted_and_published(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    folder = folder_with_small(tmp_path)
    async with running_ingest(kafka_env, tmp_path, clock=clock, instruments_dir=folder) as ingest:
        key = ingest.key("own-instrument")
        answer = await ingest.post(key, BY_SMALL)
        refused = await ingest.post(key, {**BY_SMALL, "items": [4, 5]})
        listed = await ingest.http.get("/v1/instruments")
        published = await ingest.published("own-instrument")
    assert answer.status_code == 202
    assert refused.json()["errors"][0]["message"] == "item 2 is out of range"
    assert [each["id"] for each in listed.json()["instruments"]] == [
        "core-10",
        "ors",
        "phq-9",
        "small",
        "srs",
        "wai-9",
        "wai-s",
        "wai-s-t",
        "wai-sr",
    ]
    assert [record.event["data"]["instrument"] for record in published] == ["small"]


def test_a_broken_definition_ends_the_process_and_says_what_to_correct(tmp_path: Path) -> None:
    file = folder_with_small(tmp_path) / "small.toml"
    file.write_text(file.read_text().replace("items = 2", "items = 3"))
    given = environment({}, tmp_path, RAPPORT_INSTRUMENTS_DIR=str(file.parent))
    done = subprocess.run(
        [sys.executable, "-m", "services.ingest"], env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    why = json.loads(done.stdout.splitlines()[-1])["why"]
    assert why == (
        f"{file}:\n  item 3 belongs to no component\n  correct the file or take it out of the folder"
    )
