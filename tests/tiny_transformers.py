"""Tiny transformers with random weights, saved as their library saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,.-+#0123456789"
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 80,
    "initializer_range": 0.3,  # far from 0, so that a wrong position or mask shows
}
ARCHITECTURES = ("bert", "mpnet", "modernbert", "xlm-roberta")
POSITIONS = 40
"""Longest text of each architecture, whatever its table of positions holds beside."""


def save_transformer(architecture: str, folder: Path, *, lower_case: bool = False) -> Path:
    """Save a random model of one of `ARCHITECTURES` with a tokenizer of its kind."""
    # Here, since it takes five seconds, and collecting tests needs none of it.
    import transformers

    torch.manual_seed(sum(map(ord, architecture)))
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]  # the padding token is 1 for all
    tokenizer, size = _tokenizer(architecture, special, lower_case=lower_case)
    shared = {**SIZES, "vocab_size": size, "pad_token_id": 1}
    model: Any
    if architecture == "bert":
        model = transformers.BertModel(
            transformers.BertConfig(**shared, max_position_embeddings=POSITIONS)
        )
    elif architecture == "mpnet":
        model = transformers.MPNetModel(
            transformers.MPNetConfig(**shared, max_position_embeddings=POSITIONS + 2)
        )
    elif architecture == "xlm-roberta":
        model = transformers.XLMRobertaModel(
            transformers.XLMRobertaConfig(
                **shared, max_position_embeddings=POSITIONS + 2, type_vocab_size=1
            )
        )
    else:
        # The second of two layers sees a window; the first one sees everything.
        window = {"local_attention": 8, "global_attn_every_n_layers": 2}
        ends = {"cls_token_id": 0, "bos_token_id": 0, "sep_token_id": 2, "eos_token_id": 2}
        shared |= window | ends
        model = transformers.ModernBertModel(
            transformers.ModernBertConfig(**shared, max_position_embeddings=POSITIONS)
        )
    model.eval().save_pretrained(folder)
    fast: Any = transformers.PreTrainedTokenizerFast
    fast(
        tokenizer_object=tokenizer,
        cls_token="[CLS]",
        pad_token="[PAD]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    return folder


def _tokenizer(architecture: str, special: list[str], *, lower_case: bool) -> tuple[Tokenizer, int]:
    if architecture == "modernbert":
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {token: i for i, token in enumerate([*special, *alphabet])}
        tokenizer = Tokenizer(models.BPE(vocabulary, []))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    elif architecture == "xlm-roberta":
        pieces = [(token, 0.0) for token in special]
        pieces += [(letter, -3.0) for letter in ("▁", *LETTERS)]
        vocabulary = {token: i for i, (token, _) in enumerate(pieces)}
        tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    else:
        tokens = [*special, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
        vocabulary = {token: i for i, token in enumerate(tokens)}
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 2)]
    )
    tokenizer.add_special_tokens(special)
    return tokenizer, len(vocabulary)
