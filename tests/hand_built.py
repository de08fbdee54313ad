"""Models of two layers whose heads are written by hand, and text whose next token hangs on them.

The residual stream is four blocks, side by side: which token stands here (one-hot), which position this is
(one-hot), a block in which head 0.0 writes which token stands one before, and a block OUT that is read as
logits. So streams before layer 1 hold three ones each, and a LayerNorm shifts and scales by constants.
"""

import numpy as np
import torch
from tokenizers import Tokenizer, models

from polyhead.edges.survey import RealText
from polyhead.model.transformer import from_state
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.clusters import prompts_as_clusters

WORDS, CONTEXT, EPS, WINDOW = 20, 72, 1e-5, 4
TOKEN, PLACE, BEFORE, OUT = 0, WORDS, WORDS + CONTEXT, 2 * WORDS + CONTEXT
D_MODEL = OUT + WORDS
D_HEAD = max(WORDS + CONTEXT + 1, 2 * WORDS)
FALLBACK = WORDS + CONTEXT
"""Slot of a head's key space by which it can attend to BOS."""
BOS, EOS = 0, 1
NAMES, FOLLOWERS, COPIED, BRACKETS = range(2, 8), range(8, 13), range(13, 18), range(18, 20)


def vocabulary():
    """Return a vocabulary of words none of which is an indent."""
    tokenizer = Tokenizer(models.WordLevel({f"w{i}": i for i in range(WORDS)}, unk_token="w0"))
    return Vocabulary(tokenizer, BOS, EOS, EOS)


def real_text(prompts):
    """Return prompts as the text that edges are cut on, each a document of its own."""
    documents = prompts_as_clusters(len(prompts)).dense(*prompts.shape)
    return RealText(prompts, vocabulary(), WINDOW, documents)


def undo_norm(weight, ones):
    """Return weight and bias of `weight @ x` for a head that is handed LayerNorm(x), x having `ones` ones."""
    mean = ones / weight.shape[1]
    deviation = (mean - mean**2 + EPS) ** 0.5
    return weight * deviation, weight @ torch.full((weight.shape[1],), mean)


def zeros(rows=D_HEAD):
    return torch.zeros(rows, D_MODEL)


def one_back(strength):
    """Query and key of a head that attends one back."""
    query, key = zeros(), zeros()
    for i in range(CONTEXT):
        query[WORDS + max(i - 1, 0), PLACE + i] = strength
        key[WORDS + i, PLACE + i] = 1
    return query, key


def to_bos(query, key, tokens, strength):
    """Add to query and key that these destination tokens attend to BOS."""
    for token in tokens:
        query[FALLBACK, TOKEN + token] = strength
    key[FALLBACK, PLACE] = 1


def reads_tokens(first, tokens, gain=1.0):
    """Value and output of a head that turns tokens into answers, by the slots from `first` on."""
    value, output = zeros(), torch.zeros(D_MODEL, D_HEAD)
    for token, answer in tokens:
        value[first + token, TOKEN + token] = 1
        output[OUT + answer, first + token] = gain
    return value, output


def layer_state(number, heads):
    """Return the weights of a layer of heads, each (query, key, value, output)."""
    (d_head, d_model), block = heads[0][0].shape, f"blocks.{number}.attn"
    state = {
        f"{block}.o.weight": torch.cat([head[3] for head in heads], 1),
        f"{block}.o.bias": torch.zeros(d_model),
    }
    for side, (name, scale) in enumerate((("q", d_head**0.5), ("k", 1.0), ("v", 1.0))):
        weights, biases = zip(*(undo_norm(head[side] * scale, 2 + number) for head in heads), strict=True)
        state |= {f"{block}.{name}.weight": torch.cat(weights), f"{block}.{name}.bias": torch.cat(biases)}
    return state


def state_of(words, context, layers):
    """Return a model's weights from the heads of its two layers; the last block is read as logits."""
    d_model = layers[0][0][0].shape[1]
    eye = torch.eye(d_model)
    state = {"embed.weight": eye[:words], "pos_embed.weight": eye[words : words + context]}
    state |= layer_state(0, layers[0]) | layer_state(1, layers[1])
    for norm in ("blocks.0.ln1", "blocks.1.ln1", "ln_final"):
        state |= {f"{norm}.weight": torch.ones(d_model), f"{norm}.bias": torch.zeros(d_model)}
    return state | {"unembed.weight": eye[-words:], "unembed.bias": torch.zeros(words)}


def idle():
    return zeros(), zeros(), zeros(), torch.zeros(D_MODEL, D_HEAD)


def looks_before():
    """Return the head that writes into BEFORE the token that stands one before."""
    value, output = zeros(), torch.zeros(D_MODEL, D_HEAD)
    value[:WORDS, TOKEN : TOKEN + WORDS] = torch.eye(WORDS)
    output[BEFORE : BEFORE + WORDS, :WORDS] = torch.eye(WORDS)
    return *one_back(40.0), value, output


def uniform_head():
    """Return a head that attends to everything alike and copies what it finds."""
    return zeros(), zeros(), *reads_tokens(0, [(token, token) for token in range(WORDS)], 0.5)


def glued_head():
    """Return an induction head and a previous-token head glued into one; the destination token switches.

    From a name it attends to what followed the name before, and copies followers; from a bracket it attends
    to the token before, and copies copied words; from any other token it rests.
    """
    query, key = one_back(20.0)
    for token in NAMES:
        query[token, TOKEN + token] = 40.0
    key[:WORDS, BEFORE : BEFORE + WORDS] = torch.eye(WORDS)
    to_bos(query, key, [*FOLLOWERS, *COPIED, BOS, EOS], 40.0)
    parts = (
        reads_tokens(0, [(token, token) for token in FOLLOWERS]),
        reads_tokens(WORDS, [(token, token) for token in COPIED]),
    )
    return query, key, parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]


def induction_head():
    """Return a head that attends to what followed its token before, and copies it: by K-composition."""
    query, key = zeros(), zeros()
    query[:WORDS, TOKEN : TOKEN + WORDS] = 40.0 * torch.eye(WORDS)
    key[:WORDS, BEFORE : BEFORE + WORDS] = torch.eye(WORDS)
    return query, key, *reads_tokens(0, [(token, token) for token in range(WORDS)])


def head_by_what_stands_before():
    """Return a head that attends to copies of the token before its own: by Q-composition."""
    query, key = zeros(), zeros()
    query[:WORDS, BEFORE : BEFORE + WORDS] = 40.0 * torch.eye(WORDS)
    key[:WORDS, TOKEN : TOKEN + WORDS] = torch.eye(WORDS)
    return query, key, *reads_tokens(0, [(token, token) for token in range(WORDS)])


def one_back_head():
    """Return a head that attends one back and copies: by position alone."""
    return *one_back(40.0), *reads_tokens(0, [(token, token) for token in range(WORDS)])


def duplicate_head():
    """Return a head that attends to earlier copies of its own token, and knows what follows each token."""
    query, key = zeros(), zeros()
    query[:WORDS, TOKEN : TOKEN + WORDS] = 40.0 * torch.eye(WORDS)
    key[:WORDS, TOKEN : TOKEN + WORDS] = torch.eye(WORDS)
    query[WORDS:FALLBACK, PLACE : PLACE + CONTEXT] = -80.0 * torch.eye(CONTEXT)
    key[WORDS:FALLBACK, PLACE : PLACE + CONTEXT] = torch.eye(CONTEXT)
    to_bos(query, key, range(WORDS), 20.0)
    return query, key, *reads_tokens(0, [(token, follower(token)) for token in range(2, WORDS)])


def follower(token):
    """Return the token that follows another in `round_and_round`."""
    return 2 + (token - 1) % (WORDS - 2)


def model_with(head):
    """Return the model whose head 1.0 is the one given; 1.1 is the uniform one."""
    layers = [[looks_before(), idle()], [head, uniform_head()]]
    return from_state(state_of(WORDS, CONTEXT, layers), 2, EPS)


def names_and_brackets(prompts, seed):
    """Return prompts of units `name follower copied bracket copied`; followers are fixed in a prompt."""
    rng = np.random.default_rng(seed)
    drawn = np.full((prompts, CONTEXT), BOS, np.int32)
    for tokens in drawn:
        followers, name, units = dict(zip(NAMES, rng.choice(FOLLOWERS, len(NAMES)), strict=True)), None, []
        while len(units) < CONTEXT:
            name = rng.choice([other for other in NAMES if other != name])
            copied = rng.choice(COPIED)
            units += [name, followers[name], copied, rng.choice(BRACKETS), copied]
        tokens[1:] = units[: CONTEXT - 1]
    return drawn


def round_and_round(prompts, seed):
    """Return prompts that go round all words in one order, jumping now and then."""
    rng = np.random.default_rng(seed)
    drawn = np.full((prompts, CONTEXT), BOS, np.int32)
    for tokens in drawn:
        tokens[1] = rng.integers(2, WORDS)
        for i in range(2, CONTEXT):
            tokens[i] = follower(tokens[i - 1]) if rng.random() < 0.95 else rng.integers(2, WORDS)
    return drawn
