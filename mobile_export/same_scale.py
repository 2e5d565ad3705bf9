"""Ranges that signatures of one configuration must agree on."""

from collections.abc import Mapping
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from mobile_export.identity import Place

_OPERATORS = schema.BuiltinOperator
_ONE_SCALE = (_OPERATORS.CONCATENATION, _OPERATORS.RESIZE_BILINEAR)


def agreed(
    content: Any,
    known: Mapping[Place, bytes],
    ranges: Mapping[bytes, tuple[float, float]],
    groups: Mapping[str, str],
) -> dict[Place, tuple[float, float]]:
    """One range for tensors that must have one scale wherever they stand.

    LiteRT's concatenation and interpolation work in one scale, so the quantizer gives the features
    that enter a concatenation its scale. In the signature of an exit in front of it the same
    features would keep their own, and a stage would hand on other bytes than the next one takes.

    Args:
        content: a model (`schema.ModelT`) in float32.
        known: digest of each tensor, as `identities` gives it.
        ranges: by digest.
        groups: signature -> its group, which is its configuration; others are left alone.

    Returns:
        (subgraph, tensor) -> range, for the tensors that have a digest with a range.
    """
    parents: dict[tuple[str, bytes], tuple[str, bytes]] = {}

    def root(key: tuple[str, bytes]) -> tuple[str, bytes]:
        while (parent := parents.setdefault(key, key)) != key:
            key = parent
        return key

    for entry in content.signatureDefs:
        group = groups.get(entry.signatureKey.decode())
        if group is None:
            continue
        number = entry.subgraphIndex
        for operator in content.subgraphs[number].operators:
            if content.operatorCodes[operator.opcodeIndex].builtinCode not in _ONE_SCALE:
                continue
            places = [(number, int(index)) for index in (*operator.outputs, *operator.inputs)]
            keys = [known[place] for place in places if known.get(place) in ranges]
            for key in keys[1:]:
                parents[root((group, key))] = root((group, keys[0]))
    hulls: dict[tuple[str, bytes], tuple[float, float]] = {}
    for group, digest in list(parents):
        low, high = ranges[digest]
        whole = hulls.get(root((group, digest)), (low, high))
        hulls[root((group, digest))] = min(low, whole[0]), max(high, whole[1])
    names = {entry.subgraphIndex: entry.signatureKey.decode() for entry in content.signatureDefs}
    found = {}
    for place, digest in known.items():
        if digest in ranges:
            key = (groups.get(names[place[0]], ""), digest)
            found[place] = hulls[root(key)] if key in parents else ranges[digest]
    return found
