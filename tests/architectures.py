"""Tiny random checkpoints of many architectures, and what each of them can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outgrow.tasks.base import Readout
from outgrow.types import Example, Examples

SPECIAL = ("<pad>", "<unk>", "<cls>", "<sep>")
WORDS = (*SPECIAL, *(f"w{i}" for i in range(40)), "a", "b", "c", "d")
POSITIONS = 66

_IDS = {"vocab_size": len(WORDS), "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "initializer_range": 0.5}
_PLAIN = _IDS | {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": POSITIONS,
}
_LLAMA = _PLAIN | {"num_key_value_heads": 1, "head_dim": 8}
_GPT = _IDS | {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": POSITIONS, "n_inner": 32}
_MOE = _LLAMA | {
    "num_experts": 2,
    "num_local_experts": 2,
    "num_experts_per_tok": 1,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
}
_XLM = _IDS | {"emb_dim": 16, "n_layers": 2, "n_heads": 2, "max_position_embeddings": POSITIONS, "pad_index": 0}
_XLNET = _IDS | {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32}
_MAMBA = _IDS | {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}
_SEQ2SEQ = _IDS | {"d_model": 16, "decoder_start_token_id": 0, "max_position_embeddings": POSITIONS}
_BART = _SEQ2SEQ | {
    **{f"{side}_layers": 1 for side in ("encoder", "decoder")},
    **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": 32 for side in ("encoder", "decoder")},
}
_T5 = _SEQ2SEQ | {"d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
_AXIAL = {"axial_pos_shape": [8, 8], "axial_pos_embds_dim": [8, 8], "attention_head_size": 8, "feed_forward_size": 32}

# Read by AutoModel; answer by a head.
ENCODERS: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("bert", "camembert", "data2vec-text", "deberta", "deberta-v2", "electra", "ernie"), _PLAIN),
    **dict.fromkeys(("esm", "fnet", "ibert", "layoutlm", "megatron-bert", "mpnet", "nystromformer"), _PLAIN),
    **dict.fromkeys(("rembert", "roberta", "roberta-prelayernorm", "roformer", "xlm-roberta", "yoso"), _PLAIN),
    "albert": _PLAIN | {"embedding_size": 16},
    "big_bird": _PLAIN | {"block_size": 4, "num_random_blocks": 1},
    "canine": _PLAIN
    | {"num_hash_buckets": 96, "num_hash_functions": 2, "downsampling_rate": 2, "upsampling_kernel_size": 2},
    "convbert": _PLAIN | {"embedding_size": 16, "conv_kernel_size": 3, "head_ratio": 1},
    "distilbert": _IDS | {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 66},
    "flaubert": _XLM,
    "longformer": _PLAIN | {"attention_window": 4},
    "mobilebert": _PLAIN
    | {"embedding_size": 16, "intra_bottleneck_size": 16, "initializer_range": 0.1, "normalization_type": "layer_norm"},
    "modernbert": _PLAIN | {"cls_token_id": 2, "sep_token_id": 3, "local_attention": 8},
    "squeezebert": _PLAIN | {"embedding_size": 16},
    "xlm": _XLM,
    "xlnet": _XLNET,
}
# Read by AutoModelForCausalLM; answer by next tokens and by a head.
CLASSIFYING: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("arcee", "doge", "exaone4", "gemma", "gemma2", "glm", "glm4", "helium", "llama"), _LLAMA),
    **dict.fromkeys(("ministral", "mistral", "nemotron", "olmo", "olmo2", "persimmon", "phi", "phi3"), _LLAMA),
    **dict.fromkeys(("qwen3", "seed_oss", "smollm3", "stablelm", "starcoder2"), _LLAMA),
    **dict.fromkeys(("mixtral", "qwen2_moe", "qwen3_moe", "phimoe"), _MOE),
    **dict.fromkeys(("gpt2", "gpt_bigcode", "openai-gpt"), _GPT),
    **dict.fromkeys(("biogpt", "gpt_neox"), _PLAIN),
    "bloom": _IDS | {"hidden_size": 16, "n_layer": 2, "n_head": 2},
    "ctrl": _IDS | {"n_embd": 16, "n_layer": 2, "n_head": 2, "dff": 32, "n_positions": POSITIONS},
    "falcon": _PLAIN | {"alibi": False},
    "gemma3_text": _LLAMA | {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
    "gpt_neo": _PLAIN | {"num_layers": 2, "attention_types": [[["global", "local"], 1]], "window_size": 8},
    "gptj": _GPT | {"rotary_dim": 4},
    "modernbert-decoder": _PLAIN | {"cls_token_id": 2, "sep_token_id": 3, "local_attention": 8},
    "mpt": _IDS | {"d_model": 16, "n_layers": 2, "n_heads": 2, "max_seq_len": POSITIONS},
    "opt": _PLAIN | {"ffn_dim": 32, "word_embed_proj_dim": 16},
}
# Read by AutoModelForCausalLM; transformers has no classifier of them.
SPEAKING: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("apertus", "bitnet", "cohere", "cohere2", "granite"), _LLAMA),
    **dict.fromkeys(("granitemoe", "olmoe"), _MOE),
    "codegen": _GPT | {"n_head": 4, "rotary_dim": 2},
    "falcon_mamba": _MAMBA,
    "gpt_neox_japanese": _PLAIN,
    "lfm2": _LLAMA | {"layer_types": ["conv", "full_attention"]},
    "mamba": _MAMBA,
    "mamba2": _MAMBA | {"num_heads": 4, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    "rwkv": {"vocab_size": len(WORDS), "hidden_size": 16, "attention_hidden_size": 16, "num_hidden_layers": 2}
    | {"context_length": POSITIONS, "rescale_every": 1},
    "xglm": _IDS | {"d_model": 16, "num_layers": 2, "attention_heads": 2, "ffn_dim": 32},
}
# Refused, each with what is said of it.
REFUSED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    **dict.fromkeys(("bart", "mbart", "plbart"), (_BART, "encoder-decoder")),
    **dict.fromkeys(("t5", "mt5"), (_T5, "encoder-decoder")),
    "mra": (_PLAIN, "no token of the model sees another"),
    "reformer": (
        _PLAIN | _AXIAL | {"attn_layers": ["local", "local"], "local_attn_chunk_length": 4, "is_decoder": False},
        "cannot answer a text",
    ),
    "xmod": (_PLAIN, "cannot answer a text"),
}


def readouts(name: str) -> tuple[Readout, ...]:
    """What an architecture can be asked besides its features."""
    if name in ENCODERS:
        return ("head", "pair")
    return ("head", "pair", "tokens") if name in CLASSIFYING else ("tokens",) if name in SPEAKING else ()


def tokenizer(form: str) -> Any:
    """One word, one token. `encoder`: between <cls> and <sep>. `padded`: as it is. `ended`: <sep> ends every text, and
    there is no padding token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    named = {"unk_token": "<unk>"} | ({"eos_token": "<sep>"} if form == "ended" else {"pad_token": "<pad>"})
    if form == "encoder":
        named |= {"cls_token": "<cls>", "sep_token": "<sep>"}
    if form != "padded":
        template = "<cls> $A <sep>" if form == "encoder" else "$A <sep>"
        special = [("<cls>", 2), ("<sep>", 3)]
        core.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    return PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=1000, **named)


def config(name: str, **changes: Any) -> Any:
    from transformers import AutoConfig

    shape = {**ENCODERS, **CLASSIFYING, **SPEAKING, **{key: value[0] for key, value in REFUSED.items()}}[name]
    return AutoConfig.for_model(name, **{**shape, **changes})


def checkpoint(folder: Path, name: str, form: str | None = None, **changes: Any) -> Path:
    """A random checkpoint of an architecture, its weights large enough for a mistake to show."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    speaks = name in CLASSIFYING or name in SPEAKING
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = (AutoModelForCausalLM if speaks else AutoModel).from_config(config(name, **changes))
        with torch.no_grad():
            for weight in module.parameters():
                if weight.ndim >= 2 and weight.std() < 0.2:
                    weight.normal_(0, 0.3)
    module.save_pretrained(folder)
    tokenizer(form or ("padded" if speaks else "encoder")).save_pretrained(folder)
    return folder


def examples(readout: Readout, n: int = 7) -> Examples:
    """Prompts of 1 to 50 words; for pairs two texts of several words each to choose from."""
    import numpy as np

    rng = np.random.default_rng(0)

    def text(most: int) -> str:
        return " ".join(f"w{i}" for i in rng.integers(0, 40, rng.integers(1, most + 1)))

    rows = []
    for i in range(n):
        choices = (f" {text(20)}", f" {text(20)}") if readout == "pair" else ("a", "b")
        rows.append(Example(id=f"e{i}", group=f"g{i}", prompt=text(30 if readout == "pair" else 50), choices=choices))
    return Examples(rows=tuple(rows))
