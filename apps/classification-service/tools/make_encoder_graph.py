"""Writes encoder.onnx, the sentence encoder as a graph without weights, and encoder_int8.onnx beside it.

The graph is a BERT encoder of the all-MiniLM-L6-v2 shape with mean pooling and L2 normalisation inside. Every weight is
an initializer declared as external data of the encoder folder's model.safetensors; the service fills in its place in that
file at load time, so the weights exist once on disk and are memory-mapped. The second graph takes the matrices of the linear
layers in whole numbers of one byte, which the service computes from the same file.

Run: python -m tools.make_encoder_graph [OUTPUT] (needs the `onnx` package, which the service does not).
"""

import argparse
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from classification_service.encoder.architecture import (
    HEADS,
    HIDDEN,
    LAYERS,
    NORM_EPSILON,
    WEIGHTS_FILE,
    int8_name,
    offset_marker,
    scale_name,
    weights,
)

HEAD_SIZE = HIDDEN // HEADS
# Added to the attention score of padding: far below any real score, yet finite, so that no row becomes NaN.
MASKED_SCORE = -1e9
OPSET = 20
IR_VERSION = 9
WEIGHTS = weights()
DEFAULT_OUTPUT = Path(__file__).parents[1] / "classification_service" / "encoder" / "encoder.onnx"


@dataclass
class GraphWriter:
    """Collects nodes and initializers in the order in which they are written."""

    int8: bool = False
    nodes: list[NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)

    def add(self, op: str, *inputs: str, output: str, **attributes: Any) -> str:  # noqa: ANN401  whatever the operator takes
        """Appends one node and returns the name of its output."""
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def weight(self, name: str) -> str:
        """Declares a weight; the marker in its offset is replaced when the graph is loaded."""
        shape = WEIGHTS[name]
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=WEIGHTS_FILE)
        tensor.external_data.add(key="offset", value=offset_marker(name))
        tensor.external_data.add(key="length", value=str(math.prod(shape) * 4))
        self.initializers.append(tensor)
        return name

    def constant(self, name: str, values: list[int] | list[float] | float) -> str:
        """Stores a small constant in the graph itself: int64 for integers, float32 for the rest."""
        array = np.array(values)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def dense(self, source: str, name: str) -> str:
        """One linear layer; transB reads PyTorch's [out, in] weights as they lie."""
        if self.int8:
            return self.dense_int8(source, name)
        weight, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.add("Gemm", source, weight, bias, output=f"{name}/out", transB=1)

    def dense_int8(self, source: str, name: str) -> str:
        """One linear layer with [in, out] weights in whole numbers; its input is rounded to such at each call."""
        outputs, inputs = WEIGHTS[f"{name}.weight"]
        weight = self.given(int8_name(f"{name}.weight"), TensorProto.INT8, (inputs, outputs))
        scale = self.given(scale_name(f"{name}.weight"), TensorProto.FLOAT, (outputs,))
        bias = self.weight(f"{name}.bias")
        return self.add(
            "DynamicQuantizeMatMul", source, weight, scale, "", bias, output=f"{name}/out", domain="com.microsoft"
        )

    def given(self, name: str, kind: int, shape: tuple[int, ...]) -> str:
        """Declares a tensor that the service passes to the session."""
        tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="given")
        self.initializers.append(tensor)
        return name

    def norm(self, source: str, name: str) -> str:
        """Layer normalisation over the hidden dimension."""
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.add("LayerNormalization", source, scale, bias, output=f"{name}/out", axis=-1, epsilon=NORM_EPSILON)


def embeddings(graph: GraphWriter) -> str:
    """Word, position and segment embeddings of [batch, tokens] ids as [batch * tokens, hidden]."""
    words = graph.weight("embeddings.word_embeddings.weight")
    positions = graph.weight("embeddings.position_embeddings.weight")
    segments = graph.weight("embeddings.token_type_embeddings.weight")
    graph.add("Gather", words, "input_ids", output="words")
    graph.add("Shape", "input_ids", output="token_count", start=1, end=2)
    graph.add("Slice", positions, graph.constant("zero", [0]), "token_count", output="positions")
    graph.add("Gather", segments, graph.constant("first_segment", 0), output="segment")
    graph.add("Add", "words", "positions", output="words_and_positions")
    graph.add("Add", "words_and_positions", "segment", output="embedded")
    graph.add("Reshape", "embedded", graph.constant("flat", [-1, HIDDEN]), output="embedded_flat")
    return graph.norm("embedded_flat", "embeddings.LayerNorm")


def masks(graph: GraphWriter) -> None:
    """The attention mask as weights 1/0 and as scores 0/MASKED_SCORE that broadcast over heads and queries."""
    graph.add("Cast", "attention_mask", output="mask", to=TensorProto.FLOAT)
    graph.add("Sub", graph.constant("one", 1.0), "mask", output="padding")
    graph.add("Mul", "padding", graph.constant("masked_score", MASKED_SCORE), output="padding_score")
    graph.add("Unsqueeze", "padding_score", graph.constant("head_axes", [1, 2]), output="score_mask")
    graph.add("Shape", "input_ids", output="batch_shape")
    graph.add("Concat", "batch_shape", graph.constant("heads", [HEADS, HEAD_SIZE]), output="split_shape", axis=0)
    graph.add("Concat", "batch_shape", graph.constant("hidden", [HIDDEN]), output="joined_shape", axis=0)
    graph.constant("query_scale", HEAD_SIZE**-0.5)


def attention(graph: GraphWriter, source: str, name: str) -> str:
    """Multi-head self-attention of [batch * tokens, hidden], before its residual connection."""
    order = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}
    split = {}
    for part, permutation in order.items():
        flat = graph.dense(source, f"{name}.self.{part}")
        heads = graph.add("Reshape", flat, "split_shape", output=f"{name}/{part}/heads")
        split[part] = graph.add("Transpose", heads, output=f"{name}/{part}", perm=permutation)
    scores = graph.add("MatMul", split["query"], split["key"], output=f"{name}/scores")
    scaled = graph.add("Mul", scores, "query_scale", output=f"{name}/scaled")
    masked = graph.add("Add", scaled, "score_mask", output=f"{name}/masked")
    weights = graph.add("Softmax", masked, output=f"{name}/weights", axis=-1)
    mixed = graph.add("MatMul", weights, split["value"], output=f"{name}/mixed")
    tokens = graph.add("Transpose", mixed, output=f"{name}/tokens", perm=[0, 2, 1, 3])
    joined = graph.add("Reshape", tokens, "flat", output=f"{name}/joined")
    return graph.dense(joined, f"{name}.output.dense")


def layer(graph: GraphWriter, source: str, name: str) -> str:
    """One transformer layer: attention and feed-forward, each with residual connection and normalisation."""
    attended = attention(graph, source, f"{name}.attention")
    residual = graph.add("Add", attended, source, output=f"{name}/attention/residual")
    normed = graph.norm(residual, f"{name}.attention.output.LayerNorm")
    wide = graph.dense(normed, f"{name}.intermediate.dense")
    active = graph.add("Gelu", wide, output=f"{name}/active")
    narrow = graph.dense(active, f"{name}.output.dense")
    return graph.norm(graph.add("Add", narrow, normed, output=f"{name}/residual"), f"{name}.output.LayerNorm")


def pooling(graph: GraphWriter, source: str) -> None:
    """The mean over the tokens that are no padding, scaled to length 1."""
    graph.add("Reshape", source, "joined_shape", output="tokens")
    graph.add("Unsqueeze", "mask", graph.constant("last_axis", [-1]), output="token_mask")
    graph.add("Mul", "tokens", "token_mask", output="masked_tokens")
    graph.add("ReduceSum", "masked_tokens", graph.constant("token_axis", [1]), output="token_sum", keepdims=0)
    # The division by the number of tokens cancels out in the normalisation, so the sum is enough.
    graph.add("LpNormalization", "token_sum", output="embedding", axis=-1, p=2)


def build(*, int8: bool = False) -> bytes:
    """The whole graph, serialised; the same bytes at each call."""
    graph = GraphWriter(int8=int8)
    masks(graph)
    hidden = embeddings(graph)
    for number in range(LAYERS):
        hidden = layer(graph, hidden, f"encoder.layer.{number}")
    pooling(graph, hidden)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", HIDDEN])]
    body = helper.make_graph(graph.nodes, "sentence-encoder", inputs, outputs, graph.initializers)
    domains = {"": OPSET} | ({"com.microsoft": 1} if int8 else {})
    opsets = [helper.make_opsetid(domain, number) for domain, number in domains.items()]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION)
    model.producer_name = "classification-service"
    return bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    """Writes the graph to the path given, by default to where the service reads it, and the other one beside it."""
    parser = argparse.ArgumentParser(description="Write the sentence encoder's graphs without weights.")
    parser.add_argument("output", type=Path, nargs="?", default=DEFAULT_OUTPUT)
    output: Path = parser.parse_args().output
    output.write_bytes(build())
    output.with_name(f"{output.stem}_int8.onnx").write_bytes(build(int8=True))


if __name__ == "__main__":
    main()
