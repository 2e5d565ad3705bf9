package org.tensorflow.lite;

/** Stub to compile against: what this project calls of Tensor, and nothing that runs. */
public interface Tensor {
    DataType dataType();
    int[] shape();
}
