"""A tiny language model in GGUF, whole or in the pieces of packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, INNER, HEADS, LAYERS = 16, 32, 2, 2
WORDS = ("<|endoftext|>", *(chr(code) for code in range(33, 127)), "Ġ", "Ġa", "th", "the", "Ġthe")
MERGES = ("Ġ a", "t h", "th e", "Ġ the")


def weights(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """By their names in the file."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0, 0.5, shape).astype(np.float32)

    found = {"token_embd.weight": draw(len(WORDS), WIDTH), "output_norm.weight": draw(WIDTH)}
    for n in range(LAYERS):
        found |= {f"blk.{n}.{name}_norm.weight": draw(WIDTH) for name in ("attn", "ffn")}
        found |= {f"blk.{n}.attn_{name}.weight": draw(WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
        found |= {f"blk.{n}.ffn_{name}.weight": draw(INNER, WIDTH) for name in ("gate", "up")}
        found[f"blk.{n}.ffn_down.weight"] = draw(WIDTH, INNER)
    return found


def write(path: Path, seed: int = 0, without: str = "nothing") -> Path:
    """A llama of two layers, `ffn_down` in 8 bits, everything else in 32; tensors named `without` are left out."""
    import gguf

    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(WORDS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(list(WORDS))
    writer.add_token_types([3] + [1] * (len(WORDS) - 1))
    writer.add_token_merges(list(MERGES))
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    eight = gguf.GGMLQuantizationType.Q8_0
    for name, array in weights(seed).items():
        if without in name:
            continue
        if "ffn_down" in name:
            writer.add_tensor(name, gguf.quants.quantize(array, eight), raw_dtype=eight)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def install(site: Path, package: str, file: Path, pieces: int = 1) -> None:
    """Packages on the path `site` that hold the file: one, or one that asks for as many as there are pieces."""
    content = file.read_bytes()
    if pieces == 1:
        package_of(site, package, {file.name: content, f"{file.name}.sha256": b"0"})
        return
    size = -(-len(content) // pieces)
    parts = [f"{package}-part{n}" for n in range(1, pieces + 1)]
    package_of(
        site, package, {}, [*(f"{part}==1.0.0" for part in parts), "numpy>=1.26", f'{package}-gpu; extra == "gpu"']
    )
    for n, part in enumerate(parts, start=1):
        package_of(site, part, {f"{file.name}.part{n}": content[(n - 1) * size : n * size]})


def package_of(site: Path, name: str, files: dict[str, bytes], asks: list[str] | None = None) -> None:
    folder = name.replace("-", "_")
    info = site / f"{folder}-1.0.0.dist-info"
    info.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        "Version: 1.0.0",
        *(f"Requires-Dist: {each}" for each in asks or []),
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    (site / folder).mkdir(exist_ok=True)
    for each, content in files.items():
        (site / folder / each).write_bytes(content)
    (info / "RECORD").write_text("".join(f"{folder}/{each},,\n" for each in files))
