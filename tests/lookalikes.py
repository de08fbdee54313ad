"""Small tokenizers that split text as those of well-known models do."""

from functools import cache

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from toys import LINES

from polyhead.model.vocabulary import Vocabulary

WORD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
AFTER = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS = {
    "GPT-2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "Qwen": rf"{WORD}|\p{{N}}|{AFTER}",
    "Llama 3": rf"{WORD}|\p{{N}}{{1,3}}|{AFTER}",
    "newline and spaces apart": r"\n| +|\t+|[^ \t\n]+",
    "newline inside": r"\S*\s*",
}
SENTENCEPIECE = "SentencePiece"
SPECIAL = ["<s>", "</s>", "<pad>"]


@cache
def lookalike(name):
    """Return a vocabulary of some hundred tokens: byte-level BPE, or SentencePiece's with byte fallback."""
    options = {"vocab_size": 700, "show_progress": False}
    if name == SENTENCEPIECE:
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        spaces = normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")
        tokenizer.normalizer = normalizers.Sequence([*spaces])
        parts = decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1)
        tokenizer.decoder = decoders.Sequence([*parts])
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("▁+(?=▁[^▁])|▁?[^▁]+|▁+"), "isolated")
        special = [*SPECIAL, "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
        lines = "".join(LINES).splitlines()  # a newline is a byte
        tokenizer.train_from_iterator(lines, trainers.BpeTrainer(special_tokens=special, **options))
        tokenizer.pre_tokenizer = None
    else:
        tokenizer = Tokenizer(models.BPE())
        split = pre_tokenizers.Split(Regex(SPLITS[name]), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, False)])
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(special_tokens=SPECIAL, initial_alphabet=alphabet, **options)
        tokenizer.train_from_iterator([*LINES, *(line.replace("    ", "\t") for line in LINES)], trainer)
    return Vocabulary(tokenizer, 0, 1, 2)
