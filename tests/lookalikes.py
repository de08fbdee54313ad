"""Small tokenizers that split text as those of well-known models do."""

from functools import cache

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from toys import LINES, toy_tokenizer

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


@cache
def lookalike(name):
    """Return a vocabulary of some hundred tokens: byte-level BPE, or SentencePiece's with byte fallback."""
    if name != SENTENCEPIECE:
        texts = [*LINES, *(line.replace("    ", "\t") for line in LINES)]
        return Vocabulary(toy_tokenizer(texts, 700, SPLITS[name]), 0, 1, 2)
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    spaces = normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([*spaces])
    parts = decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1)
    tokenizer.decoder = decoders.Sequence([*parts])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("▁+(?=▁[^▁])|▁?[^▁]+|▁+"), "isolated")
    special = ["<s>", "</s>", "<pad>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator("".join(LINES).splitlines(), trainer)  # a newline is a byte
    tokenizer.pre_tokenizer = None
    return Vocabulary(tokenizer, 0, 1, 2)
