"""With the weights of the package transformers, gpt and bert are the same functions as its GPT-2 and BERT."""

from __future__ import annotations

from typing import Final

import pytest
import torch
from torch import Tensor

from wattrain_worker.train.recipes.bert.recipe import RECIPE as BERT
from wattrain_worker.train.recipes.gpt.recipe import RECIPE as GPT
from wattrain_worker.train.recipes.recipe_protocol import TextShape

transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install transformers")

_SHAPE: Final = TextShape(vocabulary=50, sequence_length=12)
_LAYERS, _WIDTH, _HEADS = 2, 16, 4
_OF_GPT: Final = {
    "attention_norm": "ln_1", "linear_norm": "ln_2", "attention.inputs": "attn.c_attn",
    "attention.output": "attn.c_proj", "linear.0": "mlp.c_fc", "linear.2": "mlp.c_proj",
}  # fmt: skip
_OF_BERT: Final = {
    "attention_norm": "attention.output.LayerNorm", "linear_norm": "output.LayerNorm",
    "attention.output": "attention.output.dense", "linear.0": "intermediate.dense", "linear.2": "output.dense",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _same_seed() -> None:
    torch.manual_seed(0)


def test_gpt_scores_tokens_as_gpt2_with_the_same_weights() -> None:
    config = transformers.GPT2Config(
        vocab_size=50, n_positions=12, n_embd=_WIDTH, n_layer=_LAYERS, n_head=_HEADS, bos_token_id=None,
        eos_token_id=None,
    )  # fmt: skip
    other = _with_other_weights(transformers.GPT2LMHeadModel(config))
    theirs = other.transformer.state_dict()
    names = {"embedding": "wte", "positions": "wpe", "norm": "ln_f"}
    names |= {f"blocks.{i}.{own}": f"h.{i}.{name}" for i in range(_LAYERS) for own, name in _OF_GPT.items()}
    own = GPT.build_model(_SHAPE, GPT.parameters(layers=_LAYERS, width=_WIDTH, heads=_HEADS)).eval()
    weights = {}
    for name in own.state_dict():
        module, _, kind = name.rpartition(".")
        weight = theirs[f"{names[module]}.{kind}"]
        is_turned = kind == "weight" and ("attention." in module or "linear." in module)  # GPT-2 has [inputs, outputs]
        weights[name] = weight.T if is_turned else weight
    own.load_state_dict(weights)
    tokens = torch.randint(50, (3, 12))
    with torch.inference_mode():
        torch.testing.assert_close(own(tokens), other(input_ids=tokens).logits, rtol=1e-4, atol=1e-5)


def test_bert_scores_tokens_and_pairs_as_bert_for_pre_training_with_the_same_weights() -> None:
    config = transformers.BertConfig(
        vocab_size=50, max_position_embeddings=12, hidden_size=_WIDTH, intermediate_size=4 * _WIDTH,
        num_hidden_layers=_LAYERS, num_attention_heads=_HEADS, hidden_act="gelu_new", layer_norm_eps=1e-5,
    )  # fmt: skip
    other = _with_other_weights(transformers.BertForPreTraining(config))
    theirs = other.state_dict()
    embeddings, blocks, head = "bert.embeddings", "bert.encoder.layer", "cls.predictions.transform"
    names = {
        "embedding": f"{embeddings}.word_embeddings", "positions": f"{embeddings}.position_embeddings",
        "parts": f"{embeddings}.token_type_embeddings", "norm": f"{embeddings}.LayerNorm", "word.0": f"{head}.dense",
        "word.2": f"{head}.LayerNorm", "pooled": "bert.pooler.dense", "follows": "cls.seq_relationship",
    }  # fmt: skip
    names |= {f"blocks.{i}.{own}": f"{blocks}.{i}.{name}" for i in range(_LAYERS) for own, name in _OF_BERT.items()}
    own = BERT.build_model(_SHAPE, BERT.parameters(layers=_LAYERS, width=_WIDTH, heads=_HEADS)).eval()
    weights = {"word_bias": theirs["cls.predictions.bias"]}
    for name in own.state_dict().keys() - weights.keys():
        module, _, kind = name.rpartition(".")
        if module.endswith("attention.inputs"):
            attention = f"{blocks}.{module.split('.')[1]}.attention.self"
            weights[name] = torch.cat([theirs[f"{attention}.{part}.{kind}"] for part in ("query", "key", "value")])
        else:
            weights[name] = theirs[f"{names[module]}.{kind}"]
    own.load_state_dict(weights)
    tokens, part = torch.randint(5, 50, (3, 12)), torch.randint(2, (3, 12))
    tokens[0, 9:] = 0  # what fills a sample
    with torch.inference_mode():
        scores = own(torch.stack([tokens, part], dim=1))
        found = other(input_ids=tokens, token_type_ids=part, attention_mask=(tokens != 0).long())
    torch.testing.assert_close(scores[:, :-1], found.prediction_logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores[:, -1, :2], found.seq_relationship_logits, rtol=1e-4, atol=1e-5)


def _with_other_weights(model: torch.nn.Module) -> torch.nn.Module:
    """Norms and biases too: as they begin, 1 and 0, they hide what is left out."""
    with torch.no_grad():
        for weight in model.parameters():
            moved: Tensor = weight + 0.1 * torch.randn_like(weight)
            weight.copy_(moved)
    return model.eval()
