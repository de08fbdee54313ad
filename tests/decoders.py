"""Tiny random models of transformers, and what plain hooks on them measure."""

import torch

VOCABULARY, CONTEXT, WINDOW = 384, 128, 6
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
GROUPED = {**SIZES, "num_key_value_heads": 2}
ARCHITECTURES = {
    "gpt2": {
        **{"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": CONTEXT},
        **{"bos_token_id": 0, "eos_token_id": 1},
    },
    "gpt_neox": SIZES,
    "llama": GROUPED,
    "qwen3": {**GROUPED, "head_dim": 16},
    "gemma3_text": {
        **GROUPED,
        "head_dim": 16,
        "sliding_window": WINDOW,
        "query_pre_attn_scalar": 20,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
    "mistral": {**GROUPED, "sliding_window": WINDOW},
}
SLIDING = {"gemma3_text": (0, 2), "mistral": (0, 1, 2)}


def random_model(kind, **changes):
    """Return a random model whose heads attend sharply, with transformers' own plain attention."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    settings = AutoConfig.for_model(kind, **{**ARCHITECTURES.get(kind, {}), **changes})
    model = AutoModelForCausalLM.from_config(settings, attn_implementation="eager")
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return model.requires_grad_(False).eval()


def output_matrices(model):
    """Return the module behind the heads of every layer."""
    names = ("attn.c_proj", "attention.dense", "self_attn.o_proj")
    return [module for name, module in model.named_modules() if name.endswith(names)]


def value_matrices(model):
    """Return the module that makes the values of every layer."""
    names = ("attn.c_attn", "attention.query_key_value", "self_attn.v_proj")
    return [module for name, module in model.named_modules() if name.endswith(names)]


def values_of(model, output):
    """Return the value vectors of all heads from what a layer's value matrix returned."""
    heads, kind = model.config.num_attention_heads, model.config.model_type
    if kind == "gpt2":
        output = output.chunk(3, -1)[2]
    if kind == "gpt_neox":
        return output.unflatten(-1, (heads, -1)).chunk(3, -1)[2].transpose(1, 2)
    groups = getattr(model.config, "num_key_value_heads", heads)
    return output.unflatten(-1, (groups, -1)).transpose(1, 2).repeat_interleave(heads // groups, 1)


def hooked(model, tokens, layer=None, head=None, dest=None, rows=None, instead=None):
    """Return logits, patterns and values of a run; at `dest` a head mixes by `rows` (pattern → pattern),
    or what it mixes is `instead`.

    One forward pass of transformers, with hooks on the matrices before and behind the heads.
    """
    values = []

    def keep(module, args, output):
        values.append(values_of(model, output))

    hooks = [module.register_forward_hook(keep) for module in value_matrices(model)]
    if layer is not None:
        _, patterns, clean = hooked(model, tokens)
        if instead is None:
            edited = rows(patterns[layer][:, head])[:, dest]
            instead = (edited[:, None] @ clean[layer][:, head])[:, 0]

        def edit(module, args):
            z = args[0].clone()
            width = instead.shape[-1]
            z[:, dest, head * width : (head + 1) * width] = instead
            return (z,)

        hooks.append(output_matrices(model)[layer].register_forward_pre_hook(edit))
    try:
        out = model(tokens, output_attentions=True, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return out.logits, out.attentions, values
