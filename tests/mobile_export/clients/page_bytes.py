"""Bytes to the page and back, for its tests."""

import base64

import numpy as np

HELPERS = """
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const textOf = (bytes) => {
  let text = "";
  for (let k = 0; k < bytes.length; k += 8192) {
    text += String.fromCharCode(...bytes.subarray(k, k + 8192));
  }
  return btoa(text);
};
const plain = (result) => ({ ...result, mask: textOf(result.mask) });
"""
"""JavaScript at the head of functions that take or give bytes as base64."""


def text_of(content: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(content).decode()


def array_of(text: str, *shape: int) -> np.ndarray:
    """The uint8 array of such a text."""
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)
