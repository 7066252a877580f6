"""Files of games and of collected tables: what is damaged is named with its row."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.chess.collect import collected
from outgrow.chess.corpus import Mix, master_lines
from outgrow.chess.mining import read_games
from outgrow.types import UserError

GAME = {"game": "0-0", "players": ["a", "b"], "opening": 0, "moves": [], "plies": []}


def test_games_come_in_the_order_of_their_shards(tmp_path: Path) -> None:
    for shard in (1, 0):
        with gzip.open(tmp_path / f"games-0-{shard:05d}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(GAME | {"game": f"0-{shard}{i}"}) + "\n\n" for i in range(2))
    assert [game["game"] for game in read_games(tmp_path)] == ["0-00", "0-01", "0-10", "0-11"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress(json.dumps(GAME).encode(), mtime=0)[:-5], "not a whole .gz file"),
        (gzip.compress(b'{"game": \n', mtime=0), "row 1: this is not JSON"),
        (gzip.compress(b'{"game": "0-0", "moves": [], "opening": 0}\n', mtime=0), "row 1: this game has no plies"),
    ],
)
def test_a_damaged_shard_is_named(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "games-0-00000.jsonl.gz").write_bytes(content)
    with pytest.raises(UserError, match=rf"games-0-00000\.jsonl\.gz.*{says}"):
        list(read_games(tmp_path))


def test_master_games_without_moves_are_named(tmp_path: Path) -> None:
    path = tmp_path / "masters.jsonl"
    path.write_text('{"m": "e4 e5"}\n{"w": "White"}\n')
    mix = Mix(engine=1, players=1, masters=1)
    with pytest.raises(UserError, match=r"masters\.jsonl, row 2: .* column 'm'"):
        list(master_lines(path, mix, lambda san: True, random.Random(0)))


def test_a_table_without_ids_is_no_collected_one(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b"]}), tmp_path / "puzzles.parquet")
    assert collected(tmp_path) == {"a", "b"}
    pq.write_table(pa.table({"x": ["a", "b"]}), tmp_path / "positions.parquet")
    with pytest.raises(UserError, match=r"positions\.parquet, row 1: there is no 'id'"):
        collected(tmp_path)
